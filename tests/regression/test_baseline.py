"""fbench's own baseline: it has every benchmark that there is, and CONTRIBUTING says how it is read and taken anew."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from fbench import cli
from fbench.regression.sides import read_side

ROOT = Path(__file__).resolve().parents[2]
BASELINE = ROOT / "reports" / "reference" / "benchmarks" / "base.json"
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_it_has_every_benchmark_of_today():
    files = (ROOT / "tests" / "benchmarks").glob("test_*.py")
    today = {name for path in files for name in re.findall(r"^def (test_\w+)\(timed", path.read_text(), re.MULTILINE)}
    timings = read_side(str(BASELINE)).timings
    assert {re.split(r"::|\[", name)[1] for name in timings} == today
    assert all(one.control is not None for one in timings.values())


def test_the_page_reads_it_and_says_how_to_take_it(monkeypatch, capsys, tmp_path):
    relative = BASELINE.relative_to(ROOT)
    assert f"`pytest tests/benchmarks --benchmark-only --benchmark-json {relative}`" in PAGE
    [line] = re.findall(rf"^fbench (diff {relative} new.json)$", PAGE, re.MULTILINE)
    (tmp_path / "new.json").write_bytes(BASELINE.read_bytes())
    words = [str(ROOT / word) if word == str(relative) else word for word in shlex.split(line)]
    monkeypatch.chdir(tmp_path)
    assert cli.run(words) == 0
    assert "same within the margin" in " ".join(capsys.readouterr().out.split())
