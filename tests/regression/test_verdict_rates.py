"""Whole runs drawn from small series whose noise is known, and what they are judged to be."""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from rules_of_others import OTHER_RULES, criterion, pytest_benchmark
from verdict_counts import all_rates, figure, sentences
from verdict_series import (
    CODES,
    COLUMNS,
    SLOWED,
    Starts,
    at_other_times,
    between_starts,
    drawn_gate,
    read_starts,
    within_starts,
)

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import ten_benchmarks
import verdict_rates

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f"test_{number}" for number in range(10)]


def drawn(sd: float = 0.02, starts: int = 32, rounds: int = 4, seed: int = 0) -> Starts:
    """Series of independent normal noise."""
    rng = np.random.default_rng(seed)
    series = [
        {
            name: {
                code: (0.001 * (1 + SLOWED.get(code, 0.0)) * np.exp(rng.normal(0, sd, rounds))).tolist()
                for code in CODES
            }
            for name in NAMES
        }
        for _ in range(starts)
    ]
    return Starts("quiet", series)


def write(starts: Starts, folder: Path) -> None:
    folder.mkdir()
    with (folder / "series.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, start in enumerate(starts.series):
            for name, codes in start.items():
                for place, (code, seconds) in enumerate(codes.items()):
                    writer.writerows((number, r, name, place, code, repr(value)) for r, value in enumerate(seconds))


def test_little_noise_gives_the_right_verdicts():
    rates = {(one.rule, one.samples, one.code, one.quantity): one for one in all_rates(drawn(), 10)}
    assert sum(rates["fbench gate", "in turn", "equal", "called"].hits) == 0
    for code in SLOWED:
        assert all(rates["fbench gate", "in turn", code, "called"].hits)
    row = rates["fbench gate", "in turn", "equal", "called"].row()
    assert (row["draws"], row["share"], row["low"], row["high"]) == (10, "0.0000", "0.0000", "0.3085")
    assert len({one.rule for one in rates.values()}) == 6
    assert not any(rates["fbench gate --threshold 0.05", "in turn", "equal", "inconclusive"].hits)


def test_judge_writes_rates_a_figure_and_sentences(tmp_path, capsys, showwarning):
    write(drawn(starts=30), tmp_path / "quiet")
    page = tmp_path / "quiet" / "page.md"
    page.write_text("# A page\n\n<!-- verdicts -->\nold\n<!-- /verdicts -->\n\nThe end.\n")
    verdict_rates.main(["judge", str(tmp_path / "quiet"), "--draws", "4", "--page", str(page)])
    assert {path.name for path in tmp_path.iterdir()} == {"quiet", "rates.csv", "rates.svg", "rates.png", "rates.md"}
    told = (tmp_path / "rates.md").read_text()
    assert page.read_text() == f"# A page\n\n<!-- verdicts -->\n{told}<!-- /verdicts -->\n\nThe end.\n"
    assert "| fbench gate | 0.0 [0.0, 60.2] | 100.0 [39.8, 100.0] | 100.0 [39.8, 100.0] |" in told
    with pytest.raises(ValueError, match="the page has no place for it"):
        verdict_rates.filled("# A page\n", told)
    out = capsys.readouterr().out
    assert "Quiet machine, 120 rounds in 30 starts: the gate calls 0.0 % [0.0, 60.2] of 4 whole runs of equal " in out
    assert "Quiet machine: a start of the processes differs from another by " in out
    with (tmp_path / "rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert figure(rows).panels[0].title == "quiet machine"
    assert sentences(rows, [drawn(starts=30)])[1].startswith("Quiet machine: inconclusive")


def test_the_page_shows_the_committed_rates():
    committed = ROOT / "reports" / "reference" / "verdicts" / "rates.md"
    page = (ROOT / "fbench" / "gate" / "README.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- verdicts -->\n")[2].partition("<!-- /verdicts -->")[0]
    assert shown == (committed.read_text(encoding="utf-8") if committed.exists() else "")


def test_what_is_read_is_what_was_written(tmp_path):
    starts = drawn()
    write(starts, tmp_path / "quiet")
    rows = (tmp_path / "quiet" / "series.csv").read_text().splitlines()
    (tmp_path / "quiet" / "series.csv").write_text("\n".join([*rows, "32,0,test_0,0,base,0.1"]))
    read = read_starts(tmp_path / "quiet" / "series.csv", "quiet")
    assert read.series == starts.series, "a start that was not finished is left out"


def test_a_run_has_the_codes_that_are_asked_for():
    starts = drawn(sd=1e-6)
    played = drawn_gate(starts, random.Random(0), 0.03, {"test_3": "+25 %"})
    for name, one in played.items():
        assert one.pairs[0].new_s / one.pairs[0].base_s == pytest.approx(1.25 if name == "test_3" else 1.0, rel=1e-4)
    assert [pair.start for pair in played["test_3"].pairs] == [number // 4 for number in range(60)]
    base, new = at_other_times(starts, random.Random(0), 20, {"test_3": "+10 %"})["test_3"]
    assert len(base) == len(new) == 20
    assert np.median(new) / np.median(base) == pytest.approx(1.1, rel=1e-4)
    assert not set(base) & set(new)


def test_what_starts_differ_by_is_told_from_what_pairs_do():
    rng = np.random.default_rng(0)
    logs = rng.normal(0, 0.06, (3, 400, 4))
    assert between_starts(logs) < 0.01
    logs += rng.normal(0, 0.02, (3, 400, 1))
    assert between_starts(logs) == pytest.approx(0.02, abs=0.004)
    assert within_starts(logs) == pytest.approx(0.06, abs=0.003)


def test_the_rules_of_others():
    rng = np.random.default_rng(0)
    base = np.exp(rng.normal(0, 0.02, 20))
    assert {name: rule(base, 1.03 * base) for name, rule in OTHER_RULES.items()} == {
        "pytest-benchmark median:5%": False,
        "asv continuous": False,
        "criterion": True,
        "Mann-Whitney, p < 0.05": True,
    }
    assert all(rule(base, 1.2 * base) for rule in OTHER_RULES.values())
    assert not any(rule(base, base) for rule in OTHER_RULES.values())
    assert not any(rule(base, base / 1.2) for rule in OTHER_RULES.values())
    assert pytest_benchmark([1.0] * 3, [1.051] * 3)
    assert not criterion([1.0] * 20, [1.0] * 20)


def test_calls_are_slowed_by_a_share_of_their_own_time(monkeypatch):
    """On a clock that moves with every look: the call takes 8 of its ticks, the spin 2 more."""
    ticks = [0]

    def clock():
        ticks[0] += 1
        return float(ticks[0])

    def work():
        ticks[0] += 7
        return "done"

    monkeypatch.setattr(ten_benchmarks, "thread_time", clock)
    assert ten_benchmarks.slowed(work, 0.25)() == "done"
    assert ticks == [1 + 8 + 2]
