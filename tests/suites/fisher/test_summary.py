"""What ``fbench fisher`` says of its rows: every verdict, the numbers, the table and the figure."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import faults

from fbench.harness.contract import Answer, Row
from fbench.harness.registry import SUITES
from fbench.suites.fisher.rows import read_methods
from fbench.suites.fisher.summary import summary

OPTIONS = SUITES.get("fisher").typed(passes=4)
DRIFT = [1.0, 1.1, 1.2, 1.15]
"""The machine's, the same for all ways."""


def rows_of(method: str, seconds: list[float], samples: int = 128, timed: int = 128, **more: Any) -> list[Row]:
    """Passes of one way; ``seconds`` are a sample's, by block."""
    same = {
        "case": f"{method} {samples}", "status": "ok", "reason": "", "quantity": "diagonal", "method": method,
        "samples": samples, "timed_samples": timed, "batch_size": 128, "peak_bytes": None, "max_rel_error": None,
    }  # fmt: skip
    once = [{**same, "block": 0, "phase": phase, "time_s": None, **more} for phase in ("memory", "agreement")]
    return once + [{**same, "block": b, "phase": "pass", "time_s": s * timed} for b, s in enumerate(seconds)]


def times(factor: float, blocks: int = 4) -> list[float]:
    return [factor * drift for drift in DRIFT[:blocks]]


LOOP = rows_of("loop", times(2.0), timed=1)
OURS = rows_of("batched", times(0.02), max_rel_error=2e-6, peak_bytes=1 << 28)
YARDSTICK = rows_of("backward", times(0.01))


def answered(rows: list[Row]) -> dict[str, Answer]:
    return {answer.question: answer for answer in summary(rows, OPTIONS).answers}


def fastest(rows: list[Row]) -> Answer:
    return answered(rows)["Is batched the fastest way to the diagonal?"]


def test_the_lead() -> None:
    assert summary(LOOP + OURS + YARDSTICK, OPTIONS).lead == [
        "The diagonal takes 22.2 ms a sample with batched: 100 times faster than the published loop (100 to 100).",
        "Batched takes 2.0 (2.0 to 2.0) times k−1 plain backward passes, a yardstick. Batched float32 differs from a "
        "float64 loop by up to 2e−6 of the largest entry (tolerance 1e−4).",
        "Use batched.",
    ]


@pytest.mark.parametrize(
    ("vmap", "verdict", "advice"),
    [
        (times(0.04), "yes", "Use batched."),
        (times(0.01), "no", "Use vmap."),
        ([0.02, 0.024, 0.0235, 0.0231], "not shown", "Use batched or vmap; more --passes tell them apart."),
        ([0.02, 0.09, 0.015, 0.023], "unreliable", "Run it again on a machine that does nothing else."),
        (times(0.04, blocks=3), "too few", "Use batched; --passes 4 or more gives an interval."),
    ],
)
def test_verdicts_of_the_fastest_way(vmap: list[float], verdict: str, advice: str) -> None:
    answer = fastest(rows_of("vmap", vmap) + OURS)
    assert (answer.verdict, answer.advice) == (verdict, advice)


def test_few_blocks_give_the_number_without_an_interval() -> None:
    text = fastest(rows_of("vmap", times(0.04, blocks=3)) + OURS).sentence
    assert text.endswith(": 2.0 times faster than vmap (3 blocks, no interval).")


def test_all_rivals_stand_in_the_sentence_and_the_advice_has_the_memory() -> None:
    rivals = [*rows_of("vmap", times(0.04), peak_bytes=1 << 27), *rows_of("backpack", times(0.05)), *LOOP]
    answer = fastest([*rivals, *OURS])
    assert answer.sentence == (
        "Diagonal, batched, 22.2 ms/sample: 2.0 times faster than vmap (2.0 to 2.0), 2.5 times faster than BackPACK "
        "(2.5 to 2.5), 100 times faster than the published loop (100 to 100)."
    )
    assert answer.advice == "Use batched; its memory peaks at 256 MiB, that of vmap at 128 MiB."


def test_slower_is_said_so() -> None:
    assert "2.0 times slower than vmap (2.0 to 2.0)" in fastest(rows_of("vmap", times(0.01)) + OURS).sentence


def test_one_slower_rival_decides() -> None:
    assert fastest([*LOOP, *rows_of("vmap", times(0.01)), *OURS]).verdict == "no"


