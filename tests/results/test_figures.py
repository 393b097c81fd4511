"""Figures: files that are written, equal for equal figures, with every raw point in them."""

from __future__ import annotations

import dataclasses
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from fbench.contract import Figure, Panel, Series
from fbench.results.figures import draw

POINTS = [(20.0, 0.4), (20.0, 0.5), (40.0, 0.6), (40.0, 0.7), (60.0, 0.7), (60.0, 0.8)]
SERIES = Series("bait", [20, 40, 60], [0.45, 0.65, 0.75], [0.3, 0.5, 0.6], [0.6, 0.8, 0.9], POINTS)
OTHER = Series("random", [20, 40, 60], [0.4, 0.5, 0.6], points=POINTS[:2])
FIGURE = Figure("curves", "Digits", [Panel([SERIES, OTHER], "labels", "accuracy", "Left")], "a note")


def scattered(svg: Path) -> list[int]:
    """Dots of every scatter in the order drawn."""
    groups = ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}g")
    found = [g for g in groups if g.get("id", "").startswith("PathCollection")]
    return [len(list(g.iter("{http://www.w3.org/2000/svg}use"))) for g in found]


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
    assert b"<!-- Digits -->" in path.read_bytes()
    assert b"Before" not in path.read_bytes()


def test_every_raw_point_is_drawn(tmp_path: Path) -> None:
    assert scattered(draw(FIGURE, tmp_path)[0]) == [len(POINTS), 2]


def test_equal_points_are_all_drawn(tmp_path: Path) -> None:
    series = dataclasses.replace(SERIES, points=[(20.0, 0.5)] * 5)
    assert scattered(draw(Figure("f", "", [Panel([series], "x", "y")]), tmp_path)[0]) == [5]


def test_words_are_in_the_figure(tmp_path: Path) -> None:
    text = draw(FIGURE, tmp_path)[0].read_text()
    said = re.findall(r"<!-- (.*?) -->", text)
    assert {"Digits", "a note", "labels", "accuracy", "Left", "bait", "random"} <= set(said)


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
