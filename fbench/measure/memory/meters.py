"""What a process can read of its own memory on one device, and with which reader the device is sampled.

Values are bytes by (source, quantity); what cannot be had is left out, and ``fault`` says why.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any, ClassVar

from fbench.measure import devices
from fbench.measure.memory.growth import give_back, high_water, reset_high_water
from fbench.measure.memory.nvml import NvmlReader
from fbench.measure.memory.readers import Reader, ReaderFault, RssReader, TorchReader

__all__ = ["Bytes", "GpuMeter", "HostMeter", "MemoryMeter", "SourceQuantity"]

SourceQuantity = tuple[str, str]
"""A source of numbers, such as ``torch``, and one of its quantities, such as ``reserved``."""

Bytes = Mapping[SourceQuantity, int]
"""Sizes in bytes by source and quantity; what cannot be had is left out."""


class MemoryMeter(ABC):
    """Reads the memory of one device.

    ``local_source`` is read in this process, ``sampled_source`` from the sampler's; ``keys`` are all that is known of
    the device, and ``fault`` says why something is not.
    """

    local_source: ClassVar[str]
    sampled_source: ClassVar[str]
    keys: ClassVar[tuple[SourceQuantity, ...]]

    def __init__(self, device: str) -> None:
        self.device, self.fault = device, ""

    @abstractmethod
    def sampled_reader(self) -> Callable[[], Reader]:
        """A function that makes the reader of ``sampled_source``; it is sent to the sampler's process."""

    @abstractmethod
    def clean(self) -> None:
        """Hand freed memory back, once the device has finished."""

    @abstractmethod
    def finish(self) -> None:
        """Wait until the device has finished."""

    @abstractmethod
    def now(self) -> Bytes:
        """The bytes held now."""

    @abstractmethod
    def reset(self) -> Bytes:
        """Set the high-water marks back to the bytes held now, and give those."""

    @abstractmethod
    def peaks(self) -> Bytes:
        """The most bytes held since ``reset``."""


class HostMeter(MemoryMeter):
    """This process's resident memory; its high-water mark is the kernel's."""

    local_source = sampled_source = "rss"
    keys = (("rss", "used"),)

    def __init__(self) -> None:
        super().__init__("cpu")
        self._start: int | None = None

    def sampled_reader(self) -> Callable[[], Reader]:
        return partial(RssReader, os.getpid())

    def clean(self) -> None:
        give_back()

    def finish(self) -> None:
        pass

    def now(self) -> Bytes:
        try:
            with closing(RssReader(os.getpid())) as reader:
                return {self.keys[0]: reader.read()["used"]}
        except ReaderFault as error:
            self.fault = str(error)
            return {}

    def reset(self) -> Bytes:
        self._start = reset_high_water()
        if self._start is None:
            self.fault = "the system has no high-water mark to reset: peaks are of samples, which miss shorter spikes"
            return self.now()
        return {self.keys[0]: self._start}

    def peaks(self) -> Bytes:
        return {} if self._start is None else {self.keys[0]: max(self._start, high_water())}


class GpuMeter(MemoryMeter):
    """What torch's allocator has on one GPU, with its own high-water marks; ``cuda`` stands in for ``torch.cuda``."""

    local_source, sampled_source = "torch", "nvml"
    keys = (*(("torch", name) for name in TorchReader.quantities), ("nvml", "used"), ("nvml", "non_torch"))

    def __init__(self, device: str, cuda: Any = None) -> None:
        if cuda is None:
            import torch

            cuda = torch.cuda
        super().__init__(device)
        self._cuda = cuda
        self._reader = TorchReader(device, cuda)

    def sampled_reader(self) -> Callable[[], Reader]:
        uuid = devices.visible_gpus().uuid(int(self.device.removeprefix("cuda:")))
        return partial(NvmlReader, uuid, os.getpid())

    def clean(self) -> None:
        self.finish()
        self._cuda.empty_cache()

    def finish(self) -> None:
        self._cuda.synchronize(self.device)

    def now(self) -> Bytes:
        return self._read(self._reader.read)

    def reset(self) -> Bytes:
        def read() -> dict[str, int]:
            self._reader.reset()
            return self._reader.read()

        return self._read(read)

    def peaks(self) -> Bytes:
        return self._read(self._reader.peaks)

    def _read(self, read: Callable[[], dict[str, int]]) -> Bytes:
        try:
            return {(self.local_source, quantity): value for quantity, value in read().items()}
        except ReaderFault as error:
            self.fault = str(error)
            return {}
