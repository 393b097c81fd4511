import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import fake_nvml
import psutil
import pynvml
import pytest
from fake_nvml import fails

from fbench.measure import conditions, devices
from fbench.measure.conditions import Conditions
from fbench.measure.devices import Gpus

NAMES = ["cpu_mhz", "load_1m", "steal_share", "gpu_clock_mhz", "gpu_throttle", "gpu_temperature_c", "multiprocessors"]
GPU = NAMES[3:]
REASONS_CALLS = ["nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"]
BOTH = ("cuda:0", "cuda:1")
Linux = namedtuple("Linux", "user nice system idle iowait irq softirq steal guest guest_nice")
Mac = namedtuple("Mac", "user nice system idle")


def gpu_values(names=("cuda:0",)):
    reading = Conditions(names).read()
    return [reading[name] for name in GPU]


def test_a_cpu_is_read_without_torch_or_nvml():
    code = (
        "import sys; from fbench.measure.conditions import Conditions\n"
        "found = Conditions(('cpu', 'cpu')).read()\n"
        f"assert [name for name in found if name in {GPU} and found[name] is not None] == []\n"
        "assert not {'torch', 'pynvml', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plain_values_under_the_names_of_the_table(cards):
    condition = Conditions(BOTH)
    for _ in range(2):
        reading = condition.read()
        assert list(reading) == NAMES
        assert {type(value) for value in reading.values()} <= {float, int, str, type(None)}


# The processor


@pytest.mark.parametrize(
    ("clocks", "mean"),
    [([2000.0, 3000.0], 2500.0), ([0.0, 2400.0], 2400.0), ([0.0], None), ([], None)],
    ids=["mean", "one offline", "all offline", "none shown"],
)
def test_cpu_clock(clocks, mean, monkeypatch):
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: [SimpleNamespace(current=clock) for clock in clocks])
    assert Conditions(("cpu",)).read()["cpu_mhz"] == mean


def test_load_is_that_of_the_last_minute(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 1.0, 2.0))
    assert Conditions(("cpu",)).read()["load_1m"] == 0.5


def test_what_the_system_does_not_tell_is_none(monkeypatch):
    def gone(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(os, "getloadavg", gone)
    monkeypatch.setattr(psutil, "cpu_freq", gone)
    monkeypatch.setattr(psutil, "cpu_times", gone)
    condition = Conditions(("cpu",))
    assert [condition.read(), condition.read()] == [dict.fromkeys(NAMES)] * 2
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: None)
    monkeypatch.delattr(os, "getloadavg")  # Windows has none
    assert condition.read() == dict.fromkeys(NAMES)


def shares(monkeypatch, *readings):
    """The share of each reading, whose ``cpu_times`` are given; an exception is raised."""
    script = iter(readings)

    def times():
        reading = next(script)
        if isinstance(reading, Exception):
            raise reading
        return reading

    monkeypatch.setattr(psutil, "cpu_times", times)
    condition = Conditions(("cpu",))
    return [condition.read()["steal_share"] for _ in readings]


def linux(user=0.0, idle=0.0, steal=0.0, guest=0.0):
    return Linux(user, 0.0, 0.0, idle, 0.0, 0.0, 0.0, steal, guest, 0.0)


def test_steal_is_a_share_of_the_time_since_the_previous_reading(monkeypatch):
    reading = shares(monkeypatch, linux(10, 80, 10), linux(11, 82, 11), linux(15, 82, 11), linux(15, 82, 13))
    assert reading == [None, 0.25, 0.0, 1.0]


def test_guests_are_not_counted_twice(monkeypatch):
    """Linux counts the time of a virtual machine that it runs as user time too."""
    assert shares(monkeypatch, linux(), linux(user=3, steal=1, guest=3)) == [None, 0.25]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (linux(10, 10, 10), linux(10, 10, 10)),
        (linux(), linux()),
        (linux(10, 10, 10), linux(12, 10, 9)),
        (linux(10, 10, 10), linux(8, 10, 11)),
        (linux(10, 10, 10), linux(9, 10, 13)),
        (Mac(1, 0, 1, 1), Mac(2, 0, 2, 2)),
    ],
    ids=["no tick", "nothing counted", "steal steps back", "all step back", "user steps back", "no steal here"],
)
def test_no_share_where_there_is_none(before, after, monkeypatch):
    assert shares(monkeypatch, before, after) == [None, None]


