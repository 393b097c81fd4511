"""GPUs as NVML and torch show them, for tests on machines that have none."""

from types import SimpleNamespace

import pynvml

from fbench.measure import devices
from fbench.measure.devices import Gpus

CARDS = [("NVIDIA H200", "GPU-aaaa", 139 * 2**30), ("NVIDIA L4", "GPU-bbbb", 22 * 2**30)]
SM_MHZ = {"GPU-aaaa": 1980, "GPU-bbbb": 2040}
CELSIUS = {"GPU-aaaa": 41, "GPU-bbbb": 63}
REASONS = {"GPU-aaaa": 0x0, "GPU-bbbb": 0x1}  # an idle GPU says so
MULTIPROCESSORS = {"GPU-aaaa": 132, "GPU-bbbb": 58}


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
        "nvmlDeviceGetHandleByUUID": card_of,
        "nvmlDeviceGetName": lambda handle: handle[0],
        "nvmlDeviceGetUUID": lambda handle: handle[1],
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=handle[2]),
        "nvmlDeviceGetClockInfo": lambda handle, kind: SM_MHZ[handle[1]] if kind == pynvml.NVML_CLOCK_SM else 1,
        "nvmlDeviceGetTemperature": lambda handle, sensor: CELSIUS[handle[1]],
        "nvmlDeviceGetCurrentClocksEventReasons": lambda handle: REASONS[handle[1]],
    }.items():
        monkeypatch.setattr(pynvml, name, call)
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(2, torch_card))
    return shut


def card_of(uuid):
    """NVML's card of a UUID, in full and with its prefix, as the driver wants it."""
    found = [card for card in CARDS if card[1] == uuid]
    return found[0] if found else fails(pynvml.NVML_ERROR_NOT_FOUND)()


def torch_card(ordinal):
    name, uuid, size = CARDS[1 - ordinal]
    multiprocessors = MULTIPROCESSORS[uuid]
    bare = uuid.removeprefix("GPU-")
    return SimpleNamespace(name=name, uuid=bare, total_memory=size, multi_processor_count=multiprocessors)
