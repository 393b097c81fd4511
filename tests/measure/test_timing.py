"""Timing with clocks that are told what to say: what is timed, in which order, when it stops; nothing is lost."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from itertools import pairwise

import pytest
import torch

from fbench.errors import DeviceError, InputError
from fbench.measure.medians import median_interval
from fbench.measure.timing import (
    CpuMeter,
    CudaMeter,
    Elapsed,
    PassTimes,
    TimeMeter,
    elapsed,
    measure,
    meter,
    warm_up_passes,
)
from fbench.measure.together import time_together


class Clock:
    """Nanoseconds that pass only when a pass lets them."""

    def __init__(self):
        self.now, self.reads = 0, 0

    def __call__(self):
        self.reads += 1
        return self.now

    def takes(self, *durations_ns):
        """A call that takes the given times in turn, the last one ever after; it counts its calls."""

        def run(i=None):
            self.now += durations_ns[min(run.calls, len(durations_ns) - 1)]
            run.calls += 1
            return i

        run.calls = 0
        return run


@pytest.fixture
def clock():
    return Clock()


def test_elapsed_times_a_block():
    with elapsed() as times:
        assert math.isnan(times.seconds)
    assert times.seconds > 0
    assert math.isnan(Elapsed().seconds)


# One device


def test_seconds_are_those_between_the_readings_around_each_pass(clock):
    readings = iter([1_000, 3_500, 10_000, 10_001, 2_000_000_000, 5_000_000_000])
    timed = CpuMeter(lambda: next(readings)).time(lambda i: f"pass {i}", [7, 8, 9])
    assert timed == PassTimes([2.5e-6, 1e-9, 3.0], ["pass 7", "pass 8", "pass 9"])


def test_the_clock_is_read_right_before_and_right_after_a_pass():
    order = []

    def indices():
        for i in range(2):
            order.append("next")
            yield i

    CpuMeter(lambda: order.append("clock") or 0).time(lambda i: order.append(i), indices())
    assert order == ["next", "clock", 0, "clock", "next", "clock", 1, "clock"]


def test_no_pass_no_sample(clock):
    assert CpuMeter(clock).time(print, []) == PassTimes([], [])
    assert clock.reads == 0


class FakeCuda:
    """The part of ``torch.cuda`` that a meter uses; writes down the order of calls. A pass takes 2.5 ms and more."""

    def __init__(self):
        self.order, self.events = [], 0

    def Event(self, enable_timing):
        assert enable_timing
        self.events += 1
        return FakeEvent(self, f"{'start' if self.events % 2 else 'end'}{(self.events - 1) // 2}")

    def device(self, name):
        return FakeDevice(self, name)

    def synchronize(self, device):
        self.order.append(f"synchronise {device}")

    def flush(self):
        self.order.append("flush")

    def run(self, i):
        self.order.append(f"run {i}")
        return -i


class FakeEvent:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def record(self):
        self.cuda.order.append(f"{self.name}.record")

    def elapsed_time(self, end):
        assert end.name == self.name.replace("start", "end")
        self.cuda.order.append(f"{self.name}.elapsed_time")
        return 2.5 + int(self.name.removeprefix("start"))


class FakeDevice:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def __enter__(self):
        self.cuda.order.append(f"enter {self.name}")

    def __exit__(self, *_):
        self.cuda.order.append("leave")


def test_a_cuda_meter_synchronises_once_and_clears_outside_the_pair():
    cuda = FakeCuda()
    timed = CudaMeter("cuda:1", cuda=cuda, flush=cuda.flush).time(cuda.run, [4, 5])
    assert cuda.order == [
        "enter cuda:1",
        *["flush", "start0.record", "run 4", "end0.record"],
        *["flush", "start1.record", "run 5", "end1.record"],
        "synchronise cuda:1",
        "leave",
        *["start0.elapsed_time", "start1.elapsed_time"],
    ]
    assert timed == PassTimes([2.5e-3, 3.5e-3], [-4, -5])


def test_a_cuda_meter_that_fails_leaves_its_device():
    cuda = FakeCuda()
    with pytest.raises(ZeroDivisionError):
        CudaMeter(cuda=cuda, flush=cuda.flush).time(lambda i: 1 / i, [0])
    assert cuda.order[-1] == "leave"


def test_meters_by_name():
    made = meter("cpu")
    assert isinstance(made, CpuMeter)
    assert made.device == "cpu"


def test_a_meter_is_of_one_device():
    with pytest.raises(DeviceError, match="device 'cpu,cpu' is 2 devices and a meter times one; make one meter for"):
        meter("cpu,cpu")


def test_an_unknown_device_has_no_meter():
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        meter("tpu")


# Warm-up


@pytest.mark.parametrize(("seconds", "passes"), [(0, 1), (0.005, 1), (0.01, 1), (0.02, 2), (0.05, 5), (0.055, 6)])
def test_warm_up_lasts_as_long_as_it_is_told(clock, seconds, passes):
    run = clock.takes(10_000_000)
    assert warm_up_passes(CpuMeter(clock), run, seconds) == run.calls == passes


def test_warm_up_numbers_its_passes(clock):
    seen = []

    def run(i):
        seen.append(i)
        clock.now += 10**6

    assert warm_up_passes(CpuMeter(clock), run, 0.02) == 20
    assert seen == list(range(20))


def test_warm_up_keeps_no_result():
    class Keeper(CpuMeter):
        kept = ()

        def time(self, run, indices):
            timed = super().time(run, indices)
            self.kept += tuple(timed.results)
            return timed

    keeper = Keeper()
    warm_up_passes(keeper, lambda i: "a large tensor", 1e-5)
    assert set(keeper.kept) == {None}


def test_warm_up_ends_though_the_clock_reads_nothing():
    assert warm_up_passes(CpuMeter(lambda: 0), lambda i: None, 1e-4) in {1000, 1001}  # at 0.1 µs each


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_warm_up_needs_a_time(seconds):
    with pytest.raises(InputError, match=rf"warm-up of {seconds:g} s is out of range: give 0 \(one pass\) or more"):
        warm_up_passes(CpuMeter(), print, seconds)


# Several devices


class Scripted(TimeMeter):
    """Runs every pass, and says that it took what it was told."""

    def __init__(self, seconds, device="cpu"):
        self.seconds, self.device = seconds, device

    def time(self, run, indices):
        return PassTimes(list(self.seconds), [run(i) for i in indices])


@pytest.fixture
def four_threads():
    """torch with four threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_one_device_is_timed_here_without_threads(clock):
    def run(i):
        clock.now += 1000
        return threading.current_thread()

    times = time_together([CpuMeter(clock)], [run], [0, 1])
    assert times.seconds == [1e-6, 1e-6]
    assert times.by_device == [[1e-6, 1e-6]]
    assert times.results == [[threading.current_thread()] * 2]


