"""The page's commands and its example, run: with a JSON file that pytest-benchmark itself has written."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from timed_documents import paired_document, pairs

from fbench import cli
from fbench.regression.pairs_file import PairedSamples, TimedPair, read_pairs, write_pairs
from fbench.regression.pytest_json import read_document
from fbench.runs import report

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "fbench" / "regression" / "README.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)\n```", PAGE, re.DOTALL)[1]


@pytest.fixture
def measured(tmp_path):
    """The page's example, run by pytest-benchmark as a project's own."""
    (tmp_path / "test_sums.py").write_text(block("python"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    words = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "--benchmark-json", "base.json"]
    command = [sys.executable, "-m", "pytest", *words, "test_sums.py"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # no worker of xdist
    done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path / "base.json"


def test_the_commands_run(measured, monkeypatch, capsys, showwarning, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "drawn", lambda figure: {})
    (tmp_path / "new.json").write_text(measured.read_text())
    (tmp_path / "pairs.json").write_text(json.dumps(paired_document({"slow": pairs(0.1)})))
    for name in ("BEFORE", "AFTER"):
        (tmp_path / "reports" / "chunksize" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reports" / "chunksize" / name).symlink_to(ROOT / "reports" / "reference" / "chunksize")
    for number in "01":
        document = json.loads(measured.read_text()) | {"commit_info": {"id": 40 * number}}
        (tmp_path / "benchmarks").mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / f"{number}.json").write_text(json.dumps(document))
    commands = [shlex.split(line)[1:] for line in block("").splitlines()]
    assert [cli.run(words) for words in commands] == [0, 3, 1, 0]
    out = capsys.readouterr().out
    assert "controls moved by 0 %" in out
    [row] = json.loads((tmp_path / "new.json").read_text())["benchmarks"]
    assert len(row["extra_info"]["control_s"]) == len(row["stats"]["data"]) == 20


def test_the_form_of_pairs_is_the_pages(tmp_path):
    document = json.loads(block("json"))
    read = read_pairs(Path("page.json"), document)
    assert read.pairs == {"bench.py::test_sum": [TimedPair(0, "new", 0.0123, 0.0125, start=0)]}
    write_pairs(tmp_path / "pairs.json", read)
    write_pairs(tmp_path / "pairs.json", read)  # in its own place, after every pair
    assert read_document(tmp_path / "pairs.json") == document
    assert isinstance(read, PairedSamples)
    assert (read.base, read.machine) == ({"revision": "v1.0"}, {"processor": "…"})