@pytest.mark.parametrize(
    ("yardstick", "verdict"),
    [
        (times(0.0201), "yes"),
        (times(0.01), "no"),
        ([0.02, 0.019, 0.021, 0.022], "not shown"),
        (times(0.01, blocks=3), "too few"),
    ],
)
def test_verdicts_of_the_yardstick(yardstick: list[float], verdict: str) -> None:
    rows = rows_of("batched", times(0.02)) + rows_of("backward", yardstick)
    assert answered(rows)["Does the diagonal take at most 1.1 times k−1 backward passes?"].verdict == verdict


@pytest.mark.parametrize(("error", "verdict"), [(2e-6, "yes"), (2e-3, "no")])
def test_verdicts_of_agreement(error: float, verdict: str) -> None:
    answer = answered(rows_of("batched", times(0.02), max_rel_error=error))["Is the diagonal right?"]
    assert answer.verdict == verdict
    assert f"by up to 2e−{6 if error < 1e-4 else 3} of" in answer.sentence


def test_without_rivals_and_without_ours() -> None:
    assert fastest(OURS).verdict == "not shown"
    shown = summary(LOOP + YARDSTICK, OPTIONS)
    assert shown.answers[0].question == "Is loop the fastest way to the diagonal?"
    assert len(shown.tables[0].rows) == 2


def test_the_table_has_empty_cells_where_nothing_was_measured() -> None:
    (table,) = summary(LOOP + OURS, OPTIONS).tables
    assert [len(row) for row in table.rows] == [len(table.columns)] * 2
    loop, ours = table.rows
    assert loop[-4:] == ["100 (100 to 100)", "", "", ""]
    assert ours[-4:] == ["", "", "256 MiB", "2e−6"]


def test_what_was_not_measured_is_named() -> None:
    skipped = {**OURS[0], "method": "backpack", "case": "b", "status": "skipped", "reason": "not installed"}
    assert summary([*OURS, skipped], OPTIONS).evidence[-1].claims == ["backpack gave no diagonal: not installed."]
    nothing = summary([skipped], OPTIONS)
    assert nothing.lead[0] == "No way was timed."
    assert (list(nothing.tables), list(nothing.figures)) == ([], [])


def test_the_figure_goes_by_way_or_along_a_sweep() -> None:
    (figure,) = summary(LOOP + OURS, OPTIONS).figures
    panel = figure.panels[0]
    assert panel.x_names == ["batched", "published loop"]
    assert [y for _, y in panel.series[0].points] == pytest.approx(times(0.02))
    (figure,) = summary(OURS + rows_of("batched", [0.02, 0.03], samples=256), OPTIONS).figures
    (ours,) = figure.panels[0].series
    assert list(ours.x) == [128, 256]
    assert len(ours.points) == 6
    assert figure.panels[0].x_log


def test_a_sweep_answers_for_the_most_samples() -> None:
    rows = [*OURS, *rows_of("batched", times(0.03), samples=256), *rows_of("loop", times(2.0), samples=256)]
    shown = summary(rows, OPTIONS)
    assert "takes 33.3 ms a sample with batched: 67 times faster" in shown.lead[0]
    assert len(shown.tables[0].rows) == 3


def test_a_method_keeps_its_colour_in_every_panel_of_a_sweep() -> None:
    more = rows_of("batched", times(0.03), samples=256)
    other = [{**row, "quantity": "masked-embedding", "case": f"m {row['case']}"} for row in LOOP + OURS]
    (figure,) = summary([*LOOP, *rows_of("backpack", times(0.04)), *OURS, *more, *other], OPTIONS).figures
    first, second = ([series.label for series in panel.series] for panel in figure.panels)
    assert first == ["published loop", "batched", "BackPACK"]
    assert second == ["published loop", "batched"]


def test_seconds_are_those_of_a_sample() -> None:
    (loop,) = read_methods(LOOP)
    assert loop.typical == pytest.approx(2.0 * math.prod(DRIFT) ** 0.25)


SECONDS = st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=6)


@given(seconds=st.tuples(*[SECONDS] * 5), error=st.floats(0, 10))
@settings(max_examples=25)
def test_every_run_keeps_the_contract(seconds: tuple[list[float], ...], error: float) -> None:
    methods = ("loop", "vmap", "backpack", "batched", "backward")
    rows = [row for name, own in zip(methods, seconds, strict=True) for row in rows_of(name, own, max_rel_error=error)]
    assert faults(summary(rows, OPTIONS)) == []
