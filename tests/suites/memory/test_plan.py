"""What ``fbench memory`` measures: methods, images and budgets as typed, the grid of cases, and what cannot be."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys

import cases
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import ForeignError, SweepError, UnknownNameError, UsageError
from fbench.fisher.planning.shapes import Shape
from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.harness.registry import Model
from fbench.suites.memory import plan
from fbench.suites.memory.options import Options, Point, check_model, parse_image, parse_methods
from fbench.suites.memory.plan import points, resolve, spec_of, why_impossible
from fbench.suites.memory.spec import ENGINES, ROUND_PHASES, RoundMethod, parse_round_method

CHANGED = {
    "methods": ("incremental", "fused", "incremental:mask"),
    "candidates": (200,),
    "classes": (4,),
    "batch": (4,),
    "chunk_size": (16, 64),
    "features": 8,
    "image": (1, 8),
    "labelled": 20,
    "train_batch": 8,
    "fisher_samples": 16,
    "rounds": 2,
}


def options(**more) -> Options:
    return registry.SUITES.get("memory").restored({**CHANGED, **more})


def point(**more) -> Point:
    sizes = {"method": "fused", "dtype": "float32", "candidates": 200, "classes": 4, "dim": 32, "batch": 4}
    return Point(**{**sizes, "chunk_size": 16, **more})


# As typed


@pytest.mark.parametrize("engine", ENGINES)
def test_a_method_and_its_mask(engine):
    assert parse_round_method(engine) == RoundMethod(engine, masked=False)
    if engine != "factored":
        assert parse_round_method(f"{engine}:mask") == RoundMethod(engine, masked=True)
    assert parse_round_method(engine).chunked is (engine in ("published", "fused", "factored"))


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("fusd", "unknown method 'fusd'; did you mean 'fused'?"),
        ("fused:msk", "unknown method 'fused:msk'; did you mean 'fused:mask'?"),
        ("fused:", "unknown method 'fused:'; did you mean 'fused'?"),
        (":mask", "unknown method ':mask'"),
        ("Fused", "unknown method 'Fused'; did you mean 'fused'?"),
        ("fused:mask:mask", "unknown method 'fused:mask:mask'"),
        ("", "unknown method ''"),
    ],
)
def test_another_method_names_the_nearest(text, begin):
    with pytest.raises(UnknownNameError) as raised:
        parse_round_method(text)
    assert str(raised.value).startswith(begin)
    assert "Known: diagonal, diagonal:mask, factored, fused, fused:mask, " in str(raised.value)


def test_a_mask_has_no_factors():
    with pytest.raises(UsageError, match="--methods factored:mask: a mask's weights have no factors; take fused:mask"):
        parse_round_method("factored:mask")


def test_a_list_of_methods():
    assert parse_methods("fused, fused:mask") == ("fused", "fused:mask")
    with pytest.raises(SweepError, match="method 'fused' stands twice"):
        parse_methods("fused,fused")
    with pytest.raises(SweepError, match="a method is missing here"):
        parse_methods("fused,")
    with pytest.raises(UnknownNameError, match="'fusd'"):
        parse_methods("fused,fusd")


@given(c=st.integers(1, 9999), size=st.integers(1, 9999))
@cases.randomised(100)
def test_an_image_is_channels_and_a_side(c, size):
    assert parse_image(f"{c}x{size}") == parse_image(f" {c}X{size}x{size} ") == (c, size)


@given(c=st.integers(0, 20), a=st.integers(0, 20), b=st.integers(0, 20))
@cases.randomised(100)
def test_another_rectangle_is_refused(c, a, b):
    text = f"{c}x{a}x{b}"
    if c and a and a == b:
        assert parse_image(text) == (c, a)
    else:
        with pytest.raises(UsageError, match=f"--image {text}: must be channels × a square's side, as 3x32x32"):
            parse_image(text)


@given(st.text(alphabet="0123x× -.k", max_size=9))
@cases.randomised(200)
def test_any_other_image_is_one_line(text):
    with contextlib.suppress(UsageError):
        assert min(parse_image(text)) >= 1


@pytest.mark.parametrize("text", ["", "3", "3x", "x32", "3x32x31", "3x32x32x32", "0x8", "3x08", "3x10000", "-3x8"])
def test_images_that_are_none(text):
    with pytest.raises(UsageError, match="must be channels"):
        parse_image(text)


def test_models():
    assert check_model("auto") == "auto"
    assert check_model("small") == "small"
    with pytest.raises(UnknownNameError, match="unknown model 'smal'; did you mean 'small'"):
        check_model("smal")


def test_planning_of_a_last_layer_needs_no_torch():
    code = """
