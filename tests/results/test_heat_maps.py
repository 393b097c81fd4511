"""Heat maps: a cell for every number, none for a gap, and 0 told from both."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from svg import texts

from fbench.harness.contract import Figure, Heat, Panel, Series
from fbench.results.figures import draw
from fbench.results.heat_maps import _edges

SVG = "{http://www.w3.org/2000/svg}"
HEAT = Heat([0.0, 0.2, 1.0], [0, 1], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "kept, in %")
GREY = "#c8c8c8"


def drawn(tmp_path: Path, heat: Heat, **more) -> Path:
    return draw(Figure("f", "", [Panel((), "depth", "round", heat=heat, **more)]), tmp_path)[0]


def cells(svg: Path) -> list[str]:
    """The colour of every cell in the order drawn."""
    (mesh,) = (g for g in ElementTree.parse(svg).iter(f"{SVG}g") if g.get("id") == "QuadMesh_1")
    styles = [path.get("style", "") for path in mesh.iter(f"{SVG}path")]
    return [matches[1] for style in styles if (matches := re.search(r"fill: (#\w+)", style))]


def test_every_number_has_a_colour_and_the_bar_its_texts(tmp_path):
    path = drawn(tmp_path, HEAT)
    assert len(set(cells(path))) == 6
    assert "kept, in %" in texts(path)
    assert "hatch" not in path.read_text()


def test_larger_is_lighter(tmp_path):
    """Luminance rises with the number: the map is told apart without hue, by anyone and on paper."""
    values = np.linspace(1, 9, 9)
    shades = cells(drawn(tmp_path, Heat(range(9), [0], [values.tolist()], "")))
    light = [np.dot([0.299, 0.587, 0.114], [int(shade[i : i + 2], 16) for i in (1, 3, 5)]) for shade in shades]
    assert np.all(np.diff(light) > 5)


def test_a_gap_is_hatched_and_never_the_colour_of_0(tmp_path):
    gaps = Heat([0, 1, 2], [0], [[0.0, math.nan, 1.0]], "")
    path = drawn(tmp_path, gaps)
    assert len(cells(path)) == 2
    assert "pattern" in path.read_text()
    assert "nan" not in path.read_text()


def test_logarithmic_colours_spread_over_decades(tmp_path):
    values = [[0.01, 0.1, 1.0, 10.0]]
    linear = cells(drawn(tmp_path / "linear", Heat(range(4), [0], values, "")))
    assert linear == cells(drawn(tmp_path / "again", Heat(range(4), [0], values, "", log=False)))
    path = drawn(tmp_path / "log", Heat(range(4), [0], values, "", log=True))
    even = drawn(tmp_path / "even", Heat(range(4), [0], [[0.0, 1.0, 2.0, 3.0]], ""))
    assert cells(path) == cells(even)
    assert {"0.01", "0.1", "1", "10"} <= set(texts(path))
    assert "(grey: 0)" not in " ".join(texts(path))


def test_on_logarithmic_colours_0_is_grey_and_said_to_be(tmp_path):
    path = drawn(tmp_path, Heat(range(4), [0], [[0.0, 0.1, math.nan, 10.0]], "kept", log=True))
    shades = cells(path)
    assert (len(shades), shades[0]) == (3, GREY)
    assert GREY not in shades[1:]
    assert "kept (grey: 0)" in texts(path)


def test_colours_begin_at_0_so_that_rounding_is_not_a_difference(tmp_path):
    first, second, *_ = cells(drawn(tmp_path, Heat(range(3), [0], [[4.999, 5.001, 5.0]], "")))
    assert abs(int(first[1:3], 16) - int(second[1:3], 16)) <= 2
    assert "−2" in " ".join(texts(drawn(tmp_path / "below", Heat(range(2), [0], [[-2.0, 1.0]], ""))))


@pytest.mark.parametrize("log", [False, True])
def test_equal_numbers_and_zeros_alone_are_drawn(tmp_path, log):
    for name, value in {"zero": 0.0, "one": 1.0}.items():
        assert len(set(cells(drawn(tmp_path / name, Heat([0, 1], [0], [[value, value]], "", log=log))))) == 1


def test_without_numbers_it_says_so(tmp_path):
    path = drawn(tmp_path, Heat([0, 1], [0], [[math.nan, math.nan]], "kept"))
    assert "no values" in texts(path)
    assert "QuadMesh" not in path.read_text()


def test_cells_reach_half_way_to_their_neighbours():
    assert _edges([0.0, 0.2, 1.0]).tolist() == pytest.approx([-0.1, 0.1, 0.6, 1.4])
    assert _edges([3.0]).tolist() == [2.5, 3.5]


def test_ticks_and_names_of_both_axes(tmp_path):
    numbers = texts(drawn(tmp_path / "numbers", HEAT, x_ticks=[0.0, 0.2], y_ticks=[0, 1]))
    assert numbers[:2] == ["0", "0.2"]
    named = texts(drawn(tmp_path / "names", Heat(range(2), range(2), [[1, 2], [3, 4]], ""),
                        x_names=["conv", "fc"], y_names=["global", "layer"]))  # fmt: skip
    assert {"conv", "fc", "global", "layer"} <= set(named)


def test_series_lie_over_it(tmp_path):
    line = Series("fall", [0.0, 1.0], [0, 1])
    text = draw(Figure("f", "", [Panel([line], "", "", heat=HEAT)]), tmp_path)[0].read_text()
    assert text.index("QuadMesh_1") < text.index("#4d4d4d")


def test_equal_heat_maps_give_equal_bytes(tmp_path):
    gaps = Heat([0, 1, 2], [0], [[0.5, math.nan, 1.0]], "", log=True)
    first, again = (drawn(tmp_path / name, gaps).read_bytes() for name in "ab")
    assert first == again
