"""The formulas that the evidence shows are those of the predictions, to the terms that they leave out."""

from __future__ import annotations

import math

import pytest
from memory_rows import rounds_of, tables
from memory_sizes import sizes

from fbench.fisher.planning.plan import ITEMSIZE
from fbench.harness import registry
from fbench.suites.memory.formulas import BOTH, FORWARD, MASKED
from fbench.suites.memory.network import parameters_bytes, weight_count
from fbench.suites.memory.predictions import predicted
from fbench.suites.memory.spec import Spec
from fbench.suites.memory.summary import summary

LARGE = {"n": 3000, "k": 10, "d": 640, "h": 64, "chunk_size": 1000, "labelled": 100}


def letters(spec: Spec) -> dict[str, float]:
    """What the letters of the formulas stand for."""
    b, x = ITEMSIZE[spec.dtype], math.prod(spec.network.input_shape)
    p, r = weight_count(spec.network), spec.shape.rows
    known = {"n": spec.n, "k": spec.k if spec.shape.classes else 0, "h": spec.h, "d": spec.d, "b": b, "x": x, "r": r}
    D = 4 * x * spec.n + 8 * spec.n
    N = parameters_bytes(spec.network)
    V = b * spec.n * (r * spec.k + spec.h) if spec.shape.classes else b * spec.n * r * spec.d
    mask = p if spec.method.masked else 0
    return {
        **known,
        "p": p,
        "c": min(spec.chunk_size, spec.n),
        "D": D,
        "N": N,
        "I": D + N + V + mask,
        "T": min(512, spec.d),
        "max": max,
    }


def value(formula: str, spec: Spec) -> float:
    return eval(formula.split(" = ")[-1].replace("·", "*").replace("²", "**2").replace("−", "-"), {}, letters(spec))


def test_what_is_exact():
    spec = sizes("incremental:mask", **LARGE)
    assert value(BOTH["data"], spec) == predicted(spec)["data"]
    assert value(MASKED["mask"], spec) == predicted(spec)["mask"]


OF_FLOAT32 = [("incremental", "float32"), ("incremental:mask", "float32")]
OF_BOTH = [(method, dtype) for method in (*FORWARD, "published:mask") for dtype in ITEMSIZE if method != "incremental"]


@pytest.mark.parametrize(("method", "dtype"), [*OF_FLOAT32, *OF_BOTH])
def test_the_terms_that_decide(method, dtype):
    spec = sizes(method, **LARGE, dtype=dtype)
    left_out = 0.15 if method.startswith("incremental") else 0.03
    formula = FORWARD[spec.method.engine]
    assert value(formula, spec) == pytest.approx(predicted(spec)["forward"], rel=left_out)


def test_a_run_shows_those_of_its_methods():
    rows = [
        *rounds_of("published", {"forward": [20]}, {"forward": 19}),
        *rounds_of("incremental:mask", {"forward": [9]}, {"forward": 9}),
    ]
    shown = summary(tables(rows), registry.SUITES.get("memory").typed())
    (table,) = (table for table in shown.all_tables if table.title == "What a prediction counts")
    names = [row[0] for row in table.rows]
    assert names[:5] == ["data", "train", "diagonal", "mask", "embed"]
    assert names[5:] == ["embed of a mask", "fisher", "forward, published", "forward, incremental"]
    bare = summary(tables(rounds_of("bait", {"forward": [20]})), registry.SUITES.get("memory").typed())
    assert "What a prediction counts" not in [table.title for table in bare.all_tables]
