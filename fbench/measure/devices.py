"""Which devices a run uses: ``--device`` and ``--gpus`` to names such as ``("cuda:0", "cuda:1")``.

GPUs are counted as CUDA shows them to this process, so after ``CUDA_VISIBLE_DEVICES``; NVML counts them
otherwise, which is why a GPU is matched between the two by its UUID and never by its number.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fbench.errors import DeviceError, shorten
from fbench.harness.sweep import split_items

MOST_DEVICES = 64
"""Of one run: a shard of the pool each."""

_CUDA = re.compile(r"cuda(?::(?P<ordinal>[0-9]{1,6}))?")  # more digits than six are no GPU, only a slip
_ORDINALS = re.compile(r"(?P<first>[0-9]{1,6})(?:\.\.(?P<last>[0-9]{1,6}))?")
_UUID = re.compile(r"(?:GPU|MIG)-(?P<rest>[0-9a-f-]+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Gpus:
    """What CUDA shows this process: ``count`` devices, and ``properties`` of each ordinal, as torch has them.

    Properties are looked up only when asked for, since that initialises CUDA in this process.
    """

    count: int
    properties: Callable[[int], Any]

    def uuid(self, ordinal: int) -> str:
        """The UUID, with its ``GPU-`` or ``MIG-``, which torch leaves off."""
        uuid = str(self.properties(ordinal).uuid)
        return uuid if _UUID.fullmatch(uuid) else f"GPU-{uuid}"

    def name(self, ordinal: int) -> str:
        """The name that the maker gave it."""
        return str(self.properties(ordinal).name)

    def memory_bytes(self, ordinal: int) -> int:
        """All its memory, in bytes."""
        return int(self.properties(ordinal).total_memory)


def visible_gpus() -> Gpus:
    """The GPUs of this machine that CUDA shows this process; none without CUDA. Imports torch."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a driver too old torch only warns; no_cuda_reason says it
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return Gpus(count, torch.cuda.get_device_properties)


def no_cuda_reason() -> str:
    """Why there is no CUDA device here, and what to do about it. Imports torch."""
    import torch

    if torch.version.cuda is None:
        return "this torch is built without CUDA; install a CUDA build, see pytorch.org"
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    if mask is not None:
        return f"CUDA_VISIBLE_DEVICES={mask!r} may hide the GPUs; unset it to see all"
    return "no GPU, or no driver that this torch can use; nvidia-smi tells which"


def parse_devices(device: str, gpus: str | None = None, *, query: Callable[[], Gpus] | None = None) -> tuple[str, ...]:
    """The devices that ``--device`` or ``--gpus`` name, in the order typed; more than one shards the pool.

    ``auto`` is the first GPU, or the CPU if there is none. ``cpu,cpu`` shards on the CPU. ``query`` stands in
    for ``visible_gpus``, and neither it nor torch is needed for ``cpu`` spellings.

    Raises:
        DeviceError: a spelling that is not of the grammar, both options at once, CPU and GPU mixed, a GPU
            named twice, or a GPU that this process does not see.
        SweepError: an item of the list is empty.

    Example:
        >>> parse_devices("cpu,cpu")
        ('cpu', 'cpu')
    """
    look = query or visible_gpus
    for option, text in (("--device", device), ("--gpus", gpus or "")):
        if text.count(",") >= MOST_DEVICES:
            raise DeviceError(f"{option} {shorten(text)}: must be at most {MOST_DEVICES} devices")
    if gpus is not None:
        if device != "auto":
            raise DeviceError(
                f"--device {shorten(device)} and --gpus {shorten(gpus)} both name devices; give one of them"
            )
        return _named_gpus(gpus, look)
    if device.strip(" ") == "auto":
        return ("cuda:0",) if look().count else ("cpu",)
    items = [item for _, item in split_items(device, "device")]
    if all(item == "cpu" for item in items):
        return tuple(items)
    return _named_cuda(device, items, look)