import sys
from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.harness.registry import Model
from fbench.suites.memory.plan import points, resolve
options = registry.SUITES.get("memory").typed(methods="incremental,fused")
assert points(resolve(options, Context()))
registry.SUITES.get("memory").typed(methods="published,fused:mask")
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The grid


def test_chunks_are_of_the_methods_that_have_them():
    grid = points(options())
    assert [(case.method, case.chunk_size) for case in grid] == [
        ("incremental", None),
        ("fused", 16),
        ("fused", 64),
        ("incremental:mask", None),
    ]
    assert {case.dim for case in grid} == {4 * 8}


def test_every_size_with_every_other():
    sizes = {"candidates": (100, 200), "classes": (3, 4), "dim": (24, 36), "batch": (2, 4)}
    grid = points(options(**sizes, dtype=("float32", "float64")))
    assert len(grid) == len(set(grid)) == 2**5 * (1 + 2 + 1)
    assert points(options(classes=(3, 4), methods=("diagonal",)))[1].dim == 4 * 8


def test_a_case_to_sizes():
    spec = spec_of(point(dim=40), options())
    assert (spec.n, spec.k, spec.d, spec.h, spec.batch, spec.chunk_size) == (200, 4, 40, 10, 4, 16)
    assert (spec.counts.picks, spec.counts.removals, spec.counts.chunk_size) == (8, 4, 16)
    assert spec_of(point(method="fused:mask", dim=40), options()).h == 8  # the mask's size is not the layer's
    assert spec_of(point(dim=64), options(model="small", features=16)).h == 16
    assert spec_of(point(method="incremental", chunk_size=None), options()).chunk_size == 1


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("incremental", Shape(200, 3, 32, 4)),
        ("factored", Shape(200, 3, 32, 4)),
        ("diagonal", Shape(200, 3, 32, 4)),
        ("fused", Shape(200, 3, 32)),
        ("published", Shape(200, 4, 32)),
        ("incremental:mask", Shape(200, 3, 32)),
        ("published:mask", Shape(200, 3, 32)),
    ],
)
def test_the_embedding_that_a_selection_gets(method, shape):
    assert spec_of(point(method=method), options()).shape == shape


# What cannot be


@pytest.mark.parametrize(
    ("changed", "more", "reason"),
    [
        ({"classes": 1}, {}, "classes 1: a classifier needs 2 at least"),
        ({"dim": 33}, {}, "dim 33 is not a multiple of classes 4: d of the last layer is classes × features"),
        (
            {"dim": 32},
            {"model": "small", "features": 16},
            "dim 32: the last layer of small has 4 classes × 16 features = 64 weights; leave --dim out",
        ),
        ({"candidates": 10}, {}, "--labelled 20 are more than the --candidates 10, which they are among"),
        ({"candidates": 20}, {}, "--batch 4 is more than the 0 that --labelled 20 leaves of --candidates 20"),
        ({"batch": 181}, {}, "--batch 181 is more than the 180 that --labelled 20 leaves of --candidates 200"),
        (
            {"method": "fused:mask", "dim": 1_000_000},
            {},
            "dim 1000000: the network has 2,915 weights, and a mask has no more; give a smaller --dim",
        ),
    ],
)
def test_a_case_that_cannot_be_says_why(changed, more, reason):
    assert why_impossible(point(**changed), options(**more)) == reason


def test_cases_that_can_be():
    assert why_impossible(point(), options()) == ""
    assert why_impossible(point(candidates=24), options()) == ""
    assert why_impossible(point(method="fused:mask", dim=33), options()) == ""
    assert why_impossible(point(method="fused:mask", dim=2915), options()) == ""
    assert why_impossible(point(method="fused:mask", dim=2916), options()) != ""
    assert why_impossible(point(dim=64), options(model="small", features=16)) == ""


