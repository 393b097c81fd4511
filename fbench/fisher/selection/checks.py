"""What is asked of a selection, checked before anything of it is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fbench.errors import DeviceError, InputError


def labelled_positions(labelled: Tensor | Sequence[int], n: int) -> Tensor:
    """The labelled positions as an index tensor [n_L] on the CPU: each in [0, n), none twice.

    Example:
        >>> labelled_positions([3, 0], n=4)
        tensor([3, 0])

    Raises:
        InputError: what is no list of positions, one outside the pool, one given twice.
    """
    try:
        typed = torch.as_tensor(sorted(labelled) if isinstance(labelled, set) else labelled).cpu()
    except (RuntimeError, TypeError, ValueError):
        raise InputError(f"labelled is a {type(labelled).__name__}: give positions in the pool, as [0, 5, 7]") from None
    if typed.ndim != 1:
        raise InputError(f"labelled has shape {list(typed.shape)}: give a list of positions in the pool, as [0, 5, 7]")
    if len(typed) and (typed.is_floating_point() or typed.dtype == torch.bool):
        raise InputError(
            f"labelled has dtype {typed.dtype}: give positions as integers (of a mask: mask.nonzero()[:, 0])"
        )
    index = typed.to(torch.int64)
    outside = index[(index < 0) | (index >= n)]
    if len(outside):
        raise InputError(f"labelled index {int(outside[0])} is outside the pool: must be from 0 to {n - 1}")
    values, counts = torch.unique(index, return_counts=True)
    if bool((counts > 1).any()):
        raise InputError(f"labelled index {int(values[counts > 1][0])} is given twice; each sample is labelled once")
    return index


def check_batch(batch_size: int, oversample: float, left: int) -> None:
    """Refuse a batch that what is ``left`` unlabelled cannot give, and an oversampling below 1.

    Example:
        >>> check_batch(5, 1.0, left=4)
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: batch_size 5: must be from 1 to 4, what is left unlabelled in the pool

    Raises:
        InputError: naming the number and its range.
    """
    if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
        raise InputError(f"batch_size {batch_size}: must be a whole number")
    if not 1 <= batch_size <= left:
        raise InputError(f"batch_size {batch_size}: must be from 1 to {left}, what is left unlabelled in the pool")
    if not (math.isfinite(oversample) and oversample >= 1):
        raise InputError(f"oversample {oversample}: must be at least 1 (1 means no backward removals)")


def usable_devices(devices: Sequence[str | torch.device]) -> list[torch.device]:
    """The devices, each tried.

    Example:
        >>> usable_devices("cpu")
        [device(type='cpu')]

    Raises:
        DeviceError: one that torch cannot use.
    """
    usable = []
    for name in [devices] if isinstance(devices, str) else devices:
        try:
            torch.empty(0, device=name)
            usable.append(torch.device(name))
        except (RuntimeError, AssertionError) as error:
            raise DeviceError(f"device {str(name)!r} cannot be used: {str(error).splitlines()[0]}") from error
    return usable


def selection_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype, float64 or float32.

    Example:
        >>> selection_dtype(torch.float32)
        torch.float32

    Raises:
        InputError: any other.
    """
    if dtype not in (torch.float64, torch.float32):
        raise InputError(f"dtype {dtype}: must be torch.float64 or torch.float32")
    return dtype
