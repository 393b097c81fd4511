"""NVML, the driver's own library: opened here, and a GPU found in it by its UUID, never by its number.

NVML counts GPUs in another order than CUDA does, and counts those too that CUDA_VISIBLE_DEVICES hides. It
counts its users itself, so that one who closes it takes it from nobody else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def opened_nvml() -> ModuleType:
    """The module ``pynvml``, initialised, and left so until the process ends or its ``nvmlShutdown``.

    Raises:
        Exception: no driver, no library, no permission (``pynvml.NVMLError``) or no pynvml (``ImportError``).
    """
    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    return nvml


@contextmanager
def nvml_for_now() -> Iterator[ModuleType]:
    """``opened_nvml`` for a block, closed after it."""
    nvml = opened_nvml()
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def handle_of(nvml: ModuleType, uuid: str) -> Any:
    """NVML's handle of the device that CUDA knows by this UUID, as ``Gpus.uuid`` writes it.

    Raises:
        pynvml.NVMLError: NVML does not know it, or has lost it.
    """
    try:
        return nvml.nvmlDeviceGetHandleByUUID(uuid)
    except nvml.NVMLError:  # torch leaves the prefix off, so a slice was taken for a whole GPU
        return nvml.nvmlDeviceGetHandleByUUID("MIG-" + uuid.removeprefix("GPU-"))
