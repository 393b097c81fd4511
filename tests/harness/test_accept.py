"""Values of rows against the types of their columns; tests/faults/test_foreign.py has what is said of a wrong one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fbench.harness.accept import cell_value
from fbench.harness.contract import Column


@pytest.mark.parametrize(
    ("kind", "value", "plain"),
    [
        ("int", 3, 3),
        ("int", 3.0, 3),
        ("int", np.int32(3), 3),
        ("int", np.float64(3), 3),
        ("int", torch.tensor(3), 3),
        ("int", 10**30, 10**30),
        ("float", 3, 3),
        ("float", np.float32(0.5), 0.5),
        ("float", np.array(0.5), 0.5),
        ("float", math.inf, math.inf),
        ("bool", np.bool_(True), True),
        ("str", 'é, "x"\n', 'é, "x"\n'),
        ("str", 3, "3"),
        *((kind, None, None) for kind in ("int", "float", "bool", "str")),
        *((kind, missing, None) for kind in ("int", "float") for missing in (math.nan, np.float32("nan"))),
    ],
)
def test_a_value_is_made_plain(kind, value, plain):
    made = cell_value(value, Column("x", kind, "", ""))
    assert (made, type(made)) == (plain, type(plain))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("int", value) for value in ("3", 3.5, math.inf, True, [3], np.array([3]), 3j)),
        *(("float", value) for value in ("0.5", True, [0.5], 10**400, 3j, torch.ones(2))),
        *(("bool", value) for value in (1, "true", 0.0)),
        *(("str", value) for value in ([], {}, b"x", object(), "\ud800")),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value):
    with pytest.raises((TypeError, ValueError, OverflowError)):
        cell_value(value, Column("x", kind, "", ""))
