"""Tables and figures of a chunk sweep carry the numbers of its points."""

from __future__ import annotations

from pathlib import Path

import pytest
from chunk_rows import OPTIONS, memory, passes, swept, tables

from fbench.results import figures
from fbench.suites.chunksize.decomposition import needed
from fbench.suites.chunksize.points import complete
from fbench.suites.chunksize.summary import summary

SIZES = (64, 128, 256)


def flat(kernel, *seconds, **more):
    return [timed for size, s in zip(SIZES, seconds, strict=False) for timed in passes(kernel, size, [[s]] * 8, **more)]


def drawn(said):
    return list(said.all_figures)


def everything(said):
    return said.evidence[-1].tables[-1]


def cells(table, *names):
    return [[line[list(table.columns).index(name)] for name in names] for line in table.rows]


def test_the_chunk_of_every_kernel():
    rows = [*flat("published", 3.0, 2.0, 2.5), *flat("fused", 1.5, 1.0, 1.0), memory("fused", 128, 2**20, 1e-6)]
    said = summary(tables(rows), OPTIONS)
    (best,) = said.tables
    assert best.title == "Chunk of every kernel: n = 4,096, k = 10, d = 1,280, float32"
    assert cells(
        best,
        "kernel",
        "chunk",
        "plausible",
        "time",
        "95 % of time",
        "smallest ÷ chunk",
        "largest ÷ chunk",
        "× published",
    ) == [
        ["published", "128", "128", "2 s", "2 to 2 s", "64: 1.5 (1.5 to 1.5)", "256: 1.25 (1.25 to 1.25)", ""],
        ["fused", "128", "128", "1 s", "1 to 1 s", "64: 1.5 (1.5 to 1.5)", "256: 1 (1 to 1)", "2 (2 to 2)"],
    ]
    assert cells(best, "rate", "of GEMM")[1] == ["1 GFLOP/s", "1 %"]
    assert "efficiency" not in best.columns
    assert len(everything(said).rows) == 6
    assert cells(everything(said), "kernel", "size", "chunks", "memory", "error", "converged")[4] == [
        "fused", "128", "32", "1 MiB", "1e-06", "yes",
    ]  # fmt: skip
    assert "no wider than 5 % of the median" in everything(said).note


def test_every_size_has_its_cost():
    said = summary(tables(flat("fused", 1.5, 1.0, 1.25)), OPTIONS)
    cost, tests = said.evidence[0].tables
    assert cells(cost, "kernel", "64", "128", "256") == [["fused", "1.5 (1.5 to 1.5)", "1", "1.25 (1.25 to 1.25)"]]
    assert cells(tests, "kernel", "blocks", "corrected") == [["fused", "8", "p < 0.001"]]


def test_of_many_sizes_eight_have_a_cost():
    said = summary(tables(swept("fused", lambda size: 1.0, range(16, 16 * 40, 16))), OPTIONS)
    cost = said.evidence[0].tables[0]
    assert (len(cost.columns), cost.columns[1], cost.columns[-1]) == (9, "16", "624")
    assert set(cost.optional) == set(cost.columns[2:-1])


def test_a_table_is_equal_before_and_after_the_points_are_written():
    whole = tables(flat("fused", 1.5, 1.0, 1.0))
    assert summary(whole, OPTIONS) == summary(complete(whole, OPTIONS), OPTIONS)


def test_few_blocks_leave_cells_empty():
    rows = [timed for timed in flat("fused", 1.5, 1.0) if timed["block"] < 3]
    said = summary(tables(rows), OPTIONS)
    (best,) = said.tables
    assert not {"95 % of time", "plausible", "smallest ÷ chunk"} & set(best.columns)
    assert cells(best, "chunk", "time") == [["128", "1 s"]]
    assert cells(everything(said), "converged") == [["no"], ["no"]]


def test_sizes_that_vary_are_columns_and_several_devices_have_an_efficiency():
    two = {"gpus": 2, "device": "cpu+cpu"}
    rows = [*flat("fused", 2.0, dim=640), *flat("fused", 4.0), *flat("fused", 2.5, **two)]
    said = summary(tables(rows), OPTIONS)
    (best,) = said.tables
    assert best.title == "Chunk of every kernel: n = 4,096, k = 10, float32"
    assert cells(best, "d", "time", "efficiency") == [["640", "2 s", ""], ["1,280", "2.5 s", "80 %"]]
    assert cells(everything(said), "d", "devices") == [["640", "cpu"], ["1,280", "cpu+cpu"], ["1,280", "cpu"]]
    assert "Efficiency: t₁/(g·t) on g devices." in best.note


def test_many_points_are_left_to_the_file():
    said = summary(tables(swept("fused", lambda size: 1.0, range(1, 62))), OPTIONS)
    assert said.tables[0].note.endswith("All 61 points are in points.csv.")
    assert not said.evidence[-1].tables


def predicted(kernel, sizes, n=4096, **more):
    return [
        *swept(kernel, lambda c: 1e-6 * n + 1e-5 * n / c, sizes, candidates=n, **more),
        *swept(kernel, lambda m: 1e-6 * m + 1e-5, sorted(needed(n, sizes)), phase="single", **more),
    ]