def test_a_pass_takes_as_long_as_its_slowest_device():
    meters = [Scripted([1.0, 5.0, 2.0]), Scripted([3.0, 4.0, 2.0])]
    times = time_together(meters, [lambda i: ("a", i), lambda i: ("b", i)], [3, 1, 2])
    assert times.seconds == [3.0, 5.0, 2.0]
    assert times.by_device == [[1.0, 5.0, 2.0], [3.0, 4.0, 2.0]]
    assert times.results == [[("a", 3), ("a", 1), ("a", 2)], [("b", 3), ("b", 1), ("b", 2)]]


def test_devices_begin_each_pass_together():
    """No device begins a pass before every one has ended the pass before."""
    order = []
    runs = [lambda i, name=name: order.append((i, name)) for name in "abc"]
    time_together([CpuMeter(), CpuMeter(), CpuMeter()], runs, range(50))
    assert [i for i, _ in order] == sorted(i for i, _ in order)
    assert sorted(order) == [(i, name) for i in range(50) for name in "abc"]


def test_each_device_has_a_thread_of_its_own():
    times = time_together([CpuMeter(), CpuMeter()], [lambda i: threading.get_ident()] * 2, range(3))
    threads = [set(results) for results in times.results]
    assert [len(device) for device in threads] == [1, 1]
    assert len({threading.get_ident()}.union(*threads)) == 3


def test_waiting_for_the_others_is_not_timed():
    """No clock is read for a pass before every device has read its own for the end of the pass before."""
    readings = []

    def clock(device):
        readings.append(device)
        return len(readings)

    meters = [CpuMeter(lambda: clock(0)), CpuMeter(lambda: clock(1))]
    time_together(meters, [lambda i: None] * 2, range(50))
    passes = [readings[at : at + 4] for at in range(0, len(readings), 4)]
    assert all(sorted(seconds) == [0, 0, 1, 1] for seconds in passes)
    assert len(passes) == 50


