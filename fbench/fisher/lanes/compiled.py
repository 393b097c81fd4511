"""Functions compiled by numba and kept on disk for the next process, wherever the disk lets them be.

A cache is a convenience: one that is damaged is emptied, one that cannot be written is done without, and either is
said in a warning. numba itself would raise whatever reading or writing raised.
"""

from __future__ import annotations

import functools
import gc
import warnings
from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first use, without Python's lock; keep it on disk where there is a place to keep it."""
    try:
        dispatcher: Any = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write
        dispatcher = njit(nogil=True)(function)
    dispatcher._cache = ForgivingCache(dispatcher._cache)
    return dispatcher


class ForgivingCache:
    """A cache of numba's that raises nothing: what it cannot load is compiled, what it cannot save is not kept."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function for a signature; None where it is not kept, or cannot be read."""
        try:
            return self._cache.load_overload(sig, target_context)
        except Exception as error:  # a pickle that is damaged may raise anything
            self._empty(error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function, if that can be.

        What compiling leaves behind is collected: errors that numba caught keep their callers' arguments alive.
        """
        try:
            self._cache.save_overload(sig, data)
        except Exception as error:
            self._leave(error)
        gc.collect()

    def _empty(self, error: Exception) -> None:
        """Forget what is kept of this function, so that it is written anew."""
        try:
            self._cache.flush()
            _warn(self.cache_path, "what was damaged in it is compiled and written anew", _reason(error))
        except Exception:
            self._leave(error)

    def _leave(self, error: Exception) -> None:
        self._cache.disable()
        _warn(self.cache_path, "functions are compiled anew in every process", _reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


@functools.cache
def _warn(folder: str, outcome: str, reason: str) -> None:
    warnings.warn(
        f"numba's cache in {folder} could not be used ({reason}): {outcome}; NUMBA_CACHE_DIR names another folder",
        stacklevel=2,
    )
