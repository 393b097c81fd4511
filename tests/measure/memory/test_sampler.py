"""A sampler in its own process: what it gives, what it must not import, and every way in which it may end."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import memory_fakes as fakes
import numpy as np
import psutil
import pytest

from fbench.measure.memory import sampler as memory_sampler
from fbench.measure.memory import samples as memory_samples
from fbench.measure.memory.readers import RssReader
from fbench.measure.memory.sampler import Sampler
from fbench.measure.memory.samples import Samples, missed_periods, record, unpack_samples

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the sampler needs POSIX")
MIB = 1 << 20
LIMIT_S = 30.0  # far beyond what anything here takes


@pytest.fixture
def sampler_of():
    """Makes samplers, and ends them after the test."""
    made = []

    def make(*arguments):
        made.append(Sampler(*arguments))
        return made[-1]

    yield make
    for sampler in made:
        sampler.close()


def scripted(*steps):
    return partial(fakes.ScriptedReader, steps)


def sampled(sampler, count=3):
    """What was sampled once there are so many readings, or the sampler ended."""
    sampler.start()
    wait(lambda: has(sampler, count))
    return sampler.stop()


def has(sampler, count):
    """Whether the file holds so many samples of one quantity, or will not hold them."""
    size = os.fstat(sampler._file.fileno()).st_size
    return size >= count * record(1).size or not alive(sampler.pid)


def wait(happens):
    limit = time.monotonic() + LIMIT_S
    while not happens():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.001)


def alive(pid):
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def no_samples(fault, missed=0):
    return lambda samples: (
        (list(samples.times), samples.values, samples.fault, samples.missed, samples.rate_hz())
        == ([], {}, fault, missed, None)
    )


# Sampling


def test_a_block_shows_in_this_process_s_memory(sampler_of):
    sampler = sampler_of(partial(RssReader, os.getpid()))
    sampler.start()
    before = time.perf_counter()
    block = np.ones(64 * MIB, dtype=np.uint8)
    written = os.fstat(sampler._file.fileno()).st_size
    wait(lambda: os.fstat(sampler._file.fileno()).st_size > written + 2 * record(1).size)
    after = time.perf_counter()
    del block
    samples = sampler.stop()
    assert samples.peak("used", before, after) - samples.at("used", before) > 60 * MIB
    assert list(samples.times) == sorted(samples.times)
    assert len(samples.values["used"]) == len(samples.times)
    assert (samples.scope, samples.period_s, samples.fault) == ("process", memory_sampler.PERIOD_S, "")
    assert samples.times[0] < before  # the clock is the same in both processes
    assert samples.rate_hz() > 0


def test_each_start_begins_anew_with_the_same_reader(sampler_of):
    sampler = sampler_of(scripted(*({"used": n} for n in range(100_000))))
    first, second = sampled(sampler, 5), sampled(sampler, 2)
    assert first.values["used"][:5].tolist() == [0, 1, 2, 3, 4]
    assert second.values["used"][0] == first.values["used"][-1] + 1
    assert second.times[0] > first.times[-1]


def test_stopping_what_was_not_started_gives_nothing(sampler_of):
    sampler = sampler_of(scripted({"used": 1}))
    assert no_samples("")(sampler.stop())
    sampled(sampler)
    assert no_samples("")(sampler.stop())


def test_several_quantities_keep_their_names(sampler_of):
    sampler = sampler_of(scripted({"b": 1, "a": -2}))
    sampler.start()
    samples = sampler.stop()
    assert {name: values[0] for name, values in samples.values.items()} == {"b": 1, "a": -2}


def test_a_reader_may_need_a_longer_period(sampler_of):
    sampler = sampler_of(partial(fakes.sleeper, 0.02))
    samples = sampled(sampler, 3)
    assert sampler.period_s == samples.period_s == 0.02
    assert samples.times[2] - samples.times[1] > 0.001
    assert sampler_of(partial(fakes.sleeper, 0.001)).period_s == memory_sampler.PERIOD_S


def test_after_a_stage_the_period_doubles(sampler_of, monkeypatch):
    monkeypatch.setattr(memory_samples, "STAGE", 4)
    samples = sampled(sampler_of(fakes.in_short_stages, 0.001), 13)
    # Samples 0 to 3 are a stage, of 1 ms, and so on: none is taken before its period has begun.
    for stage in range(3):
        times = samples.times[4 * stage : 4 * stage + 4]
        grid = [(t_s - times[0]) / (0.001 * 2**stage) for t_s in times]
        assert all(now >= least for now, least in zip(grid, range(4), strict=True))
    assert samples.fault == ""
    assert samples.missed >= 0


def test_a_reading_can_be_waited_for(sampler_of):
    sampler = sampler_of(scripted({"used": 1}))
    sampler.await_reading()  # not started: there is none to come
    sampler.start()
    before = time.perf_counter()
    sampler.await_reading()
    after = time.perf_counter()
    assert sampler.stop().peak("used", before, after) == 1


@pytest.mark.parametrize("end", ["gone", "die"])
def test_a_reading_that_will_not_come_is_not_waited_for_twice(end, sampler_of, monkeypatch):
    sampler = sampler_of(scripted({"used": 1}, end), 0.001)
    sampler.start()
    sampler.await_reading()
    with monkeypatch.context() as patch:  # closing may wait for the process to end
        patch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
        sampler.await_reading()
    assert sampler.stop().fault


# The process


def test_the_process_imports_nothing_heavy(sampler_of):
    sampler = sampler_of(partial(fakes.Odd, fakes.names_heavy_modules))
    sampler.start()
    assert no_samples("imported: []")(sampler.stop())


def test_the_main_module_is_not_run_again(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import os\nfrom functools import partial\n"
        "from fbench.measure.memory.readers import RssReader\nfrom fbench.measure.memory.sampler import Sampler\n"
        "print('once')\nsampler = Sampler(partial(RssReader, os.getpid()))\nsampler.start()\n"
        "found = sampler.stop()\nsampler.close()\nprint(found.fault or found.scope)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=LIMIT_S, cwd=Path.cwd())
    assert (run.stdout, run.stderr) == ("once\nprocess\n", "")


def test_a_daemon_may_sample():
    """Workers of a run are daemons, to which multiprocessing gives no children."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=fakes.sample_once, args=(theirs,), daemon=True)
    process.start()
    assert ours.poll(LIMIT_S)
    values, fault = ours.recv()
    process.join(LIMIT_S)
    assert (values[0], fault) == (7, "")


