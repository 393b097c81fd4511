"""No worker outlives the process that began it, and every signal that ends a command ends it as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from outliving import outliving

from fbench.harness.lifeline import ending_like_ctrl_c

COMMAND = [sys.executable, "-c", "from fbench.cli import main; main()"]
BUSY = """
    import time
    from dataclasses import dataclass, replace
    from fbench.harness.contract import Unit
    from fbench.harness.registry import SUITES

    toy = SUITES.get("toyworker")

    def asleep(case, options, context):
        yield Unit(0, [{"size": case.point.size, "value": 0.0}])
        time.sleep(60)

    def holding_the_lock(case, options, context):
        yield Unit(0, [{"size": case.point.size, "value": 0.0}])
        sum(range(10**11))  # no other thread of the process runs until it ends

    for measure in (asleep, holding_the_lock):
        SUITES.add(replace(toy, name=measure.__name__, measure=measure, schedule="cases"))
"""


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def rows_of(folder):
    path = folder / "results.csv"
    return path.read_text().count("\n") - 1 if path.exists() else 0


@pytest.fixture
def busy(toy_file, tmp_path):
    """Starts a command of a suite whose first case gives a unit and then works on and on."""
    loaded = tmp_path / "busy.py"
    loaded.write_text(textwrap.dedent(BUSY))
    begun = []

    def start(suite, *words):
        command = [*COMMAND, suite, "--load", toy_file, "--load", loaded, "--threads", "1", "--out", "run", *words]
        process = subprocess.Popen(
            list(map(str, command)), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        begun.append(process)
        assert until(lambda: rows_of(tmp_path / "run") >= 1 and psutil.Process(process.pid).children())
        return process, psutil.Process(process.pid).children(recursive=True)

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("suite", ["asleep", "holding_the_lock"])
def test_no_process_survives_a_kill_of_the_parent(busy, suite):
    if suite == "holding_the_lock" and sys.platform != "linux":
        pytest.skip("only Linux ends a process for its parent's death")
    process, family = busy(suite)
    process.kill()
    process.wait()
    assert outliving(family, 2) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_the_folder_is_free_at_once(busy, tmp_path):
    """A worker that held the lock, or wrote, would keep the next run out of the folder."""
    process, _ = busy("asleep")
    process.kill()
    process.wait()
    again, _ = busy("asleep")  # it begins workers: refused, it would have none
    assert again.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("whom", "name"),
    [(os.kill, "SIGTERM"), (os.killpg, "SIGTERM"), (os.kill, "SIGHUP"), (os.kill, "SIGINT")],
    ids=["terminated", "its whole group terminated", "its terminal closed", "Ctrl-C"],
)
def test_every_signal_ends_a_command_like_ctrl_c(busy, tmp_path, whom, name):
    process, family = busy("asleep")
    whom(process.pid, getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: what was measured is on disk" in err
    assert "Traceback" not in err
    assert "failed" not in (tmp_path / "run" / "results.csv").read_text()  # no case is blamed for it
    assert outliving(family, 2) == []


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_what_is_ignored_stays_ignored():
    """``nohup fbench …`` goes on when its terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_like_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with ending_like_ctrl_c(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_thread_has_no_signals_to_handle():
    ended = []

    def enter():
        with ending_like_ctrl_c():
            ended.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert ended == [True]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks for open files in /proc")
def test_workers_do_not_inherit_the_lock(busy, tmp_path):
    _, family = busy("asleep")
    links = [link for process in family for link in Path(f"/proc/{process.pid}/fd").iterdir()]
    assert links
    assert not [link for link in links if os.path.realpath(link) == str(tmp_path / "run" / ".lock")]
