"""What processes of a ``torch.distributed`` group tell each other during a selection: sums, small tables, one's rows.

Every process of the group calls the same methods in the same order. With NCCL messages travel between GPUs, with any
other backend through the CPUs' memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from fbench.errors import InputError, LostRankError


class Ranks:
    """The processes of a group, ``count`` of them, of which this one has the number ``index``.

    Raises:
        InputError: no group was begun.

    Example:
        >>> Ranks()
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: no process group: start by torchrun, and call torch.distributed.init_process_group
    """

    def __init__(self, group: Any = None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise InputError("no process group: start by torchrun, and call torch.distributed.init_process_group")
        self._group = group
        self.index, self.count = dist.get_rank(group), dist.get_world_size(group)
        over_gpus = dist.get_backend(group) == "nccl"
        self._place = torch.device("cuda", torch.cuda.current_device()) if over_gpus else torch.device("cpu")

    def summed(self, part: Tensor) -> Tensor:
        """The sum of everybody's ``part``, alike to the last digit everywhere; ``part`` may be written over."""
        with self._together():
            total = part.to(self._place)
            dist.all_reduce(total, group=self._group)
            return total.to(part.device)

    def gathered(self, part: Tensor) -> Tensor:
        """Everybody's ``part``, in the order of ranks: [count, …], on the CPU."""
        with self._together():
            parts = [torch.empty_like(part, device=self._place) for _ in range(self.count)]
            dist.all_gather(parts, part.to(self._place).contiguous(), group=self._group)
            return torch.stack(parts).cpu()

    def sent(self, values: Tensor, owner: int) -> Tensor:
        """The owner's ``values``; everybody else gives a tensor of that shape and dtype, which may be written over."""
        with self._together():
            there = values.to(self._place).contiguous()
            dist.broadcast(there, group_src=owner, group=self._group)
            return there.to(values.device)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # of the backend: a connection is closed, or nobody answered in time
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise LostRankError(
                f"rank {self.index} of {self.count}: another rank has ended or does not answer, and the selection "
                f"with it; its own last words say why ({reason})"
            ) from error
