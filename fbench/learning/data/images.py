"""Samples with their classes: a data set, and what one seed sees of it.

Layout: one sample lies along the first axis, whatever it is: images [n, c, h, w] or features [n, h] float32, token ids
[n, t] int64. Targets are [n] int64 from 0 to k − 1. Nothing is augmented: Fisher information is to be measured on
the samples themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["NO_RECORDS", "Images", "Pool", "Records"]


@dataclass(frozen=True, eq=False)
class Records:
    """What is known of every sample beside its numbers, and carried to where it is bought.

    Attributes:
        ids: of the N samples; empty where they have none.
        metadata: of the N samples, by column.
    """

    ids: Sequence[str] = ()
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, index: int) -> dict[str, str | None]:
        """The columns of ``selections.csv`` that tell of one sample; None where nothing does.

        Example:
            >>> Records(["ant.png", "bee.png"], {"site": ["A", "B"]}).of(1)
            {'id': 'bee.png', 'metadata': '{"site": "B"}'}
        """
        told = {name: values[index] for name, values in self.metadata.items()}
        return {
            "id": self.ids[index] if self.ids else None,
            "metadata": json.dumps(told, ensure_ascii=False) if told else None,
        }


NO_RECORDS = Records()


@dataclass(frozen=True, eq=False)
class Images:
    """A data set.

    Attributes:
        name: as registered.
        images: [N, …] the samples: float32, images with values from 0 to 1 or standardised, as the loader says; or
            int64 where they are token ids.
        targets: [N] int64.
        classes: k.
        test_images: the fixed test set, or None where there is none.
        test_targets: its targets.
        class_names: of the k classes where they have names, in order.
        left_out: what was to be read and could not, by its name.
        records: ids and metadata of the N samples.
        test_records: those of the fixed test set.
        contents: a SHA-256 of the files that were read, by which a run knows that they are still the same.
    """

    name: str
    images: Tensor
    targets: Tensor
    classes: int
    test_images: Tensor | None = None
    test_targets: Tensor | None = None
    class_names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    records: Records = NO_RECORDS
    test_records: Records = NO_RECORDS
    contents: str = ""


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates that one seed may label, and the samples that it is tested on.

    Attributes:
        images: [n, …] as in ``Images``.
        targets: [n] int64, the labels that buyers get; a strategy looks only at those already bought.
        ids: [n] int64, index of each into ``Images.images``, ascending; N and more are copies, of index − N.
        test_images: [m, …].
        test_targets: [m] int64.
        classes: k.
        may_start: [n] bool, which of them the start set is drawn from; all where it is None.
        records: ids and metadata of the data set's N samples.
        total: N, above which ids are those of copies; 0 where there is none.
        test_index: [m] int64, where each test sample stands in the fixed test set, or, without one, in
            ``Images.images``; on the CPU.
        test_records: ids and metadata of what ``test_index`` counts.
    """

    images: Tensor
    targets: Tensor
    ids: Tensor
    test_images: Tensor
    test_targets: Tensor
    classes: int
    may_start: Tensor | None = None
    records: Records = NO_RECORDS
    total: int = 0
    test_index: Tensor | None = None
    test_records: Records = NO_RECORDS

    def to(self, device: torch.device | str) -> Pool:
        """The same pool on ``device``; tensors already there are shared."""
        names = ("images", "targets", "ids", "test_images", "test_targets")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def starters(self) -> Tensor:
        """Positions that the start set may be drawn from, ascending.

        Example:
            >>> import torch
            >>> pool = Pool(*[torch.arange(3)] * 5, classes=3, may_start=torch.tensor([True, False, True]))
            >>> pool.starters().tolist()
            [0, 2]
        """
        import torch

        return torch.arange(len(self.ids)) if self.may_start is None else self.may_start.nonzero().flatten()

    def tested_ids(self) -> tuple[str, ...]:
        """Ids of the test samples; none where they have none.

        Example:
            >>> import torch
            >>> few = torch.tensor([2, 0])
            >>> Pool(*[few] * 5, classes=3, test_index=few, test_records=Records(["a", "b", "c"])).tested_ids()
            ('c', 'a')
        """
        ids = self.test_records.ids
        return tuple(ids[i] for i in self.test_index.tolist()) if ids and self.test_index is not None else ()

    def record_of(self, index: int) -> dict[str, str | None]:
        """What is known of the sample that a data-set index means; of a copy, what is of its original.

        Example:
            >>> import torch
            >>> pool = Pool(*[torch.arange(3)] * 5, classes=3, records=Records(["a", "b", "c"]), total=3)
            >>> pool.record_of(4)["id"]
            'b'
        """
        return self.records.of(index % self.total if self.total else index)
