"""Learning curves of others as files: what is read and kept, and what is refused before a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from fbench.errors import UsageError
from fbench.harness.registry import SUITES
from fbench.suites.compare.curve_files import (
    carried_rows,
    check_imports,
    kept_curves,
    read_curve_file,
    resolve_curves,
    run_labels,
)
from fbench.suites.compare.options import Options
from fbench.suites.compare.settings import points

Line = tuple[Any, ...]
GOOD: list[Line] = [("theirs", seed, labels, 0.01 * labels + 0.1 * seed) for seed in (1, 0) for labels in (30, 10, 20)]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., str]:
    def write(lines: Iterable[Line], columns: str = "strategy,seed,labels,accuracy", name: str = "theirs.csv") -> str:
        path = tmp_path / name
        path.write_text("\n".join([columns, *(",".join(map(str, line)) for line in lines)]) + "\n")
        read_curve_file.cache_clear()
        return str(path)

    return write


def options(path: str, **typed: Any) -> Options:
    """Those of a run of two seeds and of 12, 17 and 22 labels."""
    small = {"strategies": "random,bait", "seeds": "2", "rounds": 2, "start": 12, "batch": 5, "model": "small"}
    made = SUITES.get("compare").typed(**{**small, "curves": path, **typed})
    assert isinstance(made, Options)
    return made


def changed(at: int, line: Line) -> list[Line]:
    return [*GOOD[:at], line, *GOOD[at + 1 :]]


def test_the_first_case_carries_every_row(written: Callable[..., str]) -> None:
    resolved = resolve_curves(options(written(GOOD)))
    assert (resolved.imported, run_labels(resolved)) == ("theirs", [12, 17, 22])
    first, second = points(resolved)
    assert carried_rows(second, resolved) == []
    rows = carried_rows(first, resolved)
    assert [(row["seed"], row["labels"]) for row in rows] == [(s, n) for s in (0, 1) for n in (10, 20, 30)]
    assert kept_curves(rows)["theirs"][1] == pytest.approx({10: 0.2, 20: 0.3, 30: 0.4})
    assert {row["source"] for row in rows} == {resolved.curves[0].partition("#")[0]}
    assert resolve_curves(resolved) == resolved
    assert carried_rows(first, resolve_curves(options(""))) == []


def test_another_metric_has_a_column_of_its_own(written: Callable[..., str]) -> None:
    path = written([(*line[:3], 5.0) for line in GOOD], columns="strategy,seed,labels,nll")
    assert read_curve_file(resolve_curves(options(path, metric="nll")).curves[0], "nll").curves["theirs"][0][10] == 5.0
    with pytest.raises(UsageError, match="has no column macro_f1; it needs strategy, seed, labels, macro_f1"):
        resolve_curves(options(path, metric="macro-f1"))


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (changed(0, ("theirs", 1, 30, "")), "line 2: accuracy '' is no number; leave such a seed out"),
        (changed(0, ("theirs", 1, 30, "nan")), "line 2: accuracy 'nan' is no number"),
        (changed(0, ("theirs", 1, 30, 84.1)), "line 2: accuracy 84.1 must lie between 0 and 1: a share, no per cent"),
        (changed(0, ("theirs", 1, 30, -0.1)), "line 2: accuracy -0.1 must lie between 0 and 1"),
        (changed(0, ("theirs", "x", 30, 0.5)), "line 2: seed 'x' is no whole number from 0 on"),
        (changed(0, ("theirs", 1, 0, 0.5)), "line 2: labels '0' is no whole number from 1 on"),
        (changed(0, ("theirs", 1, 20, 0.5)), "line 4: 20 labels stand twice for strategy 'theirs', seed 1; keep one"),
        (GOOD[:4], "strategy 'theirs', seed 0 has one label count, which is no curve"),
        (changed(0, ("bait", 1, 30, 0.5)), "bait is a strategy of fbench"),
        (
            [("t", 0, 22, 0.5), ("t", 0, 90, 0.6)],
            "fewer than two label counts with the run: its curves have 22 to",
        ),
        (
            [("t", s, n + 50 * s, 0.5) for s in (0, 1) for n in (10, 30)],
            "have none that all of its seeds have",
        ),
    ],
)
def test_what_cannot_be_compared(written: Callable[..., str], lines: list[Line], text: str) -> None:
    path = written(lines)
    with pytest.raises(UsageError) as caught:
        resolve_curves(options(path))
    assert str(caught.value).startswith(f"--curves {path}")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            GOOD[:3],
            "strategy 'theirs' has no seed 0, so it cannot be paired; ask other --seeds",
        ),
        (
            [line for line in GOOD if line[2] > 10],
            "has 20 to 30 labels, and pairs need all of the rounds' 17 to 27",
        ),
    ],
)
def test_what_cannot_be_paired(written: Callable[..., str], lines: list[Line], text: str) -> None:
    path = written(lines)
    with pytest.raises(UsageError, match=r"^--curves .*") as caught:
        resolve_curves(options(path, paired_curves=True, start=17))
    assert text in str(caught.value)


@pytest.mark.parametrize("several", [{"dataset": "digits,digits:noise=0.1"}, {"regularisation": "1,0.1"}])
def test_several_settings_have_no_place_for_curves(several: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--curves stands beside one data set at one λ; give one --dataset and one"):
        check_imports(options("theirs.csv", **several))
    check_imports(options("theirs.csv"))


def test_picks_are_of_one_data_set() -> None:
    check_imports(options("", replay="picks.csv", regularisation="1,0.1"))
    with pytest.raises(UsageError, match="--replay: the picks are of one data set; give one --dataset, or"):
        check_imports(options("", replay="picks.csv", dataset="digits,digits:noise=0.1"))


def test_names_and_pairs(written: Callable[..., str]) -> None:
    first, second = written(GOOD), written(GOOD, name="again.csv")
    with pytest.raises(UsageError, match=r"again\.csv: has the strategy 'theirs', as .*theirs\.csv has; call it"):
        resolve_curves(options(f"{first},{second}"))
    assert resolve_curves(options(f"{first},other={second}")).imported == "theirs, other"
    with pytest.raises(UsageError, match="--paired-curves without --curves pairs nothing; leave it out, or name"):
        resolve_curves(options("", paired_curves=True))
