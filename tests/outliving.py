"""Which processes outlive the command that began them."""

from __future__ import annotations

from collections.abc import Iterable

import psutil


def outliving(family: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still live so long after; one that ended, and that init has yet to ask about, does not."""
    return [process for process in psutil.wait_procs(list(family), timeout=seconds)[1] if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
