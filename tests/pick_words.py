"""What would have been typed of ``fbench pick``, as ``read_pick`` takes it."""

from __future__ import annotations

from typing import Any

from fbench.cli.parameters import PICK_OPTIONS


def typed_for(batch: int, **typed: Any) -> dict[str, Any]:
    """Every option at its default, but a batch and those named."""
    return {**{name: default for name, (_, default, _) in PICK_OPTIONS.items()}, "batch": str(batch), **typed}