def test_after_a_reading_that_failed_there_is_no_share(monkeypatch):
    reading = shares(monkeypatch, linux(1), OSError("gone"), linux(3, steal=1), linux(6, steal=2))
    assert reading == [None, None, None, 0.25]


# The GPUs


def test_a_gpu_is_found_by_its_uuid_not_by_its_number(cards):
    """NVML's first card is CUDA's second."""
    assert gpu_values(("cuda:0",)) == [2040, "", 63, 58]
    assert gpu_values(("cuda:1",)) == [1980, "", 41, 132]


def test_of_several_the_slowest_the_hottest_and_the_first(cards):
    assert gpu_values(BOTH) == [1980, "", 63, 58]
    assert gpu_values(BOTH[::-1]) == [1980, "", 63, 132]


def test_nvml_is_opened_once_and_kept(cards, monkeypatch):
    opened = []
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: opened.append(True))
    condition = Conditions(BOTH)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", fails())
    monkeypatch.setattr(devices, "visible_gpus", lambda: pytest.fail("CUDA was asked again"))
    first, second = condition.read(), condition.read()
    assert [first[name] for name in GPU] == [second[name] for name in GPU] == [1980, "", 63, 58]
    assert (opened, cards) == ([True], [])


def test_each_reading_is_new(cards, monkeypatch):
    condition = Conditions(("cuda:1",))
    assert condition.read()["gpu_clock_mhz"] == 1980
    monkeypatch.setitem(fake_nvml.SM_MHZ, "GPU-aaaa", 345)
    assert condition.read()["gpu_clock_mhz"] == 345


@pytest.mark.parametrize(
    ("bits", "names"),
    [
        (0x0, ""),
        (0x1, ""),
        (0x3, ""),
        (0x5, "sw_power_cap"),
        (0x4C, "sw_power_cap+hw_slowdown+hw_thermal_slowdown"),
        (0x1B0, "sync_boost+sw_thermal_slowdown+hw_power_brake_slowdown+display_clock_setting"),
        (0x8004, "sw_power_cap+0x8000"),
    ],
)
def test_what_holds_the_clock_down(bits, names, cards, monkeypatch):
    monkeypatch.setitem(fake_nvml.REASONS, "GPU-aaaa", bits)
    assert gpu_values(("cuda:1",)) == [1980, names, 41, 132]


@pytest.mark.parametrize(("bit", "name"), conditions._REASONS.items())
def test_the_names_are_those_of_nvml(bit, name):
    assert getattr(pynvml, "nvmlClocksEventReason" + name.title().replace("_", "")) == bit


def test_reasons_of_several_are_joined_each_once(cards, monkeypatch):
    monkeypatch.setitem(fake_nvml.REASONS, "GPU-aaaa", 0x24)
    monkeypatch.setitem(fake_nvml.REASONS, "GPU-bbbb", 0x44)
    assert gpu_values(BOTH)[1] == "sw_power_cap+hw_thermal_slowdown+sw_thermal_slowdown"


@pytest.mark.parametrize(
    ("new", "old", "value"),
    [
        (*REASONS_CALLS, "sw_power_cap"),
        ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV", 4),
    ],
)
@pytest.mark.parametrize("absent", [True, False], ids=["not in pynvml", "not in the driver"])
def test_one_of_two_calls_is_enough(new, old, value, absent, cards, monkeypatch):
    if absent:
        monkeypatch.delattr(pynvml, new)
    else:
        monkeypatch.setattr(pynvml, new, fails(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND))
    monkeypatch.setattr(pynvml, old, lambda *_: 4, raising=False)
    assert value in gpu_values(("cuda:1",))


FAULTS = [
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_UNKNOWN,
]


