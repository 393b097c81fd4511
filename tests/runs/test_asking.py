"""Python's values are the text that would be typed for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbench.cli import parameters
from fbench.errors import UnknownNameError, UsageError
from fbench.harness.registry import SUITES
from fbench.runs.asking import RUN_OPTIONS, as_typed


def compare(**values):
    return as_typed(SUITES.get("compare"), values)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("strategies", ["random", "bait"], "random,bait"),
        ("strategies", ("random",), "random"),
        ("strategies", "random,bait", "random,bait"),
        ("seeds", 4, "4"),
        ("seeds", range(8, 16), "8..15"),
        ("seeds", [range(0, 2), range(4, 6)], "0..1,4..5"),
        ("rounds", 3, "3"),
        ("rounds", 3.0, "3"),
        ("learning_rate", 0.02, "0.02"),
        ("learning_rate", 1e-7, "1e-07"),
        ("data_dir", Path("a/b"), "a/b"),
        ("download", True, True),
        ("out", Path("x"), "x"),
        ("jobs", 2, "2"),
        ("rounds", None, 10),
    ],
)
def test_a_value_as_text(name, value, text):
    assert compare(**{name: value})[name] == text


def test_a_sweep_of_a_range_has_all_its_values():
    assert as_typed(SUITES.get("select"), {"candidates": range(10, 13)})["candidates"] == "10,11,12"


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    assert compare(rounds=np.int64(3), learning_rate=np.float64(0.5))["rounds"] == "3"


def test_what_is_not_asked_is_at_its_default():
    typed = compare()
    assert {name: default for name, (_, default, _) in RUN_OPTIONS.items()}.items() <= typed.items()
    assert typed["seeds"] == "8"


def test_the_command_line_has_the_same_ways_to_run():
    assert parameters.RUN_OPTIONS is RUN_OPTIONS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"download": "yes"}, "download='yes': must be True or False"),
        ({"fresh": 1}, "fresh=1: must be True or False"),
        ({"rounds": True}, "rounds=True: must be a number"),
        ({"strategies": False}, "strategies=False: must be a text"),
        ({"rounds": {}}, r"rounds=\{\}: must be a number, a text, or a list of these"),
        ({"seeds": [None]}, "seeds=None: must be a number, a text"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: must be a number, a text"),
        ({"learning_rate": float("inf")}, "learning_rate=inf: must be a number, a text"),
    ],
)
def test_a_value_that_cannot_be_typed(values, expected):
    with pytest.raises(UsageError, match=expected):
        compare(**values)


@pytest.mark.parametrize("name", ["dry_run", "later", "seed", "nonsense"])
def test_an_option_that_is_none(name):
    hint = "; did you mean 'seeds'" if name == "seed" else ""
    with pytest.raises(UnknownNameError, match=f"unknown option of fbench compare '{name}'{hint}"):
        compare(**{name: 1})