def test_what_is_printed_there_disturbs_nothing(sampler_of, capfd):
    samples = sampled(sampler_of(partial(fakes.Odd, fakes.prints)), 3)
    assert (samples.values["used"][0], samples.fault, capfd.readouterr().out) == (7, "", "")


def test_ctrl_c_does_not_reach_it(sampler_of):
    sampler = sampler_of(scripted({"used": 1}))
    sampler.start()
    assert os.getsid(sampler.pid) != os.getsid(0)


def test_it_ends_when_its_parent_is_killed():
    code = (
        "import os, signal\nfrom functools import partial\n"
        f"import sys\nsys.path.insert(0, {str(Path(fakes.__file__).parent)!r})\n"
        "from memory_fakes import ScriptedReader\nfrom fbench.measure.memory.sampler import Sampler\n"
        "sampler = Sampler(partial(ScriptedReader, [{'used': 1}]))\nsampler.start()\n"
        "print(sampler.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == -signal.SIGKILL
    wait(lambda: not alive(int(run.stdout)))


def test_closing_ends_it_and_may_be_done_twice():
    sampler = Sampler(scripted({"used": 1}))
    sampler.start()
    pid = sampler.pid
    sampler.close()
    sampler.close()
    assert not alive(pid)
    assert sampler.pid is None
    assert no_samples("the sampler is closed")(sampler.stop())
    sampler.start()
    assert no_samples("the sampler is closed")(sampler.stop())


def test_one_never_started_closes_too():
    sampler = Sampler(scripted({"used": 1}))
    sampler.close()
    assert sampler.pid is None


# Faults


def test_a_reader_s_fault_at_the_first_reading(sampler_of):
    sampler = sampler_of(scripted("no luck"))
    for _ in range(2):
        sampler.start()
        assert no_samples("no luck")(sampler.stop())


def test_a_reader_s_fault_later_leaves_what_came_before(sampler_of, tmp_path):
    sampler = sampler_of(
        partial(fakes.Telling, [{"used": 1}, {"used": 2}, "gone for now", {"used": 4}], tmp_path / "it")
    )
    sampler.start()
    wait((tmp_path / "it").exists)
    samples = sampler.stop()
    assert samples.values["used"].tolist() == [1, 2]
    assert (samples.scope, samples.fault) == ("process", "gone for now")
    again = sampled(sampler)  # the reader is asked again
    assert (set(again.values["used"]), again.fault) == ({4}, "")


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (fakes.cannot_be_made, "no such thing here"),
        (partial(fakes.Odd, fakes.is_wrong), "KeyError: 'a slip\\nin a reader'"),
        (partial(fakes.Odd, fakes.exits), "the sampler's process ended with exit code 3"),
        (scripted("die"), "the sampler's process ended by signal 9 (SIGKILL)"),
    ],
    ids=["not made", "a slip", "exits", "killed"],
)
def test_what_goes_wrong_at_the_first_reading_is_one_line(make, fault, sampler_of):
    sampler = sampler_of(make)
    for _ in range(2):
        sampler.start()
        assert no_samples(fault)(sampler.stop())


def test_a_killed_sampler_leaves_what_it_read(sampler_of):
    sampler = sampler_of(scripted({"used": 5}))
    sampler.start()
    wait(lambda: has(sampler, 4))
    os.kill(sampler.pid, signal.SIGKILL)
    samples = sampler.stop()
    assert len(samples.times) >= 4
    assert set(samples.values["used"]) == {5}
    assert samples.fault == "the sampler's process ended by signal 9 (SIGKILL)"
    sampler.start()
    assert no_samples(samples.fault)(sampler.stop())


