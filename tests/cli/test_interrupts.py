"""Ctrl-C at any time: exit 130, one line, no traceback, and so at the second and third."""

import os
import signal
import subprocess
import sys
import time

import pytest

SLEEPS = "print('here', flush=True)\nimport time\ntime.sleep(60)\n"
SUMMARISES = "def summarise(rows, options):\n    print('here', flush=True)\n    time.sleep(60)\n"
CLEANS_UP = "try:\n    print('here', flush=True)\n    time.sleep(60)\nfinally:\n    time.sleep(60)\n"


def interrupted(tmp_path, *words, signals=1, **more):
    """Start it, wait until it says ``here``, and press Ctrl-C: exit code and stderr, without what says how it goes."""
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )
    try:
        assert process.stdout.readline() == "here\n"
        for _ in range(signals):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, [line for line in err.splitlines() if not line.startswith("New run of ")]


def test_while_it_imports(tmp_path):
    """What it imports first, ``rich``, is one that takes its time."""
    (tmp_path / "rich.py").write_text(SLEEPS)
    more = {"env": {**os.environ, "PYTHONPATH": str(tmp_path)}}
    assert interrupted(tmp_path, "-m", "fbench", "list", **more) == (130, [])


@pytest.mark.parametrize("signals", [1, 3])
def test_while_it_loads(tmp_path, signals):
    (tmp_path / "mine.py").write_text(SLEEPS)
    code, lines = interrupted(tmp_path, "-m", "fbench", "compare", "--load", "mine.py", signals=signals)
    assert (code, len(lines)) == (130, 1)
    assert lines[0].startswith("fbench: interrupted: ")


def test_twice_while_it_cleans_up(tmp_path):
    (tmp_path / "mine.py").write_text("import time\n" + CLEANS_UP)
    code, lines = interrupted(tmp_path, "-m", "fbench", "compare", "--load", "mine.py", signals=2)
    assert (code, len(lines)) == (130, 1)


def test_while_it_summarises(toy_file, tmp_path):
    toy_file.write_text(toy_file.read_text().replace("@dataclass", f"{SUMMARISES}\n\n@dataclass", 1))
    words = ("toy", "--load", toy_file, "--threads", 1, "--jobs", 1, "--out", "run")
    code, lines = interrupted(tmp_path, "-m", "fbench", *words)
    assert (code, len(lines)) == (130, 1)
    assert (tmp_path / "run" / "results.csv").read_text().count("\n") == 10
