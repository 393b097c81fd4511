"""GPUs as NVML and torch show them, for tests on machines that have none."""

from types import SimpleNamespace

import pynvml

from fbench.measure import devices
from fbench.measure.devices import Gpus

CARDS = [("NVIDIA H200", "GPU-aaaa", 139 * 2**30), ("NVIDIA L4", "GPU-bbbb", 22 * 2**30)]


def fails(code=pynvml.NVML_ERROR_NOT_SUPPORTED):
    def call(*_):
        raise pynvml.NVMLError(code)

    return call


def remove_driver(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", fails(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))


def insert_cards(monkeypatch):
    """Two GPUs as NVML shows them; CUDA shows them the other way round, with UUIDs as torch writes them."""
    shut = []
    for name, call in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: shut.append(True),
        "nvmlSystemGetDriverVersion": lambda: "570.86",
        "nvmlDeviceGetCount": lambda: len(CARDS),
        "nvmlDeviceGetHandleByIndex": lambda index: CARDS[index],
        "nvmlDeviceGetName": lambda handle: handle[0],
        "nvmlDeviceGetUUID": lambda handle: handle[1],
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=handle[2]),
    }.items():
        monkeypatch.setattr(pynvml, name, call)
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(2, torch_card))
    return shut


def torch_card(ordinal):
    name, uuid, size = CARDS[1 - ordinal]
    return SimpleNamespace(name=name, uuid=uuid.removeprefix("GPU-"), total_memory=size)