@pytest.mark.parametrize("code", FAULTS, ids=lambda code: str(pynvml.NVMLError(code)))
@pytest.mark.parametrize(
    ("calls", "name"),
    [
        (["nvmlDeviceGetClockInfo"], "gpu_clock_mhz"),
        (["nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"], "gpu_temperature_c"),
        (REASONS_CALLS, "gpu_throttle"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_driver_refuses_is_none_and_the_rest_goes_on(calls, name, code, cards, monkeypatch):
    condition = Conditions(("cuda:0",))
    whole = condition.read()
    for call in calls:
        monkeypatch.setattr(pynvml, call, fails(code))
    reading = condition.read()
    assert {column: reading[column] for column in GPU} == {column: whole[column] for column in GPU} | {name: None}


def test_a_gpu_lost_on_the_way_gives_none_and_comes_back(cards, monkeypatch):
    condition = Conditions(("cuda:0",))
    with monkeypatch.context() as lost:
        for call in ("nvmlDeviceGetClockInfo", "nvmlDeviceGetTemperature", *REASONS_CALLS):
            lost.setattr(pynvml, call, fails(pynvml.NVML_ERROR_GPU_IS_LOST))
        reading = condition.read()
        assert [reading[name] for name in GPU] == [None, None, None, 58]
        assert reading["load_1m"] is not None
    assert condition.read()["gpu_clock_mhz"] == 2040


def test_of_several_one_that_does_not_say(cards, monkeypatch):
    """Neither the slowest nor the hottest is then known, nor that nothing throttles; that something does is."""
    monkeypatch.delitem(fake_nvml.SM_MHZ, "GPU-aaaa")
    monkeypatch.delitem(fake_nvml.CELSIUS, "GPU-aaaa")
    monkeypatch.delitem(fake_nvml.REASONS, "GPU-aaaa")
    assert gpu_values(BOTH) == [None, None, None, 58]
    monkeypatch.setitem(fake_nvml.REASONS, "GPU-bbbb", 0x4)
    assert gpu_values(BOTH) == [None, "sw_power_cap", None, 58]


def test_a_clock_or_a_sensor_at_zero_is_none(cards, monkeypatch):
    monkeypatch.setitem(fake_nvml.SM_MHZ, "GPU-bbbb", 0)
    monkeypatch.setitem(fake_nvml.CELSIUS, "GPU-bbbb", 0)
    assert gpu_values(("cuda:0",)) == [None, "", None, 58]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda patch: fake_nvml.remove_driver(patch),
        lambda patch: patch.setattr(pynvml, "nvmlInit", fails(pynvml.NVML_ERROR_NO_PERMISSION)),
        lambda patch: patch.setitem(sys.modules, "pynvml", None),
        lambda patch: patch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", fails(pynvml.NVML_ERROR_GPU_IS_LOST)),
        lambda patch: patch.setattr(fake_nvml, "CARDS", [("another", "GPU-cccc", 1), *fake_nvml.CARDS[1:]]),
    ],
    ids=["no driver", "no permission", "no pynvml", "lost at the start", "not listed"],
)
def test_without_nvml_only_what_torch_knows(break_it, cards, monkeypatch):
    card = fake_nvml.torch_card(1)
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(2, lambda _: card))
    break_it(monkeypatch)
    assert gpu_values(("cuda:1",)) == [None, None, None, 132]


def test_without_cuda_too_nothing_raises(no_driver, monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(1, fails()))
    assert gpu_values() == [None] * 4
    monkeypatch.setattr(devices, "visible_gpus", fails())
    assert gpu_values() == [None] * 4


@pytest.mark.parametrize("bare", [True, False])
def test_a_slice_of_a_gpu_is_found_too(bare, cards, monkeypatch):
    """Torch writes a slice's UUID with its MIG- or without."""
    monkeypatch.setattr(fake_nvml, "CARDS", [("slice", "MIG-cccc", 2**30)])
    monkeypatch.setitem(fake_nvml.SM_MHZ, "MIG-cccc", 1755)
    seen = SimpleNamespace(uuid="cccc" if bare else "MIG-cccc", multi_processor_count=16)
    monkeypatch.setattr(devices, "visible_gpus", lambda: Gpus(1, lambda _: seen))
    assert gpu_values() == [1755, None, None, 16]


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="Linux only")
def test_this_machine():
    condition = Conditions(("cpu",))
    condition.read()
    reading = condition.read()
    assert reading["load_1m"] >= 0
    assert reading["cpu_mhz"] is None or reading["cpu_mhz"] > 100
    assert reading["steal_share"] is None or 0 <= reading["steal_share"] <= 1


@pytest.mark.gpu
def test_this_gpu():
    reading = Conditions(("cuda:0",)).read()
    assert reading["multiprocessors"] > 0
    assert reading["gpu_clock_mhz"] is None or 100 < reading["gpu_clock_mhz"] < 5000
    assert reading["gpu_temperature_c"] is None or 0 < reading["gpu_temperature_c"] < 120