@pytest.mark.parametrize(("device", "n"), [("cpu", 1000), ("cuda:0", 50_000)])
def test_an_automatic_pool_suits_the_device(device, n):
    resolved = resolve(options(candidates=(), features=0), Context(devices=(device,)))
    assert (resolved.candidates, resolved.features) == ((n,), 128)


def test_what_is_chosen_is_left_as_it_is():
    chosen = options()
    assert resolve(chosen, Context()) == chosen


def test_features_are_those_of_the_model():
    assert resolve(options(model="small", features=0), Context()).features == 16
    assert resolve(options(model="small", features=16), Context()).features == 16
    with pytest.raises(UsageError, match="--features 9: the last layer of --model small has 16; leave it out"):
        resolve(options(model="small", features=9), Context())


def test_a_case_that_can_be_is_enough():
    resolve(options(dim=(33, 32), methods=("fused",)), Context())
    with pytest.raises(UsageError, match=r"^nothing can be measured: dim 33 is not a multiple of classes 4"):
        resolve(options(dim=(33, 34), methods=("fused",)), Context())


# Plans


def test_a_plan_has_every_phase_in_order():
    cells = plan.predict(point(method="incremental:mask"), options(), Context())
    assert tuple(cells)[: len(ROUND_PHASES)] == ROUND_PHASES
    assert all(cells[phase] for phase in ROUND_PHASES)
    last_layer = plan.predict(point(), options(), Context())
    assert tuple(last_layer) == tuple(cells)
    assert [phase for phase in ROUND_PHASES if not last_layer[phase]] == ["diagonal", "mask"]
    assert last_layer["largest chunk"] == "200"
    assert (cells["largest chunk"], cells["note"], last_layer["note"]) == ("", "", "")


def test_a_plan_says_what_does_not_fit():
    cells = plan.predict(point(), options(memory_budget=1000), Context())
    assert cells["note"].endswith("and 15 % to spare; 1000 B are to be had")
    assert (cells["budget"], cells["largest chunk"], cells["largest pool"]) == ("1000 B", "0", "0")
    assert plan.predict(point(dim=33), options(), Context()) == {"note": why_impossible(point(dim=33), options())}


def test_a_plan_is_of_the_devices():
    one, two = (
        plan.predict(point(dim=320), options(features=80), Context(devices=("cpu",) * count)) for count in (1, 2)
    )
    assert one["embed"] == two["embed"]
    assert one["forward"] != two["forward"]


@given(
    n=st.integers(1, 40),
    k=st.integers(1, 5),
    d=st.integers(1, 60),
    batch=st.integers(1, 30),
    labelled=st.integers(2, 30),
    method=st.sampled_from(["incremental", "published", "fused", "factored", "diagonal"]),
)
@cases.randomised(150)
def test_what_is_called_fit_has_sizes_that_are(n, k, d, batch, labelled, method):
    case = point(method=method, candidates=n, classes=k, dim=d, batch=batch)
    if why_impossible(case, options(labelled=labelled)):
        more = {"candidates": (n,), "classes": (k,), "dim": (d,), "batch": (batch,)}
        with pytest.raises(UsageError, match="nothing can be measured"):
            resolve(options(methods=(method,), labelled=labelled, **more), Context())
        return
    spec = spec_of(case, options(labelled=labelled))
    assert spec.d == spec.k * spec.h
    assert spec.batch <= spec.counts.picks <= spec.n - spec.labelled
    assert spec.counts.removals == spec.counts.picks - spec.batch
    assert spec.shape.numbers > 0


# Somebody's model


def test_a_model_that_no_round_could_train_is_refused_before_there_is_a_folder(registries):
    def build(replicas, shape, classes):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), 3))

    registries["models"].add(Model("narrow", "of a test", build))
    with pytest.raises(ForeignError, match=r"test_plan\.py.*'narrow' gives shape \[4, 3\]"):
        resolve(options(model="narrow", features=0), Context())


def test_a_model_whose_numbers_mean_something_else_is_warned_of(registries):
    def build(replicas, shape, classes):
        norm = torch.nn.BatchNorm2d(shape[0], track_running_stats=False)
        return torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(math.prod(shape), classes))

    registries["models"].add(Model("mixing", "of a test", build))
    with pytest.warns(UserWarning, match="mixes the images of a batch"):
        resolve(options(model="mixing", features=0), Context())
