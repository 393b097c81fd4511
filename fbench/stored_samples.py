"""Samples that stay where they are stored, and stand in a pool as a tensor does: what is indexed is read, and no more.

``samples[positions]``, ``samples[a:b]`` and ``samples[i]`` give plain tensors; ``split`` gives parts that are read when
they are used, and ``to`` the same samples on another device or in another dtype, made so when they are read. Any other
function of torch gets all of it, read at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

_aten = torch.ops.aten
_SAME = {_aten.clone.default, _aten.detach.default, _aten.alias.default}
"""What gives another tensor of the same numbers: nothing can be written into what is read anew every time."""

Read = Callable[[Tensor], Tensor]
"""Gives the samples [m, …] at the rows [m] of what is stored, on the CPU."""


class StoredSamples(Tensor):
    """n samples that are read when they are asked for.

    Args:
        read: gives some of them.
        rows: [n], where they are stored.
        shape: of one sample.
        dtype: in which what is read is given, whatever that of ``read`` is.
        device: where what is read goes.

    Example:
        >>> stored = StoredSamples(lambda rows: rows[:, None] * torch.ones(2), torch.arange(1000), (2,), torch.float32)
        >>> stored.shape, stored[[3, 5]].tolist()
        (torch.Size([1000, 2]), [[3.0, 3.0], [5.0, 5.0]])
    """

    read: Read
    rows: Tensor

    @staticmethod
    def __new__(
        cls, read: Read, rows: Tensor, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu"
    ) -> StoredSamples:
        made: StoredSamples = Tensor._make_wrapper_subclass(
            cls, (len(rows), *shape), dtype=dtype, device=torch.device(device)
        )
        made.read, made.rows = read, rows
        return made

    def at(self, positions: Tensor) -> StoredSamples:
        """Some of them, still stored.

        Example:
            >>> stored = StoredSamples(lambda rows: rows[:, None].float(), torch.arange(9), (1,), torch.float32)
            >>> stored.at(torch.tensor([8, 2]))[0].tolist()
            [8.0]
        """
        return self._with(self.rows[positions.cpu()])

    def _with(
        self, rows: Tensor, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> StoredSamples:
        return StoredSamples(self.read, rows, tuple(self.shape[1:]), dtype or self.dtype, device or self.device)

    def _read(self, rows: Tensor) -> Tensor:
        return self.read(rows).to(self.device, self.dtype)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # torch says no type
        return f"StoredSamples({list(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's stub is that of the disabled one
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run one of torch's functions: on a part where it asks for a part of the first axis, else on all of it."""
        first, kwargs = args[0], kwargs or {}
        if isinstance(first, cls):
            part = first._part(func, *args[1:], **kwargs)
            if part is not None:
                return part
        plain = tree_map_only(cls, lambda stored: stored._read(stored.rows), (args, kwargs))
        return func(*plain[0], **plain[1])

    def _part(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """What a function gives that takes no more than some samples; None where it takes more."""
        if func in _SAME:
            return self._with(self.rows)
        if func is _aten._to_copy.default:
            return self._with(self.rows, kwargs.get("device"), kwargs.get("dtype"))
        if func is _aten.index.Tensor and len(args[0]) == 1:
            return self._read(self.rows[args[0][0].cpu()])
        if func is _aten.split.Tensor and args[1:] in ((), (0,)):
            return [self._with(rows) for rows in torch.split(self.rows, args[0])]
        if func is _aten.slice.Tensor and args[0] == 0:
            return self._read(self.rows[slice(*args[1:])])
        if func is _aten.select.int and args[0] == 0:
            return self._read(self.rows[args[1]].reshape(1))[0]
        return None
