"""Which of torchrun's processes this is, by the variables that it sets: rank, how many there are, how many here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fbench.errors import UsageError, shorten

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class Launch:
    """One process among ``count``; ``local_rank`` and ``local_count`` are the same among those of this machine.

    Example:
        >>> [Launch(rank, 3).share(10) for rank in range(3)]
        [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    def share(self, n: int) -> slice:
        """The candidates, of n, that are this process's: as many as any other's, or one less."""
        return slice(self.rank * n // self.count, (self.rank + 1) * n // self.count)

    def device(self, devices: tuple[str, ...]) -> str:
        """The one of the named devices that is this process's; on GPUs each has its own.

        Raises:
            UsageError: fewer GPUs were named than there are processes on this machine.

        Example:
            >>> Launch(3, 4, local_rank=1, local_count=2).device(("cuda:4", "cuda:5"))
            'cuda:5'
            >>> Launch(3, 4, local_rank=1, local_count=2).device(("cuda:0",))  # auto, or cuda
            'cuda:1'
        """
        if devices == ("cuda:0",):
            return f"cuda:{self.local_rank}"
        if devices[0] != "cpu" and len(devices) < self.local_count:
            named = ",".join(devices)
            raise UsageError(f"--device {named}: {self.local_count} processes were begun here, and each takes a GPU")
        return devices[self.local_rank % len(devices)]

    @contextlib.contextmanager
    def group(self, device: str) -> Iterator[None]:
        """The process group of all: over NCCL on GPUs, else over gloo."""
        import torch
        import torch.distributed as dist

        if device != "cpu":
            torch.cuda.set_device(device)
        dist.init_process_group("gloo" if device == "cpu" else "nccl")
        try:
            yield
        finally:
            dist.destroy_process_group()


def launch_of(variables: Mapping[str, str]) -> Launch:
    """This process by the environment's variables; alone where torchrun did not begin it.

    Raises:
        UsageError: what they say cannot be.

    Example:
        >>> launch_of({"HOME": "/root"})
        Launch(rank=0, count=1, local_rank=0, local_count=1)
        >>> launch_of({"RANK": "2", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}).count
        4
    """
    if "RANK" not in variables or "WORLD_SIZE" not in variables:
        return Launch()
    typed = [variables.get(name, usual) for name, usual in zip(_NAMES, ("", "", "0", "1"), strict=True)]
    told = ", ".join(f"{name}={shorten(text)}" for name, text in zip(_NAMES, typed, strict=True))
    if not all(text.isascii() and text.isdecimal() for text in typed):
        raise UsageError(f"{told}: must be whole numbers, as torchrun sets them; unset them to run in one process")
    launch = Launch(*map(int, typed))
    if not (launch.rank < launch.count and launch.local_rank < launch.local_count):
        raise UsageError(f"{told}: a rank must be less than how many there are; begin all of them by torchrun")
    return launch
