"""A worker's tie to the process that began it: it starts deaf to Ctrl-C, and ends at once where its parent is gone.

Whoever is killed by SIGKILL tidies nothing up. So a worker watches its parent itself, by a pipe that the system closes
with the parent, and on Linux the kernel kills it: that also ends one which holds the interpreter's lock for long.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a process to end: a key, the system, a terminal that was closed."""

_SET_PARENT_DEATH_SIGNAL = 1  # of <linux/prctl.h>
_AT_ONCE = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows either ends a process there and then


@contextmanager
def ending_like_ctrl_c() -> Iterator[None]:
    """Make every signal of ``ENDING`` a KeyboardInterrupt within, so that all of them end a command alike.

    What was ignored stays so (``nohup``), and so does what somebody else handles. Only the main thread has signals.

    Example:
        >>> with ending_like_ctrl_c():
        ...     try:
        ...         signal.raise_signal(signal.SIGTERM)
        ...     except KeyboardInterrupt:
        ...         print("ended")
        ended
    """
    mine: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        mine = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def deaf() -> Iterator[None]:
    """Processes begun within are born with Ctrl-C held back: it is their parent's to handle, while they import too.

    ``end_with_parent`` is what they do next. A Ctrl-C that comes meanwhile reaches this process after it.

    Example:
        >>> with deaf():
        ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        True
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    if os.name == "posix":
        resource_tracker.ensure_running()  # it is begun with the first worker, and would let the signal in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Tie this worker to its parent's life, and leave Ctrl-C to it; what it starts inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True, name="parent's end").start()


def _watch(sentinel: int) -> None:
    """Wait, without a tick, until the parent is gone; it may have gone before this was asked."""
    wait([sentinel])
    os.kill(os.getpid(), _AT_ONCE)