def test_cuda_meters_take_turns_with_the_barrier_only_at_the_launches():
    cudas = [FakeCuda(), FakeCuda()]
    meters = [CudaMeter(f"cuda:{i}", cuda=cuda, flush=cuda.flush) for i, cuda in enumerate(cudas)]
    times = time_together(meters, [cuda.run for cuda in cudas], [1, 2])
    assert times.seconds == [2.5e-3, 3.5e-3]
    for i, cuda in enumerate(cudas):
        assert cuda.order[0] == f"enter cuda:{i}"
        assert cuda.order.count(f"synchronise cuda:{i}") == 1


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_on_one_device_is_the_callers_and_stops_the_others(failing):
    done = [0, 0]
    error = MemoryError("pass 2")

    def run(i, device):
        if device == failing and i == 2:
            raise error
        done[device] += 1

    runs = [lambda i: run(i, 0), lambda i: run(i, 1)]
    with pytest.raises(MemoryError, match="pass 2") as caught:
        time_together([CpuMeter(), CpuMeter()], runs, range(1000))
    assert caught.value is error
    assert done[failing] == 2
    assert done[1 - failing] in {2, 3}  # its pass beside the failing one may have been under way


def test_a_failure_before_the_first_pass_stops_the_others():
    class Broken(CpuMeter):
        def time(self, run, indices):
            raise RuntimeError("no such device any more")

    with pytest.raises(RuntimeError, match="no such device any more"):
        time_together([CpuMeter(), Broken()], [print, print], [0])


def test_shards_share_out_torchs_threads(four_threads):
    times = time_together([CpuMeter(), CpuMeter()], [lambda i: torch.get_num_threads()] * 2, [0, 1])
    assert times.results == [[2, 2], [2, 2]]


def test_a_shard_has_one_thread_at_least(four_threads):
    times = time_together([CpuMeter()] * 5, [lambda i: torch.get_num_threads()] * 5, [0])
    assert times.results == [[1]] * 5


@pytest.mark.parametrize("fails", [False, True])
def test_torchs_threads_are_as_before_here_and_in_new_threads(four_threads, fails):
    def run(i):
        if fails:
            raise ValueError("on purpose")

    if fails:
        with pytest.raises(ValueError, match="on purpose"):
            time_together([CpuMeter(), CpuMeter()], [run, run], [0])
    else:
        time_together([CpuMeter(), CpuMeter()], [run, run], [0])
    assert torch.get_num_threads() == 4
    seen = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [4]


def test_the_host_threads_of_gpus_keep_torchs_threads(four_threads):
    meters = [Scripted([1.0], "cuda:0"), Scripted([1.0], "cuda:1")]
    assert time_together(meters, [lambda i: torch.get_num_threads()] * 2, [0]).results == [[4], [4]]


@pytest.mark.parametrize(("meters", "runs"), [(0, 0), (1, 2), (2, 1)])
def test_every_device_needs_a_run(meters, runs):
    with pytest.raises(InputError, match=f"{meters} meters for {runs} runs: give one meter and one run for each"):
        time_together([CpuMeter()] * meters, [print] * runs, [0])


# Until it is known well enough


class Recording(CpuMeter):
    """A CPU meter that keeps every sample it ever gave, by call."""

    def __init__(self, clock):
        super().__init__(clock)
        self.batches = []

    def time(self, run, indices):
        timed = super().time(run, indices)
        self.batches.append(timed.seconds)
        return timed


def test_it_stops_when_the_interval_is_narrow_enough(clock):
    times = measure(clock.takes(10_000_000), meter=CpuMeter(clock), warm_up_s=0)
    assert times.samples == [0.01] * 8  # six would do: looked at after 1, 2, 4, 8
    assert (times.median, times.low, times.high, times.converged) == (0.01, 0.01, 0.01, True)


def test_it_goes_on_while_the_interval_is_too_wide(clock):
    noisy = [10_000_000, 12_000_000, 11_000_000] * 20
    steady = clock.takes(10_000_000, *noisy, 10_000_000)
    times = measure(steady, meter=CpuMeter(clock), precision=1e-6, max_time=100.0, warm_up_s=0)
    assert times.converged
    assert times.high == times.low == 0.01
    assert len(times.samples) == 128  # the 40 that took longer are still among them
    assert sum(seconds > 0.01 for seconds in times.samples) == 40


def test_it_stops_when_the_time_is_spent(clock):
    run = clock.takes(*[10_000_000, 20_000_000] * 1000)
    times = measure(run, meter=CpuMeter(clock), precision=0.05, max_time=1.5, warm_up_s=0)
    assert not times.converged
    assert (times.low, times.high) == (0.01, 0.02)
    assert 1.5 <= sum(times.samples) <= 1.5 + 0.02


def test_a_slow_call_is_made_once(clock):
    times = measure(clock.takes(3_000_000_000), meter=CpuMeter(clock), max_time=2.0, warm_up_s=0)
    assert times.samples == [3.0]
    assert times.median == 3.0
    assert math.isnan(times.low)
    assert math.isnan(times.high)
    assert not times.converged


