"""Points of a chunk sweep: medians over blocks, what a repeat gives, predictions from single chunks, shares of GEMM."""

from __future__ import annotations

import copy
import math

import pytest
from chunk_rows import OPTIONS, conditions, memory, passes, row, tables

from fbench.suites.chunksize.control import Control, read_conditions
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.rows import cell_number, read_results

EIGHT = [[1.0, 9.0, 2.0], *([seconds] for seconds in (2.02, 2.04, 2.06, 2.08, 2.1, 2.12, 2.14))]


def points_of(*groups, **more):
    return complete(tables(*groups, **more), OPTIONS)["points"]


def control_of(rows, conditions):
    return Control(read_results(rows), read_conditions(conditions))


def test_a_block_counts_once_by_its_median():
    (point,) = points_of(passes("fused", 64, EIGHT))
    assert (point["block"], point["samples"]) == (7, 10)
    assert (point["median_s"], point["low_s"], point["high_s"]) == (pytest.approx(2.07), 2.0, 2.14)


def test_a_point_stands_in_the_last_block_it_was_timed_in():
    rows = [{**timed, "block": 2 * timed["block"] + 1} for timed in passes("fused", 64, EIGHT)]
    whole = complete(tables(rows), OPTIONS)
    assert whole["points"][0]["block"] == 15
    assert read_run(whole).points[0].median.n == 8


def test_an_interval_narrower_than_the_precision_converged():
    narrow, wide = passes("fused", 64, [[2.0], [2.01]] * 4), passes("fused", 128, [[2.0], [3.0]] * 4)
    assert [point["converged"] for point in points_of(narrow, wide)] == [True, False]


def test_few_blocks_have_no_interval_and_are_not_converged():
    (point,) = points_of(passes("fused", 64, [[2.0]] * 5))
    names = ("low_s", "high_s", "repeat_low_s", "repeat_high_s")
    assert [point[name] for name in names] == [None] * 4
    assert point["converged"] is False


def test_a_repeat_may_fall_where_noise_and_the_control_say():
    steady = points_of(passes("fused", 64, EIGHT))[0]
    drifting = points_of(passes("fused", 64, EIGHT), control_s=[0.01, 0.015] * 4)[0]
    assert drifting["repeat_low_s"] < steady["repeat_low_s"] < steady["median_s"] < steady["repeat_high_s"]


def test_dtypes_with_other_controls_make_no_drift():
    single, double = passes("fused", 64, [[1.0]] * 8), passes("fused", 64, [[2.0]] * 4, dtype="float64")
    whole = tables(single, double)
    for unit in whole["conditions"]:
        for name in ("control_s", "gemm_s"):
            unit[name] *= 2 if "float64" in unit["case"] else 1
    control = control_of(whole["results"], whole["conditions"])
    assert control.drift == (0, 0)
    assert (control.rate("float32"), control.rate("float64")) == (pytest.approx(1e11), pytest.approx(5e10))
    assert control.rate("bfloat16") is None


@pytest.mark.parametrize(("device", "share"), [("cuda:0+cuda:1", 0.5), ("cpu+cpu", 1.0)])
def test_share_of_gemm_counts_every_device(device, share):
    """But one CPU twice is one CPU."""
    one = passes("fused", 64, [[0.02]] * 8)
    two = passes("fused", 64, [[0.01]] * 8, gpus=2, device=device)
    points = points_of(one, two)
    assert [point["flops_per_s"] for point in points] == [pytest.approx(5e10), pytest.approx(1e11)]
    assert [point["gemm_share"] for point in points] == [pytest.approx(0.5), pytest.approx(share)]


def test_without_a_control_or_operations_their_cells_are_empty():
    whole = tables(passes("fused", 64, EIGHT, flops=None))
    whole["conditions"] = []
    (point,) = complete(whole, OPTIONS)["points"]
    assert [point[name] for name in ("flops_per_s", "gemm_share")] == [None] * 2


