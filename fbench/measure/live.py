"""Bytes of the tensors alive at once while a block runs: what its shapes ask for, on any device, exactly.

Every result of a torch operation is counted from when it is made until its storage is freed. On the ``meta`` device
nothing is computed and nothing is held, so that a batch of any size is counted in no time. Left out is what a library
takes inside an operation, such as a convolution's workspace, and what an allocator keeps back.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call] # of torch
    """Counts the bytes of the storages that operations inside the block made: ``now``, and at most (``peak``).

    ``restart`` begins a new peak from what is alive, so that one block may have phases. ``inside(operation, arguments,
    result)`` may tell bytes that an operation holds while it runs.
    """

    def __init__(self, inside: Callable[[Any, tuple[Any, ...], Any], int] | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._inside = inside
        self._sizes: dict[int, int] = {}

    def restart(self) -> None:
        """Forget the peak so far."""
        self.peak = self.now

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        passed_in = {id(storage) for storage in _storages((args, kwargs))}
        for storage in _storages(made):
            if id(storage) not in passed_in:
                self._count(storage)
        if self._inside is not None:
            self.peak = max(self.peak, self.now + self._inside(func, args, made))
        return made

    def _count(self, storage: torch.UntypedStorage) -> None:
        if id(storage) in self._sizes:  # the storage is alive, so that the number is its own
            return
        self._sizes[id(storage)] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, id(storage)).atexit = False

    def _freed(self, number: int) -> None:
        self.now -= self._sizes.pop(number)


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    """The storages of the tensors in arguments or results, however they are nested."""
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
