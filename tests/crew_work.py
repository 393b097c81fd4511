"""What the ranks of a crew are asked to do in tests, where a process that is begun anew can import it."""

from __future__ import annotations

import os

import torch


def ranks_and_threads(device: str) -> list[object]:
    """The device, and the sums over ranks of their numbers and of their threads."""
    told = torch.tensor([torch.distributed.get_rank(), torch.get_num_threads()])
    torch.distributed.all_reduce(told)
    return [device, *told.tolist()]


def fail_at_one(device: str) -> None:
    """Raise in rank 1."""
    if torch.distributed.get_rank() == 1:
        raise ValueError("no such thing")


def die_at_one(device: str) -> None:
    """End rank 1 at once."""
    if torch.distributed.get_rank() == 1:
        os._exit(3)
