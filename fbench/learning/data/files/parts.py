"""What a file of features holds, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fbench.learning.data.files.places import Places


@dataclass(frozen=True, eq=False)
class FeatureParts:
    """Arrays as they are stored.

    Attributes:
        features: [N, h], dense, memory-mapped or sparse.
        targets: [N] numbers or names; None where the file has none.
        test_features: [M, h] of the test part, or None.
        test_targets: [M].
        ids: of the N samples.
        metadata: of the N samples, by column.
        test_ids: of the M samples.
        places: where the N samples and the h features stand in the file.
        test_places: where the M samples do.
    """

    features: Any
    targets: Any | None
    test_features: Any | None = None
    test_targets: Any | None = None
    ids: Sequence[str] = ()
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)
    test_ids: Sequence[str] = ()
    places: Places = field(default_factory=Places)
    test_places: Places = field(default_factory=Places)