def test_time_by_chunk_has_every_pass_and_the_prediction_in_the_kernels_colour():
    answer = summary(tables(predicted("fused", SIZES), predicted("published", SIZES)), OPTIONS)
    time, errors = drawn(answer)
    assert (time.name, errors.name) == ("time_by_chunk", "prediction_errors")
    panel, relative = time.panels
    first, dashed, *_ = panel.series
    assert (first.label, dashed.label, dashed.like, dashed.style) == ("published", "", "published", "dashed")
    assert [len(line.points) for line in panel.series] == [72, 0, 72, 0]
    assert list(first.x) == list(panel.x_ticks) == [64, 128, 256]
    assert panel.y_label == "milliseconds a pass"
    assert first.y[0] == pytest.approx(4.7, rel=0.03)
    assert [line.label for line in relative.series] == ["published", "fused"]
    assert [line.label for line in errors.panels[0].series] == ["published", "fused"]
    assert max(abs(y) for line in errors.panels[0].series for y in line.y) < 3


def test_without_predictions_there_is_no_residual():
    (figure,) = drawn(summary(tables(flat("fused", 1.5, 1.0)), OPTIONS))
    assert [line.label for line in figure.panels[0].series] == ["fused"]


def test_problems_and_devices_have_figures_and_panels_of_their_own():
    two = {"gpus": 2, "device": "cpu+cpu"}
    rows = [*flat("fused", 2.0, 1.0, dim=640), *flat("fused", 4.0, 3.0), *flat("fused", 2.5, 2.0, **two)]
    named = {figure.name: figure for figure in drawn(summary(tables(rows), OPTIONS))}
    assert list(named) == ["time_by_chunk-d640", "time_by_chunk-d1280"]
    panels = named["time_by_chunk-d1280"].panels
    assert [panel.title for panel in panels] == ["cpu+cpu", "cpu", "cpu+cpu"]
    assert list(panels[2].series[0].y) == [1.25, 1.0]


def test_what_sizes_cost_is_drawn_over_the_recommended_chunk():
    blocks = [[s] for s in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7)]
    rows = [*passes("fused", 64, [[2 * s] for [s] in blocks]), *passes("fused", 128, blocks)]
    (figure,) = drawn(summary(tables(rows, passes("one", 64, [[1.0]] * 8)), OPTIONS))
    (series,) = figure.panels[1].series  # no kernel of one size
    assert (series.label, list(series.points)) == ("fused", [])
    assert list(series.y) == [pytest.approx(2), 1]
    assert list(series.low) == pytest.approx(list(series.y))
    assert figure.panels[1].y_label == "time over the recommended chunk's"
    assert figure.panels[1].y_log


def test_one_size_has_no_effect_to_draw():
    (figure,) = summary(tables(passes("fused", 64, [[1.0]] * 8)), OPTIONS).figures
    assert len(figure.panels) == 1


def test_an_interval_far_longer_than_the_others_is_cut_off_and_said(tmp_path: Path):
    far = [[s] for s in (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0)]
    single = [timed for m in SIZES for timed in passes("fused", m, [[m / 4096]] * 8, "single")]
    rows = [*passes("fused", 64, far), *passes("fused", 128, [[1.02]] * 8), *passes("fused", 256, [[1.0]] * 3)]
    residual = drawn(summary(tables(rows, single), OPTIONS))[1]
    (series,) = residual.panels[0].series
    assert list(series.y) == [pytest.approx(0), pytest.approx(2), pytest.approx(0)]
    assert (series.high[0], series.high[1]) == (pytest.approx(7), pytest.approx(2))
    assert residual.note.endswith("\ncut off at the frame: fused at 64 (+0 to +200 %)")
    assert all(path.stat().st_size for path in figures.draw(residual, tmp_path))


def test_many_intervals_cut_off_are_counted():
    far = [[s] for s in (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 3.0)]
    rows = [passes(f"k{i}", 64, far) for i in range(6)]
    single = [passes(f"k{i}", 64, [[1 / 64]] * 8, "single") for i in range(6)]
    residual = drawn(summary(tables(*rows, *single), OPTIONS))[1]
    assert residual.note.endswith("k3 at 64 (+0 to +200 %) and 2 more")


def test_many_kernels_are_spread_over_panels():
    groups = [flat(f"kernel-{i}", 2.0, 1.0) for i in range(10)]
    (figure,) = summary(tables(*groups), OPTIONS).figures
    assert [len(panel.series) for panel in figure.panels] == [8, 2, 8, 2]


def test_even_sizes_have_a_spectrum(tmp_path: Path):
    gpu = {"device": "cuda:0"}
    sizes = range(64, 64 + 40 * 32, 32)
    rows = predicted("fused:no-inner", list(sizes), 16384, **gpu), predicted("fused", list(sizes), 16384, **gpu)
    answer = summary(tables(*rows, multiprocessors=132), OPTIONS)
    names = ["time_by_chunk", "residual-fused-no-inner", "residual-fused", "single_chunk"]
    assert [figure.name for figure in drawn(answer)] == names
    left, right = drawn(answer)[1].panels
    assert [line.label for line in left.series] == ["measured", "predicted", "whole chunks of a smooth τ"]
    assert (188, "expected 188") in [(round(x), text) for x, text in right.marks]
    assert [line.label for line in drawn(answer)[3].panels[0].series] == ["fused:no-inner", "fused"]
    for figure in drawn(answer):
        assert all(path.stat().st_size for path in figures.draw(figure, tmp_path))