def test_one_that_dies_of_its_reader_leaves_what_it_read(sampler_of):
    samples = sampled(sampler_of(scripted({"used": 1}, {"used": 2}, "die")), 9)
    assert samples.values["used"].tolist() == [1, 2]
    assert samples.fault == "the sampler's process ended by signal 9 (SIGKILL)"


def test_one_that_does_not_answer_is_given_up(sampler_of, monkeypatch):
    sampler = sampler_of(partial(fakes.Odd, fakes.hangs))
    sampler._ask = answers_in_time(sampler, monkeypatch)
    sampler.start()
    assert no_samples("the sampler's process did not answer within 0.2 s")(sampler.stop())


def answers_in_time(sampler, monkeypatch):
    """Patience is short only once the process is there: starting takes a while."""
    asked = []

    def ask(what):
        if asked:
            monkeypatch.setattr(memory_sampler, "PATIENCE_S", 0.2)
        asked.append(what)
        return Sampler._ask(sampler, what)

    return ask


def test_without_room_for_the_file_the_fault_says_so(sampler_of, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    sampler = sampler_of(scripted({"used": 1}))
    sampler.start()
    assert no_samples("the sampler cannot be started: [Errno 28] No space left on device")(sampler.stop())


def test_without_a_process_the_fault_says_so(sampler_of, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    sampler = sampler_of(scripted({"used": 1}))
    sampler.start()
    samples = sampler.stop()
    assert samples.fault.startswith("the sampler cannot be started: [Errno 2] No such file or directory")
    assert "\n" not in samples.fault


def test_signals_without_a_name_are_numbers():
    assert memory_sampler._how(-255) == "by signal 255"
    assert memory_sampler._how(None) == "and cannot be asked how"


def test_a_reader_that_cannot_be_sent_is_the_caller_s_error():
    with pytest.raises(Exception, match="lambda"):
        Sampler(lambda: fakes.ScriptedReader([{"used": 1}]))


# What samples say


def samples(times, values, fault=""):
    return Samples(times, {"used": values}, "process", 0.01, 0, fault)


def test_peaks_and_levels():
    two = samples([1.0, 2.0, 3.0, 4.0], [5, 9, 7, 1])
    assert two.peak("used", 1.0, 4.0) == 9
    assert two.peak("used", 2.5, 3.0) == 7
    assert two.peak("used", 4.0, 99.0) == 1
    assert two.at("used", 2.0) == two.at("used", 2.9) == 9
    assert two.at("used", 99.0) == 1


def test_what_has_no_sample_is_none():
    none = samples([1.0, 2.0], [5, 9])
    assert none.peak("used", 1.2, 1.8) is None
    assert none.peak("used", 2.1, 3.0) is None
    assert none.at("used", 0.9) is None
    assert none.peak("other", 1.0, 2.0) is none.at("other", 2.0) is None
    nothing = Samples([], {}, "", 0.01, 0, "no driver")
    assert nothing.peak("used", 0, 9) is nothing.at("used", 9) is nothing.rate_hz() is None


def test_a_window_that_a_fault_cut_short_has_no_peak():
    """The most of a part is not the most of the whole; what was over before stays."""
    cut = samples([1.0, 2.0, 3.0], [5, 9, 7], "gone")
    assert cut.peak("used", 1.0, 3.0) == cut.peak("used", 1.0, 3.019) == 9
    assert cut.peak("used", 1.0, 3.021) is None
    assert (cut.at("used", 3.019), cut.at("used", 3.021)) == (7, None)


def test_the_rate_is_what_was_reached():
    assert samples([1.0, 1.5, 3.0], [1, 1, 1]).rate_hz() == 1.0
    assert samples([1.0], [1]).rate_hz() is None
    assert samples([1.0, 1.0], [1, 1]).rate_hz() is None


@pytest.mark.parametrize(
    ("times", "stop_s", "missed"),
    [
        ([], 9.0, 0),
        ([0.0], 0.5, 0),
        ([0.0], 3.5, 2),
        ([0.0, 1.1, 2.9, 3.0], 4.0, 0),
        ([0.0, 1.0, 4.0], 5.0, 2),
        ([0.0, 0.2, 0.4], 1.0, 0),
    ],
    ids=["none", "one", "then silence", "late is not missed", "two in the middle", "early is no more"],
)
def test_periods_without_a_sample(times, stop_s, missed):
    assert missed_periods(times, stop_s, 1.0) == missed


def test_periods_of_a_later_stage_are_longer(monkeypatch):
    monkeypatch.setattr(memory_samples, "STAGE", 2)
    assert missed_periods([0.0, 1.0, 2.0, 4.0, 6.0, 14.0], 18.0, 1.0) == 1


def test_a_part_of_a_record_is_left_out():
    form = record(2)
    content = form.pack(0.5, 1, -2) + form.pack(1.5, 3, math.trunc(2.0**62))
    times, values = unpack_samples(content + form.pack(2.5, 0, 0)[:-1], ["a", "b"])
    assert list(times) == [0.5, 1.5]
    assert {name: list(column) for name, column in values.items()} == {"a": [1, 3], "b": [-2, 2**62]}
    assert unpack_samples(content, []) == (unpack_samples(b"", ["a"])[0], {})
