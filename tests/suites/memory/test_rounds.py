"""Rounds of a case as units of rows: what a scripted watch said, predictions beside it, refusals, and going on."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

import pytest

from fbench.harness import registry
from fbench.measure.memory.watch import Peak, ReaderFacts, RoundMemory
from fbench.suites.memory import rounds
from fbench.suites.memory.options import Point
from fbench.suites.memory.predictions import predicted
from fbench.suites.memory.rounds import PlannedCase, run
from fbench.suites.memory.spec import ROUND_PHASES

SUITE = registry.SUITES.get("memory")
CHANGED = {
    "features": 4,
    "image": (1, 4),
    "labelled": 8,
    "train_batch": 4,
    "fisher_samples": 6,
    "rounds": 4,
    "malloc": "system",
}
POINT = {"method": "fused", "dtype": "float32", "candidates": 40, "classes": 3, "dim": 12, "batch": 3}


def case_of(devices=("cpu",), method="fused", more=None, **changed):
    chunk_size = 16 if method in ("fused", "published", "factored") else None
    point = Point(**{**POINT, "method": method, "chunk_size": chunk_size, **changed})
    return PlannedCase(point, SUITE.restored({**CHANGED, **(more or {})}), devices)


class Scripted:
    """A watch of two sources on a device; every phase's peak is 1000 more than the one's before."""

    opened: list = []  # noqa: RUF012  (of the whole class, and forgotten by the fixture)

    def __init__(self, devices):
        self.devices, self.events = tuple(dict.fromkeys(devices)), []
        Scripted.opened.append(self)

    def __enter__(self):
        self.events.append("open")
        return self

    def __exit__(self, *_):
        self.events.append("close")

    def begin(self):
        self.names = []
        self.events.append("begin")

    @contextmanager
    def phase(self, name):
        self.names.append(name)
        yield

    def end(self):
        self.events.append("end")
        peaks = [
            Peak(name, device, source, quantity, "process", i, i + 1.0, 500, 600, peak)
            for i, name in enumerate(self.names)
            for device in self.devices
            for source, quantity, peak in (("rss", "used", 1000 * (i + 1)), ("nvml", "used", None))
        ]
        held = [(device, "rss", "used", 700) for device in self.devices]
        line = [("cpu", "rss", "used", 0.5, 800), ("cpu", "rss", "used", 1.5, 900)]
        facts = [ReaderFacts(device, "rss", "process", 0.02, 10, 0, 50.0, "") for device in self.devices]
        return RoundMemory(peaks, held, line, facts)


@pytest.fixture(autouse=True)
def watch(monkeypatch):
    monkeypatch.setattr(rounds, "MemoryWatch", Scripted)
    Scripted.opened = []
    return Scripted


def speaks_of(rows):
    return [row for row in rows if "predicted_bytes" in row]


@pytest.mark.parametrize("method", ["fused", "incremental", "incremental:mask"])
def test_a_unit_is_a_round(method):
    case = case_of(method=method)
    units = list(run(case, 0))
    assert [unit.index for unit in units] == [0, 1, 2, 3]
    columns = {name: {column.name for column in declared} for name, declared in SUITE.all_tables().items()}
    for unit in units:
        for name, rows in {"results": unit.rows, **unit.tables}.items():
            assert {key for row in rows for key in row} <= columns[name]
    phases = [phase for phase in ROUND_PHASES if ":mask" in method or phase not in ("diagonal", "mask")]
    assert [row["phase"] for row in speaks_of(units[0].rows)] == phases
    assert all({**row, **case.point._asdict()} == row for row in units[0].rows)
    assert (units[0].rows[0]["chunk_size"] == 16) is (method == "fused")
    assert Scripted.opened[0].events == ["open", *["begin", "end"] * 4, "close"]


def test_predictions_are_of_what_they_speak_of_alone():
    case = case_of()
    (unit,) = itertools.islice(run(case, 0), 1)
    guesses = predicted(case.spec, "cpu", ("cpu",))
    assert {row["phase"]: row["predicted_bytes"] for row in speaks_of(unit.rows)} == guesses
    assert {(row["source"], row["quantity"]) for row in speaks_of(unit.rows)} == {("rss", "used")}
    others = [row for row in unit.rows if row["source"] == "nvml"]
    assert len(others) == len(guesses)
    assert {row["peak_bytes"] for row in others} == {None}
    first = unit.rows[0]
    assert (first["baseline_bytes"], first["start_bytes"], first["peak_bytes"]) == (500, 600, 1000)
    assert (first["start_s"], first["end_s"], first["scope"]) == (0, 1.0, "process")


def test_a_phase_without_a_prediction_is_empty(monkeypatch):
    monkeypatch.setattr(rounds, "predicted", lambda *args: {"data": 5})
    (unit,) = itertools.islice(run(case_of(), 0), 1)
    assert [row["predicted_bytes"] for row in speaks_of(unit.rows)] == [5, None, None, None, None, None, None]


def test_tables_beside_the_rows():
    units = list(run(case_of(devices=("cpu", "cpu")), 0))
    assert [sorted(unit.tables) for unit in units] == [
        ["limits", "readers", "rounds"],
        ["readers", "rounds", "timeline"],
        ["readers", "rounds"],
        ["readers", "rounds"],
    ]
    assert units[2].tables["rounds"] == [{"device": "cpu", "source": "rss", "quantity": "used", "held_bytes": 700}]
    assert [row["bytes"] for row in units[1].tables["timeline"]] == [800, 900]
    assert units[0].tables["readers"][0]["rate_hz"] == 50.0
    (limit,) = units[0].tables["limits"]  # two shards on one device
    assert (limit["device"], limit["margin"], limit["largest_chunk"]) == ("cpu", 0.15, 40)
    assert limit["predicted_bytes"] == max(predicted(case_of().spec, "cpu", ("cpu", "cpu")).values())


def test_of_one_round_the_time_line_is_that_rounds():
    (unit,) = run(case_of(more={"rounds": 1}), 0)
    assert "timeline" in unit.tables


@pytest.mark.parametrize("done", [1, 2, 3])
def test_it_goes_on_after_what_is_committed(done):
    units = list(run(case_of(), done))
    assert [unit.index for unit in units] == list(range(done, 4))
    assert not any("limits" in unit.tables for unit in units)
    assert ["timeline" in unit.tables for unit in units] == [unit.index == 1 for unit in units]


def test_all_rounds_done_are_not_done_again():
    assert list(run(case_of(), 4)) == []


def test_a_case_that_would_not_fit_is_its_predictions_and_nothing_is_run(monkeypatch):
    monkeypatch.setattr(rounds, "play_round", lambda *args: pytest.fail("it was run"))
    case = case_of(more={"memory_budget": 1000})
    (unit,) = run(case, 0)
    guesses = predicted(case.spec, "cpu", ("cpu",))
    assert {row["phase"]: row["predicted_bytes"] for row in unit.rows} == guesses
    assert all("peak_bytes" not in row and "start_s" not in row for row in unit.rows)
    assert {row["status"] for row in unit.rows} == {"oom"}
    (reason,) = {row["reason"] for row in unit.rows}
    assert reason.endswith("and 15 % to spare; 1000 B are to be had")
    (limit,) = unit.tables["limits"]
    assert (limit["budget_bytes"], limit["largest_chunk"], limit["largest_pool"]) == (1000, 0, 0)
    assert set(unit.tables) == {"limits"}
    assert Scripted.opened == []


def test_a_case_that_fits_no_longer_says_so_after_the_rounds_it_has():
    (unit,) = run(case_of(more={"memory_budget": 1000}), 2)
    assert unit.index == 2
    assert {row["status"] for row in unit.rows} == {"oom"}
    assert not unit.tables


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"dim": 13}, "dim 13 is not a multiple of classes 3: d of the last layer is classes × features"),
        ({"method": "fused:mask", "dim": 10**6}, "a mask has no more; give a smaller --dim"),
    ],
)
def test_a_case_that_cannot_be_is_skipped(changed, reason):
    (unit,) = run(case_of(**changed), 0)
    (row,) = unit.rows
    assert row["status"] == "skipped"
    assert reason in row["reason"]
    assert row["dim"] == changed["dim"]
    assert list(run(case_of(**changed), 1)) == []


def test_freed_blocks_are_returned_where_case(monkeypatch):
    calls = []
    monkeypatch.setattr(rounds, "return_freed_blocks", lambda: calls.append("returned"))
    monkeypatch.setattr(rounds, "play_round", lambda spec, devices, phase: calls.append(spec.n))
    for malloc, first in (("system", []), ("returning", ["returned"])):
        calls.clear()
        list(run(case_of(more={"malloc": malloc, "rounds": 1}), 0))
        assert calls == [*first, 64, 40]  # and a tiny round comes before those that are watched


def test_a_round_that_fails_is_not_swallowed(monkeypatch):
    def fails(spec, devices, phase):
        if spec.n == 40:
            raise MemoryError("no more")

    monkeypatch.setattr(rounds, "play_round", fails)
    with pytest.raises(MemoryError, match="no more"):
        list(run(case_of(), 0))
    assert Scripted.opened[0].events[-1] == "close"
