"""Users' files, in a process that lives on: a notebook loads the same file again, and after every change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fbench.harness.registry import REGISTRIES, load_file

_LOADED: dict[Path, bytes] = {}
"""The contents of every file that ``load_again`` has run."""


def load_again(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Load users' files into a process that may have loaded them before: one that was changed replaces what it was.

    Example:
        >>> load_again([])
        ()

    Raises:
        UsageError: as ``load_file``.
    """
    for path in paths:
        full, there = path.resolve(), path.is_file()
        if there and _LOADED.get(full) == full.read_bytes():
            continue
        for known in REGISTRIES.values() if full in _LOADED else ():
            known.forget(f"fbench_loaded_{path.stem}")
        load_file(path)
        _LOADED[full] = full.read_bytes()
    return tuple(paths)