def test_no_sample_is_dropped(clock):
    """Not the first, slow one, not those far out."""
    recording = Recording(clock)
    run = clock.takes(1, *[9_000_000, 1_000_000, 800_000_000, 1_100_000, 3_000_000] * 30)
    times = measure(run, meter=recording, precision=1e-9, max_time=3.0, warm_up_s=0)
    warm, *batches = recording.batches
    assert warm == [1e-9]
    assert times.samples == [seconds for batch in batches for seconds in batch]
    assert run.calls == 1 + len(times.samples)
    assert times.median == median_interval(times.samples).median


def test_looks_grow_rare(clock):
    """Each look follows as many samples as there were, or a millisecond's worth."""
    recording = Recording(clock)
    measure(clock.takes(*[1000, 2000] * 10**5), meter=recording, precision=1e-9, max_time=0.1, warm_up_s=0)
    counts = [len(batch) for batch in recording.batches[1:]]
    assert counts[:2] == [1, 500]
    assert all(later >= sooner for sooner, later in pairwise(counts[1:-2]))
    assert len(counts) < 15


def test_it_warms_up_first(clock):
    run = clock.takes(*[50_000_000] * 4, 10_000_000)
    times = measure(run, meter=CpuMeter(clock), warm_up_s=0.2)
    assert set(times.samples) == {0.01}
    assert run.calls == 4 + len(times.samples)


def test_it_ends_though_the_clock_reads_nothing():
    times = measure(lambda: None, meter=CpuMeter(lambda: 0), max_time=1e-4, warm_up_s=0)
    assert len(times.samples) in {1000, 1001}
    assert set(times.samples) == {0.0}
    assert not times.converged


def test_results_are_let_go_within_the_pass():
    class Tensor:
        alive = 0

        def __init__(self):
            Tensor.alive += 1
            seen.append(Tensor.alive)

        def __del__(self):
            Tensor.alive -= 1

    seen = []
    measure(Tensor, max_time=1e-4, warm_up_s=0)
    assert set(seen) == {1}


def test_it_measures_on_the_cpu_unless_told_otherwise():
    times = measure(lambda: None, precision=10.0, max_time=0.01, warm_up_s=0)
    assert len(times.samples) >= 1
    assert all(seconds >= 0 for seconds in times.samples)


@pytest.mark.parametrize("value", [0, -0.05, math.nan, math.inf])
def test_precision_is_a_positive_width(value):
    with pytest.raises(InputError, match=f"precision = {value:g} is out of range: it is the width .* such as 0.05$"):
        measure(print, precision=value)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_max_time_is_positive(value):
    with pytest.raises(InputError, match=f"max_time = {value:g} is out of range: it is the seconds .* such as 1$"):
        measure(print, max_time=value)


def test_a_negative_warm_up_is_refused_before_anything_runs():
    with pytest.raises(InputError, match="warm-up of -1 s is out of range"):
        measure(pytest.fail, warm_up_s=-1)


def test_importing_it_imports_no_torch():
    code = "import sys, fbench.measure.timing; print({'torch', 'scipy', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


# On a GPU


@pytest.mark.gpu
def test_a_gpu_times_its_own_work():
    timer = meter("cuda")
    assert isinstance(timer, CudaMeter)
    assert timer.device == "cuda:0"
    matrix = torch.randn(512, 512, device="cuda:0")
    timed = timer.time(lambda i: matrix @ matrix * i, range(5))
    assert all(seconds > 0 for seconds in timed.seconds)
    assert all(torch.allclose(result, matrix @ matrix * i, atol=1e-2) for i, result in enumerate(timed.results))


@pytest.mark.gpu
def test_the_buffer_is_twice_the_l2_and_allocated_once():
    before = torch.cuda.memory_allocated("cuda:0")
    timer = CudaMeter("cuda:0")
    held = torch.cuda.memory_allocated("cuda:0")
    assert held - before >= 2 * torch.cuda.get_device_properties("cuda:0").L2_cache_size > 0
    timer.time(lambda i: None, range(3))
    assert torch.cuda.memory_allocated("cuda:0") == held


@pytest.mark.gpu
def test_a_call_is_measured_on_a_gpu():
    matrix = torch.randn(512, 512, device="cuda:0")
    times = measure(lambda: matrix @ matrix, device="cuda:0", precision=0.2, max_time=0.2)
    assert times.low <= times.median <= times.high


@pytest.mark.gpu
def test_shards_on_one_gpu_keep_their_results_apart():
    matrix = torch.eye(256, device="cuda:0")
    runs = [lambda i: (matrix @ matrix * i).sum().item(), lambda i: (matrix @ matrix * -i).sum().item()]
    times = time_together([CudaMeter("cuda:0"), CudaMeter("cuda:0")], runs, [1, 2])
    assert times.results == [[256.0, 512.0], [-256.0, -512.0]]
