"""Figures: files that are written, equal for equal figures, with every raw point in them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from svg import texts

from fbench.errors import UsageError
from fbench.harness.contract import Figure, Panel, Series
from fbench.results.figures import _grid, _spread, draw, figure_files

POINTS = [(20.0, 0.4), (20.0, 0.5), (40.0, 0.6), (40.0, 0.7), (60.0, 0.7), (60.0, 0.8)]
SERIES = Series("bait", [20, 40, 60], [0.45, 0.65, 0.75], [0.3, 0.5, 0.6], [0.6, 0.8, 0.9], POINTS)
OTHER = Series("random", [20, 40, 60], [0.4, 0.5, 0.6], points=POINTS[:2])
FIGURE = Figure("curves", "Digits", [Panel([SERIES, OTHER], "labels", "accuracy", "Left")], "a note")


def scattered(svg: Path) -> list[int]:
    """Dots of every scatter in the order drawn."""
    groups = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    matches = [g for g in groups if g.get("id", "").startswith("PathCollection")]
    return [len(list(g.iter("{http://www.w3.org/2000/svg}use"))) for g in matches]


def test_svg_and_png_are_written(tmp_path: Path) -> None:
    paths = draw(FIGURE, tmp_path / "figures")
    assert paths == [tmp_path / "figures/curves.svg", tmp_path / "figures/curves.png"]
    assert paths[0].read_bytes().startswith(b"<?xml")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == ["curves.png", "curves.svg"]


def test_equal_figures_give_equal_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in draw(FIGURE, tmp_path / "a")]
    assert [path.read_bytes() for path in draw(FIGURE, tmp_path / "b")] == first
    moved = dataclasses.replace(SERIES, points=[*POINTS[:-1], (60.0, 0.81)])
    other = dataclasses.replace(FIGURE, panels=[dataclasses.replace(FIGURE.panels[0], series=[moved, OTHER])])
    assert draw(other, tmp_path / "c")[0].read_bytes() != first[0]


def test_drawing_again_replaces_the_files(tmp_path: Path) -> None:
    draw(dataclasses.replace(FIGURE, title="Before"), tmp_path)
    path = draw(FIGURE, tmp_path)[0]
    assert "Digits" in texts(path)
    assert b"Before" not in path.read_bytes()


def test_every_raw_point_is_drawn(tmp_path: Path) -> None:
    assert scattered(draw(FIGURE, tmp_path)[0]) == [len(POINTS), 2]


def test_equal_points_are_all_drawn(tmp_path: Path) -> None:
    series = dataclasses.replace(SERIES, points=[(20.0, 0.5)] * 5)
    assert scattered(draw(Figure("f", "", [Panel([series], "x", "y")]), tmp_path)[0]) == [5]


def test_words_are_in_the_figure(tmp_path: Path) -> None:
    words = texts(draw(FIGURE, tmp_path)[0])
    assert {"Digits", "a note", "labels", "accuracy", "Left", "bait", "random"} <= set(words)


def test_panels_stand_side_by_side(tmp_path: Path) -> None:
    panel = FIGURE.panels[0]
    path = draw(dataclasses.replace(FIGURE, panels=[panel, panel]), tmp_path)[0]
    assert scattered(path) == [len(POINTS), 2] * 2


def test_an_interval_that_does_not_exist_is_left_out(tmp_path: Path) -> None:
    series = dataclasses.replace(SERIES, low=[math.nan] * 3, high=[math.nan] * 3)
    path = draw(Figure("f", "", [Panel([series], "x", "y")]), tmp_path)[0]
    assert scattered(path) == [len(POINTS)]
    assert "nan" not in path.read_text().lower()


@pytest.mark.parametrize(("axis", "expected"), [("x_log", "2"), ("y_log", "10")])
def test_logarithmic_axes(tmp_path: Path, axis: str, expected: str) -> None:
    panel = dataclasses.replace(FIGURE.panels[0], **{axis: True})
    text = draw(dataclasses.replace(FIGURE, panels=[panel]), tmp_path)[0].read_text()
    assert f"{expected}^" in text


def test_no_figure_stays_open(tmp_path: Path) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    style = dict(pyplot.rcParams)
    draw(FIGURE, tmp_path)
    assert pyplot.get_fignums() == before
    assert dict(pyplot.rcParams) == style


def test_more_series_than_colours_are_drawn(tmp_path: Path) -> None:
    many = [dataclasses.replace(OTHER, label=f"arm {i}") for i in range(11)]
    assert scattered(draw(Figure("f", "", [Panel(many, "x", "y")]), tmp_path)[0]) == [2] * 11


def lines_of(svg: Path) -> list[str]:
    """The style of every line with more than an axis to it, in the order drawn."""
    groups = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    lines = [g for g in groups if re.fullmatch(r"line2d_\d+", g.get("id", ""))]
    paths = [path for g in lines for path in g.findall("{http://www.w3.org/2000/svg}path") if path.get("clip-path")]
    return [path.get("style", "") for path in paths if "#b0b0b0" not in path.get("style", "")]  # the grid is grey


def colours_of(svg: Path) -> list[str]:
    return [matches[1] for style in lines_of(svg) if (matches := re.search(r"stroke: (#\w+)", style))]


def drawn(tmp_path: Path, *series: Series, **more: Any) -> Path:
    return draw(Figure("f", "", [Panel(series, "x", "y", **more)]), tmp_path)[0]


def test_a_series_like_another_has_its_colour_and_takes_none(tmp_path: Path) -> None:
    shade = Series("", [20, 60], [0.4, 0.8], style="dashed", like="random")
    path = drawn(tmp_path, SERIES, shade, OTHER, dataclasses.replace(OTHER, label="third"))
    bait, dashed, random, third = colours_of(path)
    assert dashed == random
    assert len({bait, random, third}) == 3
    plain = drawn(tmp_path / "plain", SERIES, OTHER, dataclasses.replace(OTHER, label="third"))
    assert colours_of(plain) == [bait, random, third]


def test_what_it_is_like_must_be_in_the_panel(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="absent"):
        drawn(tmp_path, SERIES, dataclasses.replace(OTHER, like="absent"))


def test_a_series_without_a_label_is_not_in_the_legend(tmp_path: Path) -> None:
    alone = drawn(tmp_path, SERIES, dataclasses.replace(OTHER, label="", like="bait"))
    assert "legend_1" not in alone.read_text()
    both = drawn(tmp_path / "both", SERIES, OTHER, dataclasses.replace(OTHER, label="", like="bait"))
    assert texts(both, "legend_1") == ["bait", "random"]


def test_styles(tmp_path: Path) -> None:
    dashed = dataclasses.replace(OTHER, style="dashed")
    points = dataclasses.replace(SERIES, style="points")
    path = drawn(tmp_path, dashed, points)
    assert "stroke-dasharray" in lines_of(path)[0]
    assert "LineCollection_1" in path.read_text()  # the intervals, as bars
    assert "LineCollection_1" not in drawn(tmp_path / "band", SERIES, OTHER).read_text()


def test_a_dense_line_has_no_markers(tmp_path: Path) -> None:
    few, many = (Series("s", list(range(n)), [i % 7 for i in range(n)]) for n in (100, 101))
    count = [
        len(re.findall("<use ", drawn(tmp_path / name, s).read_text())) for name, s in {"a": few, "b": many}.items()
    ]
    assert count[0] - count[1] >= 90


def test_marks_are_lines_with_words(tmp_path: Path) -> None:
    path = drawn(tmp_path, SERIES, marks=[(50.0, "found 50"), (30.0, "expected 30")])
    assert {"found 50", "expected 30"} <= set(texts(path))
    assert len(lines_of(path)) == len(lines_of(drawn(tmp_path / "plain", SERIES))) + 2


def test_ticks_of_a_logarithmic_axis_are_plain_numbers(tmp_path: Path) -> None:
    words = texts(drawn(tmp_path, SERIES, OTHER, y_log=True, y_ticks=[0.4, 0.5, 0.8]))
    assert {"0.4", "0.5", "0.8"} <= set(words)
    assert not any("10^" in text for text in words)


def test_logarithmic_axes_of_seconds_have_plain_numbers(tmp_path: Path) -> None:
    line = Series("bait", [0.02, 0.3, 4.0], [0.1, 1.0, 30.0], points=[(0.02, 0.0)])
    panel = Panel([line], "seconds of training", "seconds a pass", x_log=True, y_log=True)
    words = texts(draw(Figure("f", "", [panel]), tmp_path)[0])
    assert {"0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "10", "20"} <= set(words)
    assert not any("^" in text for text in words)


def test_a_legend_aside_stands_once_after_the_last_panel(tmp_path: Path) -> None:
    panel = dataclasses.replace(FIGURE.panels[0])
    shade = Series("", [20, 60], [0.4, 0.8], style="dashed", like="random")
    first = dataclasses.replace(panel, series=[*panel.series, shade])
    text = draw(dataclasses.replace(FIGURE, panels=[first, panel]), tmp_path)[0].read_text()
    assert text.count('id="legend_') == 1
    assert text.index('id="legend_1"') > text.index('id="axes_2"')


def corners(svg: Path) -> list[list[tuple[float, float]]]:
    """The corners of every filled shape inside the axes, in the order drawn."""
    groups = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    lines = [g for g in groups if re.fullmatch(r"patch_\d+", g.get("id", ""))]
    paths = [path for g in lines for path in g.findall("{http://www.w3.org/2000/svg}path") if path.get("clip-path")]
    return [[(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", path.get("d", ""))] for path in paths]


MEASURED = Series("measured", [0, 1, 2], [3.0, 1.0, 2.0], style="bars")
PREDICTED = Series("predicted", [0, 1, 2], [2.0, math.nan, 4.0], style="bars")


def test_bars_stand_beside_each_other_and_a_missing_one_leaves_its_place(tmp_path: Path) -> None:
    shapes = corners(drawn(tmp_path, MEASURED, PREDICTED, x_names=["train", "embed", "forward"]))
    spans = sorted((min(x for x, _ in shape), max(x for x, _ in shape)) for shape in shapes)
    assert len(spans) == 5
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
    heights = [max(y for _, y in shape) - min(y for _, y in shape) for shape in shapes]
    assert heights[0] == pytest.approx(3 * heights[1], rel=1e-3)
    assert heights[3] == pytest.approx(heights[2], rel=1e-3)


def test_a_bar_has_its_interval_and_every_raw_point(tmp_path: Path) -> None:
    dots = [(0.0, 2.9), (0.0, 3.1), (1.0, 1.0)]
    bars = dataclasses.replace(MEASURED, low=[2.5, 0.5, 1.5], high=[3.5, 1.5, 2.5], points=dots)
    path = drawn(tmp_path, bars, PREDICTED)
    assert scattered(path) == [3]
    assert "LineCollection_1" in path.read_text()
    assert "nan" not in path.read_text().lower()


def test_categories_are_named(tmp_path: Path) -> None:
    names = ["train\n9.6 s", "embed", "forward"]
    words = texts(drawn(tmp_path, MEASURED, x_names=names))
    assert {"embed", "forward", "train", "9.6 s"} <= set(words)
    assert "0" not in words[:3]


def test_names_that_would_run_into_each_other_are_slanted(tmp_path: Path) -> None:
    def turned(name: str) -> bool:
        text = drawn(tmp_path / name, MEASURED, x_names=[name, "b", "c"]).read_text()
        return "rotate(-30" in text

    assert not turned("embed")
    assert turned("a name that is far too long")


def test_bands_are_shaded_and_named(tmp_path: Path) -> None:
    bands = [(0.0, 10.0, "data"), (10.0, 58.0, "train"), (58.0, 58.1, "mask"), (58.1, 60.0, "")]
    path = drawn(tmp_path, SERIES, bands=bands, title="Left")
    assert [text for text in texts(path) if text in ("data", "train", "mask", "")] == ["data", "train", "mask"]
    assert len(corners(path)) == len(bands)
    assert "Left" in texts(path)
    assert corners(drawn(tmp_path / "none", SERIES)) == []
    assert corners(drawn(tmp_path / "point", Series("s", [1], [1]), bands=[(1.0, 1.0, "a")])) == []


def test_bands_cut_nothing_off(tmp_path: Path) -> None:
    (band,) = corners(drawn(tmp_path, SERIES, bands=[(20.0, 40.0, "half")]))
    (whole,) = corners(drawn(tmp_path / "whole", SERIES, bands=[(20.0, 60.0, "all")]))
    assert max(x for x, _ in whole) - min(x for x, _ in whole) == pytest.approx(
        2 * (max(x for x, _ in band) - min(x for x, _ in band)), rel=1e-3
    )


def test_texts_of_short_bands_are_spread() -> None:
    places = _spread([0.0, 0.5, 0.501, 0.502, 0.99, 1.0])
    assert all(b - a > 0.0499 for a, b in itertools.pairwise(places))
    assert (min(places), max(places)) == (0.0, 1.0)
    assert places[2] == pytest.approx(0.501)  # the middle one stays, the others give way
    assert _spread([0.1, 0.3]) == [0.1, pytest.approx(0.3)]
    assert _spread([0.5]) == [0.5]
    assert _spread([]) == []
    many = _spread([0.5] * 40)
    assert (many[0], many[-1]) == (pytest.approx(0), pytest.approx(1))


@pytest.mark.parametrize(("count", "shape"), [(2, (1, 2)), (3, (2, 2)), (4, (2, 2)), (5, (3, 2))])
def test_panels_of_categories_stand_in_rows_of_two(tmp_path: Path, count: int, shape: tuple[int, int]) -> None:
    panel = Panel([MEASURED, PREDICTED], "", "GiB", x_names=["a", "b", "c"])
    figure = Figure("f", "", [panel] * count)
    assert _grid(figure) == shape
    assert len(corners(draw(figure, tmp_path)[0])) == 5 * count
    assert _grid(dataclasses.replace(figure, panels=[*figure.panels, FIGURE.panels[0]])) == (1, count + 1)


def test_places_are_diamonds_whose_interval_lies(tmp_path: Path) -> None:
    place = Series("", [30.0], [0.5], [25.0], [40.0], style="places", like="bait")
    path = drawn(tmp_path, SERIES, place)
    assert colours_of(path)[0] == colours_of(drawn(tmp_path / "plain", SERIES))[0]
    (bar,) = (
        g for g in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}g") if g.get("id") == "LineCollection_1"
    )
    matches = re.findall(r"[ML] (\S+) (\S+)", next(bar.iter("{http://www.w3.org/2000/svg}path")).get("d", ""))
    (left, one), (right, other) = [(float(x), float(y)) for x, y in matches]
    assert one == other
    assert left < right


def test_a_colour_of_the_palette_is_the_same_in_every_panel(tmp_path: Path) -> None:
    blue = dataclasses.replace(OTHER, colour=1)
    grey, second, _ = colours_of(drawn(tmp_path, SERIES, OTHER, dataclasses.replace(OTHER, label="c")))
    assert colours_of(drawn(tmp_path / "alone", blue)) == [second]
    assert colours_of(drawn(tmp_path / "after", blue, SERIES)) == [second, grey]
    assert colours_of(drawn(tmp_path / "more", dataclasses.replace(OTHER, colour=9))) == [second]  # the palette has 8


def test_a_logarithmic_axis_can_have_a_place_for_0(tmp_path: Path) -> None:
    series = Series("s", [0, 1, 2], [0.0, 0.1, 10.0])
    path = drawn(tmp_path, series, y_log=True, y_linear=0.1, y_ticks=[0, 0.1, 10], y_limits=(-0.02, 20))
    assert {"0", "0.1", "10"} <= set(texts(path))
    height = 324  # points
    assert [0 < y < height for y in markers(path)] == [True] * 3
    assert sorted(markers(path), reverse=True) == markers(path)
    assert markers(drawn(tmp_path / "log", series, y_log=True))[0] > height


def markers(svg: Path) -> list[float]:
    """How far from the top each marker of the lines stands."""
    groups = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    lines = [g for g in groups if g.get("clip-path") and not g.get("id")]
    return [float(use.get("y", "")) for g in lines for use in g.iter("{http://www.w3.org/2000/svg}use")]


def test_the_ends_of_an_axis_may_be_given(tmp_path: Path) -> None:
    wide = dataclasses.replace(SERIES, high=[9.0] * 3)
    words = texts(drawn(tmp_path, wide, y_limits=(0, 1)))
    assert "1.0" in words
    assert "8" not in words


def test_raw_points_may_stand_nearer(tmp_path: Path) -> None:
    other = dataclasses.replace(OTHER, points=[(20.0, 0.4)])
    series = dataclasses.replace(SERIES, points=[(20.0, 0.4)])

    def apart(path: Path) -> float:
        uses = re.findall(r'PathCollection_.*?<use [^>]*?x="([^"]+)"', path.read_text(), re.DOTALL)
        return float(uses[1]) - float(uses[0])

    near = apart(drawn(tmp_path, series, other, dodge=0.01))
    assert 0 < near < apart(drawn(tmp_path / "far", series, other)) / 5


def test_pairs_have_their_legend_in_the_place_left_over(tmp_path: Path) -> None:
    panel = dataclasses.replace(FIGURE.panels[0])
    figure = dataclasses.replace(FIGURE, panels=[panel] * 3, pairs=True)
    assert _grid(figure) == (2, 2)
    text = draw(figure, tmp_path)[0].read_text()
    assert text.count('id="legend_') == 1
    assert text.index('id="legend_1"') > text.index('id="axes_4"')
    assert _grid(dataclasses.replace(figure, panels=[panel] * 2)) == (1, 2)
    four = draw(dataclasses.replace(figure, panels=[panel] * 4), tmp_path)[0].read_text()
    assert four.count('id="legend_') == 1


def test_a_paper_gets_its_kind_and_width(tmp_path: Path) -> None:
    [pdf] = draw(FIGURE, tmp_path, figure_files("pdf", 3.3))
    assert pdf.read_bytes().startswith(b"%PDF")
    [narrow], [wide] = (
        draw(FIGURE, tmp_path / name, figure_files("svg", inches)) for name, inches in (("narrow", 3.3), ("wide", 9))
    )
    widths = [float(re.search(r'width="([\d.]+)pt"', path.read_text())[1]) for path in (narrow, wide)]  # type: ignore[index]
    assert widths == pytest.approx([3.3 * 72, 9 * 72], abs=0.1)


@pytest.mark.parametrize(
    ("kinds", "width", "message"),
    [
        ("gif", 0, "--figure-format 'gif': give one or more of svg, png, pdf"),
        ("", 0, "--figure-format '': give one"),
        ("png", 1.5, "--figure-width 1.5: give at least 2 inches, or 0 for as wide as needed"),
    ],
)
def test_what_no_figure_is(kinds: str, width: float, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        figure_files(kinds, width)


def test_intervals_of_many_lines_are_thin(tmp_path: Path) -> None:
    """Bands of four arms would mix to grey."""
    arms = [dataclasses.replace(SERIES, label=f"arm {i}", points=()) for i in range(4)]
    assert "FillBetweenPolyCollection_1" in drawn(tmp_path / "three", *arms[:3]).read_text()
    many = drawn(tmp_path / "four", *arms).read_text()
    assert "FillBetweenPolyCollection_1" not in many
    assert "LineCollection_4" in many


def test_many_raw_points_are_an_image(tmp_path: Path) -> None:
    points = [(float(i % 40), (i % 97) / 97) for i in range(5000)]
    path = drawn(tmp_path, dataclasses.replace(SERIES, points=points))
    assert path.stat().st_size < 300_000
    assert "<image" in path.read_text()


def test_a_share_ends_at_1(tmp_path: Path) -> None:
    wide = dataclasses.replace(SERIES, high=[0.9, 1.0, 1.3])
    assert "1.2" in texts(drawn(tmp_path / "open", wide))
    assert "1.2" not in texts(drawn(tmp_path / "closed", wide, y_most=1.0))


def test_ticks_reach_both_ends(tmp_path: Path) -> None:
    rounds = [float(r) for r in range(1, 31)]
    line = Series("s", rounds, rounds)
    assert {"1", "30"} <= set(texts(drawn(tmp_path, line, x_ticks=rounds)))