def _named_cuda(device: str, items: list[str], look: Callable[[], Gpus]) -> tuple[str, ...]:
    """The GPUs of a ``--device`` list."""
    matches = [(item, _CUDA.fullmatch(item)) for item in items]
    for item, match in matches:
        if item == "auto":
            raise DeviceError(
                f"--device {shorten(device)}: auto chooses by itself; write it alone, or name every device"
            )
        if match is None and item != "cpu":
            raise DeviceError(f"unknown device {shorten(item)!r}; write auto, cpu, cuda, cuda:1 or cuda:0,cuda:1")
    if "cpu" in items:
        raise DeviceError(f"--device {shorten(device)} mixes CPU and GPU; a run is on the one or on the other")
    ordinals = [int(match["ordinal"] or 0) for _, match in matches if match]
    visible = _some(f"--device {shorten(device)}", look)
    for ordinal in ordinals:
        _check(ordinal, visible)
    return _distinct(f"--device {device}", ordinals)


def _named_gpus(text: str, look: Callable[[], Gpus]) -> tuple[str, ...]:
    """The GPUs of a ``--gpus`` list: spelling first, so that a slip is told without a GPU too."""
    items = [item for _, item in split_items(text, "GPU")]
    for item in items:
        if not (_ORDINALS.fullmatch(item) or _UUID.fullmatch(item) or items == ["all"]):
            raise DeviceError(
                f"--gpus {shorten(item)!r} names no GPU; write 0,1 or 0..3, all (alone), or a UUID, GPU-…"
            )
    visible = _some(f"--gpus {shorten(text)}", look)
    if items == ["all"]:
        return _distinct("--gpus all", list(range(visible.count)))
    return _distinct(f"--gpus {text}", [ordinal for item in items for ordinal in _ordinals(item, visible)])


def _ordinals(item: str, visible: Gpus) -> Iterator[int]:
    """The ordinals that one item of ``--gpus`` names."""
    match = _ORDINALS.fullmatch(item)
    if match is None:
        yield _by_uuid(item, visible)
        return
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if first > last:
        raise DeviceError(f"--gpus {item} runs down; write {last}..{first}")
    _check(first, visible)
    _check(last, visible)
    yield from range(first, last + 1)


def _by_uuid(uuid: str, visible: Gpus) -> int:
    """The ordinal of the one GPU whose UUID begins so, whichever of GPU- and MIG- it is given with."""
    wanted = _bare(uuid)
    matches = [i for i in range(visible.count) if _bare(visible.uuid(i)).startswith(wanted)]
    if len(matches) != 1:
        fault = f"begins the UUIDs of {len(matches)} GPUs" if matches else f"is none of the {_seen(visible)}"
        raise DeviceError(f"{uuid} {fault}; nvidia-smi -L lists the UUIDs in full")
    return matches[0]


def _bare(uuid: str) -> str:
    match = _UUID.fullmatch(uuid)
    return (match["rest"] if match else uuid).lower()


def _some(option: str, look: Callable[[], Gpus]) -> Gpus:
    """The GPUs, of which there must be one."""
    visible = look()
    if not visible.count:
        raise DeviceError(f"{option}: no CUDA device here: {no_cuda_reason()}; or run with --device cpu")
    return visible


def _check(ordinal: int, visible: Gpus) -> None:
    if ordinal >= visible.count:
        names = "cuda:0" if visible.count == 1 else f"cuda:0 to cuda:{visible.count - 1}"
        raise DeviceError(f"cuda:{ordinal} is none of the {_seen(visible)}; name one of {names}")


def _seen(visible: Gpus) -> str:
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    state = "is not set" if mask is None else f"is {mask!r}"
    gpus = "1 GPU" if visible.count == 1 else f"{visible.count} GPUs"
    return f"{gpus} this process sees (CUDA_VISIBLE_DEVICES {state})"


def _distinct(option: str, ordinals: list[int]) -> tuple[str, ...]:
    """The names of the ordinals, each of which must stand once: two shards on one GPU slow each other."""
    for position, ordinal in enumerate(ordinals):
        if ordinal in ordinals[:position]:
            raise DeviceError(f"{option} names cuda:{ordinal} twice; name each GPU once")
    return tuple(f"cuda:{ordinal}" for ordinal in ordinals)
