"""What ``fbench fisher`` says of its rows."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fbench.harness.contract import Row
from fbench.harness.registry import SUITES
from fbench.results.ratios import factor
from fbench.suites.fisher.rows import read_methods
from fbench.suites.fisher.summary import summary, times_longer

OPTIONS = SUITES.get("fisher").typed(passes=3)


def rows_of(method: str, seconds: list[float], samples: int = 128, timed: int = 128, **more: Any) -> list[Row]:
    """Passes of one way; ``seconds`` are a sample's, by block."""
    same = {
        "case": f"{method} {samples}", "status": "ok", "reason": "", "quantity": "diagonal", "method": method,
        "samples": samples, "timed_samples": timed, "batch_size": 128, "peak_bytes": None, "max_rel_error": None,
    }  # fmt: skip
    once = [{**same, "block": 0, "phase": phase, "time_s": None, **more} for phase in ("memory", "agreement")]
    return once + [{**same, "block": b, "phase": "pass", "time_s": s * timed} for b, s in enumerate(seconds)]


LOOP = rows_of("loop", [2.0, 2.2, 2.4], timed=1)
OURS = rows_of("batched", [0.02, 0.022, 0.024], max_rel_error=2e-6, peak_bytes=1 << 28)
FLOOR = rows_of("backward", [0.01, 0.011, 0.013])


def test_ratios_are_paired_by_block() -> None:
    loop, ours = read_methods(LOOP + OURS)
    times = times_longer(loop, ours)
    assert times is not None
    assert (times.n, times.mean) == (3, pytest.approx(100))
    assert times.high - times.low < 1e-6  # the machine's drift was the same for both


def test_only_common_blocks_count() -> None:
    loop, ours = read_methods(rows_of("loop", [2.0], timed=1) + OURS)
    times = times_longer(loop, ours)
    assert times is not None
    assert times.n == 1
    assert math.isnan(times.low)
    loop, ours = read_methods([*LOOP[:3], *OURS[:2], *OURS[3:]])
    assert times_longer(loop, ours) is None


def test_sentences() -> None:
    compared = summary(LOOP + OURS + FLOOR, OPTIONS)
    first, floor, error = compared.findings
    assert first == (
        "The diagonal: batched takes 21.9 ms a sample, 100 times less than the published loop at its batch of 128 "
        "(95 % interval 100 to 100, 3 blocks)."
    )
    assert floor.startswith(
        "The diagonal: batched takes 1.95 times its own k−1 plain backward passes (95 % interval 1.7"
    )
    assert floor.endswith("3 blocks): not within 1.1 of them.")
    assert error == "The diagonal: batched is within 2e-06 of the loop in float64, over the largest value."


@pytest.mark.parametrize(
    ("seconds", "end"),
    [
        ([0.01, 0.0111, 0.013], ": within 1.1 of them."),
        ([0.01, 0.0125, 0.013], ": whether within 1.1 of them is unresolved."),
        ([0.01], "1 times its own k−1 plain backward passes (one block, which has no interval)."),
    ],
)
def test_the_floor(seconds: list[float], end: str) -> None:
    compared = summary(rows_of("batched", seconds) + FLOOR, OPTIONS)
    assert any(sentence.endswith(end) for sentence in compared.findings)


def test_slower_is_said_so() -> None:
    compared = summary(rows_of("vmap", [0.01, 0.011, 0.012]) + OURS, OPTIONS)
    assert "2 times more than torch.func's vmap (95 % interval 2 to 2, 3 blocks)" in compared.findings[0]


def test_the_table_has_empty_cells_where_nothing_was_measured() -> None:
    (table,) = summary(LOOP + OURS, OPTIONS).tables
    assert [len(row) for row in table.rows] == [len(table.columns)] * 2
    loop, ours = table.rows
    assert loop[-4:] == ["", "", "", ""]
    assert ours[-4:] == ["100 (100 to 100)", "", "256 MiB", "2e-06"]


def test_without_ours_there_is_a_table_and_no_sentence() -> None:
    compared = summary(LOOP + FLOOR, OPTIONS)
    assert compared.findings == []
    assert len(compared.tables[0].rows) == 2


def test_what_was_not_measured_is_named() -> None:
    skipped = {**OURS[0], "method": "backpack", "case": "b", "status": "skipped", "reason": "not installed"}
    compared = summary([*OURS, skipped], OPTIONS)
    assert compared.findings[-1] == "backpack gave no diagonal: not installed."
    assert summary([skipped], OPTIONS).findings == (
        "No pass was timed, so nothing can be said of times: see the rows' reasons.",
        "backpack gave no diagonal: not installed.",
    )


def test_the_figure_goes_by_block_or_along_a_sweep() -> None:
    (figure,) = summary(LOOP + OURS, OPTIONS).figures
    loop, ours = figure.panels[0].series
    assert (list(loop.x), list(ours.y)) == ([1, 2, 3], pytest.approx([0.02, 0.022, 0.024]))
    assert ours.label == "batched (ours), 21.9 ms"
    (figure,) = summary(OURS + rows_of("batched", [0.02, 0.03], samples=256), OPTIONS).figures
    (ours,) = figure.panels[0].series
    assert list(ours.x) == [128, 256]
    assert len(ours.points) == 5
    assert figure.panels[0].x_log


def test_a_method_keeps_its_colour_in_every_panel() -> None:
    other = [{**row, "quantity": "masked-embedding", "case": f"m {row['case']}"} for row in LOOP + OURS]
    (figure,) = summary([*LOOP, *rows_of("backpack", [0.04, 0.05, 0.05]), *OURS, *other], OPTIONS).figures
    first, second = ([series.label.split(" ")[0] for series in panel.series] for panel in figure.panels)
    assert first == ["loop", "batched", "backpack,"]
    assert second == ["loop", "batched"]


@pytest.mark.parametrize(("value", "text"), [(139.4, "139"), (1394, "1,394"), (14.23, "14.2"), (1.081, "1.08")])
def test_factors(value: float, text: str) -> None:
    assert factor(value) == text
