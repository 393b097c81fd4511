"""What code can change for everybody else in its process: settings of torch and numpy, random numbers, the folder.

Foreign code changes it as it likes, and would so reach its neighbours in the order in which they happen to run.
``isolated`` puts all of it back after a call; ``Worlds`` gives every case of a run a state of its own.
torch is imported inside: whoever is asked to keep its state has loaded it, or is about to.
"""

from __future__ import annotations

import functools
import hashlib
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple


class Setting(NamedTuple):
    """One thing that is the same for a whole process: how it is read and how it is set."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]


@functools.cache
def _settings() -> tuple[Setting, ...]:
    import numpy as np
    import torch

    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = [(cudnn, "benchmark"), (cudnn, "deterministic"), (cudnn, "allow_tf32"), (matmul, "allow_tf32")]
    return (
        Setting(torch.get_default_dtype, torch.set_default_dtype),
        Setting(torch.get_default_device, _set_default_device),
        Setting(torch.is_grad_enabled, torch.set_grad_enabled),
        Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        Setting(torch.get_num_threads, torch.set_num_threads),
        Setting(torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        *(Setting(functools.partial(getattr, *flag), functools.partial(setattr, *flag)) for flag in flags),
        Setting(np.geterr, lambda errors: np.seterr(**errors)),
        Setting(os.getcwd, os.chdir),
    )


def _set_default_device(device: Any) -> None:
    """Set torch's default device; the CPU is what it is where none was ever set."""
    import torch

    torch.set_default_device(None if device.type == "cpu" else device)


@dataclass(frozen=True)
class GlobalState:
    """All settings, and where the random numbers of torch and Python stand; numpy's generator is swapped as a whole."""

    settings: tuple[Any, ...]
    torch_numbers: Any
    cuda_numbers: Any
    numpy_generator: Any
    python_numbers: Any


def _numpy() -> Any:
    """numpy.random, some of whose names type checkers do not know."""
    import numpy as np

    return np.random


def _cuda_is_used() -> bool:
    import torch

    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _captured() -> GlobalState:
    import torch

    return GlobalState(
        tuple(setting.read() for setting in _settings()),
        torch.get_rng_state(),
        torch.cuda.get_rng_state_all() if _cuda_is_used() else None,
        _numpy().get_bit_generator(),  # copying its state would cost a quarter of a millisecond
        random.getstate(),
    )


def _restore(state: GlobalState) -> None:
    """Put the process back into a state; a setting that has not changed is not touched: to set some costs time."""
    import torch

    for setting, value in zip(_settings(), state.settings, strict=True):
        if setting.read() != value:
            setting.write(value)
    torch.set_rng_state(state.torch_numbers)
    if state.cuda_numbers is not None:
        torch.cuda.set_rng_state_all(state.cuda_numbers)
    _numpy().set_bit_generator(state.numpy_generator)
    random.setstate(state.python_numbers)


def _seed_everything(seed: int) -> None:
    """Start the random numbers of torch (CUDA's too), numpy and Python afresh."""
    import torch

    torch.default_generator.manual_seed(seed)
    if _cuda_is_used():
        for generator in torch.cuda.default_generators:
            generator.manual_seed(seed)
    _numpy().set_bit_generator(_numpy().MT19937(seed))
    random.seed(seed)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Let a part of the program start from a 32-bit ``seed`` and do as it likes: all is put back after it.

    Example:
        >>> import torch
        >>> with isolated(3):
        ...     torch.set_default_dtype(torch.float64)
        ...     random.randrange(100), random.randrange(100)
        (30, 75)
        >>> torch.get_default_dtype()
        torch.float32
    """
    before = _captured()
    _seed_everything(seed)
    try:
        yield
    finally:
        _restore(before)


class Worlds:
    """A global state for every case of a run, taken up where the case left it.

    A case then gives the same whether it runs alone, after others or by turns with them.
    """

    def __init__(self) -> None:
        self._states: dict[str, GlobalState] = {}

    @contextmanager
    def of(self, case: str) -> Iterator[None]:
        """Be in the case's state; a new case starts from this process's settings and numbers of its own."""
        outside = _captured()
        if case in self._states:
            _restore(self._states[case])
        else:
            _seed_everything(int.from_bytes(hashlib.blake2b(case.encode(), digest_size=4).digest(), "big"))
        try:
            yield
        finally:
            self._states[case] = _captured()
            _restore(outside)

    def end(self, case: str) -> None:
        """Forget a case that has no more turns."""
        self._states.pop(case, None)
