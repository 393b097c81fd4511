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

__all__ = ["Bytes", "GpuMeter", "HostMeter", "Key", "Meter"]

Key = tuple[str, str]
"""A source and a quantity of it."""

Bytes = Mapping[Key, int]


class Meter(ABC):
    """One device. ``own`` is the source read in this process, ``sampled`` the one read from outside."""

    own: ClassVar[str]
    sampled: ClassVar[str]
    keys: ClassVar[tuple[Key, ...]]

    def __init__(self, device: str) -> None:
        self.device, self.fault = device, ""

    @abstractmethod
    def sampled_reader(self) -> Callable[[], Reader]:
        """What makes the reader of ``sampled``."""

    @abstractmethod
    def clean(self) -> None:
        """Hand freed memory back, once the device has finished."""

    @abstractmethod
    def finish(self) -> None:
        """Wait until the device has finished."""

    @abstractmethod
    def now(self) -> Bytes:
        """What is held."""

    @abstractmethod
    def reset(self) -> Bytes:
        """Set the high-water marks back to what is held, and give that."""

    @abstractmethod
    def peaks(self) -> Bytes:
        """The most since ``reset``."""


class HostMeter(Meter):
    """This process's resident memory; its high-water mark is the kernel's."""

    own = sampled = "rss"
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


class GpuMeter(Meter):
    """What torch's allocator has on one GPU, with its own high-water marks; ``cuda`` stands in for ``torch.cuda``."""

    own, sampled = "torch", "nvml"
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
            return {(self.own, quantity): value for quantity, value in read().items()}
        except ReaderFault as error:
            self.fault = str(error)
            return {}
