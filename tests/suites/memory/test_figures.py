"""Figures of a memory run carry its numbers: bars of every phase, a round in time with its phases."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from memory_rows import ALLOCATED, MIB, NVML, foretold, rounds_of, row, tables, trace, whole_round

from fbench.results import figures as drawing
from fbench.suites.memory.figures import peak_figures, timelines
from fbench.suites.memory.peaks import memory_of_cases
from fbench.suites.memory.rows import read_rows
from fbench.suites.memory.spec import ROUND_PHASES


def drawn(*groups, **more):
    rows = read_rows(tables(*groups, **more))
    cases = memory_of_cases(rows.phases)
    return {figure.name: figure for figure in [*peak_figures(cases), *timelines(cases, rows)]}


def test_peaks_have_predicted_beside_measured():
    rows = rounds_of("bait", {"train": [100, 110, 90], "forward": [512, 500, 520]}, {"forward": 600})
    peaks = drawn(rows)["peaks"]
    assert peaks.title == ("Peak growth of resident memory by phase:\nn = 5,000, k = 10, d = 1,280, B = 100, float32")
    (panel,) = peaks.panels
    predicted, measured = panel.series
    assert (list(panel.x_names), panel.y_label, panel.title) == (
        ["train", "forward"], "MiB over what was held at first", "bait",
    )  # fmt: skip
    assert (predicted.style, measured.style) == ("bars", "bars")
    assert math.isnan(predicted.y[0])
    assert (predicted.y[1], list(measured.y)) == (600, [100, 512])
    assert sorted(measured.points) == [(0, 90), (0, 100), (0, 110), (1, 500), (1, 512), (1, 520)]


def test_without_predictions_there_are_measured_bars_alone():
    (panel,) = drawn(rounds_of("bait", {"forward": [2048]}))["peaks"].panels
    (measured,) = panel.series
    assert (measured.label, list(measured.y), measured.points) == ("measured", [2], ())
    assert panel.y_label.startswith("GiB")


def test_four_methods_have_a_panel_each_and_more_are_counted():
    rows = [each for i in range(6) for each in rounds_of(f"m{i}", {"train": [10]})]
    peaks = drawn(rows)["peaks"]
    assert [panel.title for panel in peaks.panels] == ["m0", "m1", "m2", "m3"]
    assert peaks.note.endswith("; each panel has its own scale; 2 more methods in the table")
    mixed = drawn(rounds_of("a", {"train": [1]}), rounds_of("b", {"train": [1]}, which=ALLOCATED))["peaks"]
    assert mixed.title.startswith("Peak growth of memory by phase: ")


def test_a_round_in_time_and_by_phase():
    rows = foretold(whole_round("bait:mask", number=2), {})
    figure = drawn(whole_round("bait:mask"), rows, timeline=trace(rows))["timeline-bait-mask"]
    real, even = figure.panels
    assert [name for *_, name in real.bands] == list(ROUND_PHASES)
    assert [high for _, high, _ in real.bands][:-1] == [low for low, *_ in real.bands][1:]
    assert even.x_names[1] == "train\n9.6 s"
    assert [band[:2] for band in even.bands[:2]] == [(-0.5, 0.5), (0.5, 1.5)]
    assert figure.note.startswith("round 2 on cpu; ")
    (line,) = real.series
    assert len(line.x) == 400 + len(ROUND_PHASES)  # readings, and what each phase began with
    assert (line.y[0], list(line.x)) == (0, sorted(line.x))


def test_each_phase_has_its_peak_and_its_prediction():
    rows = foretold(whole_round("bait"), {"train": 2.0})
    line, peaks, predicted = drawn(rows, timeline=trace(rows))["timeline-bait"].panels[1].series
    own = {each["phase"]: (each["peak_bytes"] - 420 * MIB) / 2**30 for each in rows}
    assert (line.label, peaks.label, peaks.like) == ("resident memory", "peak of a phase", "resident memory")
    assert list(peaks.x) == [0, 1, 2, 3, 4, 5, 6]
    assert list(peaks.y) == pytest.approx(list(own.values()))
    assert list(predicted.x[3:6]) == [0.55, 1.45, 1.45]
    assert predicted.y[3] == predicted.y[4] == pytest.approx(2 * own["train"])
    assert math.isnan(predicted.y[5])
    assert (min(line.x), line.x[-1]) == (-0.5, pytest.approx(6.5, abs=0.05))


def test_readings_between_phases_are_in_time_alone():
    rows = whole_round("bait")[:2]
    rows[1] = {**rows[1], "start_s": 5.0, "end_s": 9.0}
    between = {**trace(rows[:1])[0], "t_s": 3.0}
    real, even = drawn(rows, timeline=[*trace(rows[:1]), between])["timeline-bait"].panels
    assert 3.0 in real.series[0].x
    assert len(even.series[0].x) == len(real.series[0].x) - 1


def test_a_phase_of_no_length_is_drawn(tmp_path: Path):
    rows = whole_round("bait")[:2]
    rows.append({**rows[1], "phase": "embed", "start_s": rows[1]["end_s"], "end_s": rows[1]["end_s"]})
    figure = drawn(rows, timeline=trace(rows[:2]))["timeline-bait"]
    assert figure.panels[1].x_names[2] == "embed\n0 s"
    assert all(path.stat().st_size for path in drawing.draw(figure, tmp_path))


def test_on_a_gpu_the_line_is_nvmls_and_the_dots_are_torchs(tmp_path: Path):
    torch = foretold(whole_round("bait", ALLOCATED, baseline=20), {})
    nvml = whole_round("bait", NVML, baseline=500)
    figure = drawn(torch, nvml, timeline=trace(nvml))["timeline-bait"]
    line, peaks, predicted = figure.panels[1].series
    assert [line.label, peaks.label, peaks.like] == ["NVML used", "torch allocated, peak of a phase", ""]
    assert line.y[0] == 0
    assert peaks.y[0] == pytest.approx(60 * 0.99 / 1024, rel=0.05)
    assert predicted.label == "predicted"
    assert all(path.stat().st_size for path in drawing.draw(figure, tmp_path))


def test_a_round_without_readings_or_times_has_no_timeline():
    rows = whole_round("bait")
    assert list(drawn(rows)) == ["peaks"]
    timeless = [{**each, "start_s": None, "end_s": None} for each in rows]
    assert list(drawn(timeless, timeline=trace(rows))) == ["peaks"]
    empty = [{**each, "bytes": None} for each in trace(rows)]
    assert list(drawn(rows, timeline=empty)) == ["peaks"]
    unknown = [{**each, "source": "other"} for each in trace(rows)]
    assert list(drawn(rows, timeline=unknown)) == ["peaks"]
    assert drawn([row("bait", "train")]) == {}


def test_of_several_rounds_the_last_is_drawn():
    first, second = whole_round("bait", number=0), whole_round("bait", number=1)
    figure = drawn(first, second, timeline=[*trace(second), *trace(first)])["timeline-bait"]
    assert figure.note.startswith("round 1 ")
    assert len(figure.panels[0].series[0].x) == 400 + 7


def test_rows_of_another_baseline_are_over_their_own():
    first = whole_round("bait", number=0, baseline=400)
    second = whole_round("bait", number=1, baseline=900)
    (line,) = drawn(first, second, timeline=trace(second))["timeline-bait"].panels[0].series
    assert line.y[0] == 0