def test_the_prediction_is_of_the_largest_shard():
    small = {"candidates": 101, "gpus": 2, "device": "cpu+cpu"}  # 51 on the first: 20 + 20 + 11
    swept = passes("fused", 20, [[1.0]] * 8, **small)
    singles = [
        *passes("fused", 20, [[0.4]] * 8, "single", **small),
        *passes("fused", 11, [[0.3]] * 8, "single", **small),
    ]
    points = points_of(swept, singles)
    assert [point["predicted_s"] for point in points] == [pytest.approx(1.1), None, None]
    assert points_of(swept, singles[:8])[0]["predicted_s"] is None


@pytest.mark.parametrize("other", [{"kernel": "published"}, {"dtype": "float64"}, {"dim": 640}, {"gpus": 2}])
def test_single_chunks_of_something_else_predict_nothing(other):
    named = {"kernel": "fused", **other}
    singles = passes(named.pop("kernel"), 64, [[0.4]] * 8, "single", **named)
    assert points_of(passes("fused", 64, [[1.0]] * 8), singles)[0]["predicted_s"] is None


def test_memory_and_error_are_those_of_the_point_whatever_the_phase():
    points = points_of(passes("fused", 64, EIGHT), [memory("fused", 64, 1000, 1e-6), memory("fused", 128, 2000)])
    assert [(point["peak_bytes"], point["max_rel_error"]) for point in points] == [(1000, 1e-6)]


def test_rows_are_filled_in_and_otherwise_as_they_were():
    whole = tables(
        [row("fused", 32, status="skipped", reason="no")],
        passes("fused", 64, EIGHT),
        passes("fused", 64, [[0.03]] * 8, "single"),
        [memory("fused", 64, 1000), row("fused", 64, 8, status="oom", reason="out")],
    )
    before = copy.deepcopy(whole)
    filled_in = complete(whole, OPTIONS)
    assert whole == before
    assert filled_in["conditions"] == before["conditions"]
    filled = filled_in["results"]
    rest = [{**line, "predicted_s": None, "converged": None} for line in filled]
    assert rest == before["results"]
    timed = [line for line in filled if line["phase"] == "sweep" and line["status"] == "ok"]
    assert [line["predicted_s"] for line in timed] == [pytest.approx(64 * 0.03)] * len(timed)
    assert {line["converged"] for line in timed} == {False}
    assert {line["converged"] for line in filled if line["phase"] == "single"} == {True}
    assert [line["converged"] for line in filled if line["status"] != "ok" or line["phase"] == "memory"] == [None] * 3


def test_done_twice_is_done_once():
    once = complete(tables(passes("fused", 64, EIGHT), passes("fused", 64, EIGHT, "single")), OPTIONS)
    assert complete(once, OPTIONS) == once


def test_nothing_timed_gives_no_points():
    assert points_of([row("fused", 64, status="oom", reason="out"), memory("fused", 64, 1)]) == []


def test_points_are_read_with_their_passes():
    whole = complete(tables(passes("fused", 64, EIGHT)), OPTIONS)
    (point,) = read_run(whole).points
    assert len(point.samples) == 10
    assert (point.seconds[0], point.flops) == (2.0, 10**9)
    assert (point.median.low, point.median.high) == (2.0, 2.14)
    assert point.repeat.low < point.median.median < point.repeat.high
    assert read_run({**whole, "results": []}).points == []


@pytest.mark.parametrize("empty", [None, math.nan, ""])
def test_empty_cells_are_read_alike(empty):
    whole = complete(tables(passes("fused", 64, [[2.0]] * 3, flops=None)), OPTIONS)
    whole["points"] = [{key: empty if cell is None else cell for key, cell in p.items()} for p in whole["points"]]
    if empty == "":
        assert cell_number({"x": empty}, "x") is None
        return
    (point,) = read_run(whole).points
    assert math.isnan(point.median.low)
    assert math.isnan(point.repeat.high)
    assert point.flops_per_s is None


def test_units_without_a_control_are_passed_over():
    rows = passes("fused", 64, EIGHT)
    late = [{**unit, "control_s": math.nan, "gemm_s": math.nan} for unit in conditions(rows) if unit["block"]]
    units = [{**unit, "gemm_s": 0.02} for unit in conditions(rows) if not unit["block"]] + late
    control = control_of(rows, units)
    assert control.operation_seconds("float32") == {0: pytest.approx(2e-11)}
    assert all(math.isnan(end) for end in control.drift)  # of one reading
