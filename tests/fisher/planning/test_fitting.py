"""What fits and what does not: refused before anything is allocated, with what would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import fbench
from fbench.errors import InputError, TooLargeError, UsageError
from fbench.fisher.planning import fitting
from fbench.fisher.planning.fitting import (
    alternatives,
    check_devices,
    check_fits,
    check_plan,
    device_plans,
    largest_chunk,
    largest_pool,
)
from fbench.fisher.planning.plan import Shape, StepCounts, plan_selection, rechunked, replanned, shape_of, with_margin
from fbench.fisher.selection import information

GIB = 2**30
WIDE = Shape(n=1000, rows=99, dim=51_200, classes=100)  # 100 classes × 512 features
METHODS = ["incremental", "published", "fused", "factored", "diagonal"]
LAST_LAYER, DENSE = Shape(5000, 9, 800, 10), Shape(5000, 9, 800)


@pytest.mark.parametrize("method", METHODS)
def test_what_fits_with_the_margin_passes(method: str) -> None:
    plan = plan_selection(WIDE, method=method)
    check_fits(plan, plan.needed)
    check_fits(plan, None)
    assert plan.growth <= plan.needed - 1
    with pytest.raises(TooLargeError, match="15 % to spare"):  # though the growth alone would fit
        check_fits(plan, plan.needed - 1)
    with pytest.raises(TooLargeError, match="15 % to spare"):
        check_fits(plan, plan.growth)


def test_what_does_not_fit_says_why_and_what_would() -> None:
    plan = plan_selection(WIDE)
    match = (
        r"^the selection needs 51\.3 GiB beyond its inputs, 59 GiB with 15 % to spare, "
        r"and 16 GiB are free on cuda:1: 100 classes × 512 features give d = 51,200; "
        r"in backward, its dearest phase: d×d matrices F 9\.77 GiB \+ P and Q in float64 39\.1 GiB, "
        r"the picks in float64 .*, "
        r"G and H of every candidate .*\. What fits: pca:[0-9]+ \(features on [0-9]+ of 512 principal directions: "
        r"[0-9.]+ GiB\); binary \(right or wrong in place of classes, d = 512: .*\); diagonal \(.*\)\. "
        r"fbench select measures how they agree with the exact one where both fit$"
    )
    with pytest.raises(TooLargeError, match=match) as refused:
        check_fits(plan, 16 * GIB, "cuda:1")
    assert "\n" not in str(refused.value)
    assert "top2" not in str(refused.value)  # d stays, and d is what does not fit


def test_the_error_is_one_that_others_know() -> None:
    """As an input that cannot be, exit code 2; as a MemoryError, an out-of-memory row of a suite."""
    with pytest.raises(MemoryError) as refused:
        check_fits(plan_selection(WIDE), 1)
    assert isinstance(refused.value, InputError)
    assert isinstance(refused.value, UsageError)
    assert refused.value.exit_code == 2


def with_a_margin(size: int) -> float:
    """A byte is lost to rounding."""
    return 1.15 * size - 1


@pytest.mark.parametrize("free", [GIB, 16 * GIB, 40 * GIB])
@pytest.mark.parametrize("method", ["incremental", "fused", "factored"])
def test_the_largest_projection_is_the_largest_that_fits(method: str, free: int) -> None:
    plan = plan_selection(WIDE, method=method, counts=StepCounts(20, 10, 64))
    [projected] = [alternative for alternative in alternatives(plan, free) if alternative.name.startswith("pca:")]
    components = int(projected.name.removeprefix("pca:"))
    assert 0 < components < 511
    assert projected.plan.shape.dim == 100 * components
    assert projected.plan.sizes.chunk == 64
    one_more = replanned(projected.plan, shape=Shape(1000, 99, 100 * components + 100, 100))
    assert with_a_margin(projected.plan.total) <= free < 1.15 * one_more.total


def test_an_alternative_fits_with_the_margin_and_its_own_inputs() -> None:
    [binary] = [other for other in alternatives(plan_selection(WIDE), 60 * GIB) if other.name == "binary"]
    room = with_margin(binary.plan.total)
    assert room > with_margin(binary.plan.growth)
    assert "binary" in [other.name for other in alternatives(plan_selection(WIDE), room)]
    assert "binary" not in [other.name for other in alternatives(plan_selection(WIDE), room - 1)]


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        ("published", LAST_LAYER),
        ("published", DENSE),
        ("fused", LAST_LAYER),
        ("fused", DENSE),
        ("factored", Shape(5000, 29, 120, 30)),  # of a larger d the matrices take more than any chunk
    ],
)
def test_the_largest_chunk_is_the_largest_that_fits(method: str, shape: Shape) -> None:
    plan = plan_selection(shape, method=method, counts=StepCounts(20, 10, 7))
    least, most = rechunked(plan, 1).needed, rechunked(plan, 5000).needed
    assert least < most
    for free in (least, (2 * least + most) // 3, (least + 2 * most) // 3, most - 1):
        chunk = largest_chunk(plan, free)
        assert 1 <= chunk < 5000
        assert rechunked(plan, chunk).needed <= free < rechunked(plan, chunk + 1).needed
        assert largest_chunk(plan, free, chunk - 1 or 1) == (chunk - 1 or 1)
    assert largest_chunk(plan, least - 1) == 0
    assert largest_chunk(plan, most) == 5000
    assert largest_chunk(plan, most, 10**9) == 10**9  # one of more candidates than there are takes no more


@pytest.mark.parametrize(
    ("method", "shape"),
    [*((method, LAST_LAYER) for method in METHODS), *((method, DENSE) for method in METHODS if method != "factored")],
)
def test_the_largest_pool_is_the_largest_that_fits(method: str, shape: Shape) -> None:
    plan = plan_selection(shape, method=method, counts=StepCounts(20, 10, 7))

    def needed(n: int) -> int:
        return with_margin(replanned(plan, shape=replace(shape, n=n)).total)

    for free in (needed(1), needed(300), needed(5000), GIB // 2, 3 * GIB):
        n = largest_pool(plan, free)
        assert n >= 1
        assert needed(n) <= free < needed(n + 1)
    assert largest_pool(plan, needed(1) - 1) == 0
    assert largest_pool(plan, 3 * GIB, most=40) == 40


@pytest.mark.parametrize(
    ("shape", "how", "free", "names"),
    [
        (WIDE, {}, 200 * GIB, ["top2", "pca:511", "binary", "diagonal"]),
        (WIDE, {"dtype": "float64"}, 200 * GIB, ["float32", "top2", "pca:511", "binary", "diagonal"]),
        (WIDE, {"method": "diagonal"}, 200 * GIB, ["top2", "pca:511", "binary"]),
        (WIDE, {}, 75 * 2**20, ["binary", "diagonal"]),
        (WIDE, {}, 73 * 2**20, ["binary"]),  # the diagonals take 64.3 MiB, 74.0 with the margin
        (WIDE, {}, 2**20, []),
        (Shape(1000, 99, 51_200), {}, GIB * 60, ["diagonal"]),
        (Shape(1000, 1, 1024, 2), {}, GIB, ["pca:511", "binary", "diagonal"]),
        (Shape(1000, 1, 512, 1), {}, GIB, ["diagonal"]),
    ],
    ids=["all", "of float64", "of diagonals", "little", "less", "nothing", "dense", "two classes", "binary already"],
)
def test_alternatives(shape: Shape, how: dict[str, str], free: int, names: list[str]) -> None:
    assert [alternative.name for alternative in alternatives(plan_selection(shape, **how), free)] == names


def test_nothing_fits() -> None:
    with pytest.raises(TooLargeError, match=r"What fits: nothing; take a smaller pool$"):
        check_fits(plan_selection(WIDE), 2**20)


def test_a_dense_embedding_has_no_classes_to_speak_of() -> None:
    with pytest.raises(TooLargeError, match="free on cpu: d = 51,200; in backward, its dearest phase: d×d matrices F"):
        check_fits(plan_selection(Shape(1000, 99, 51_200)), GIB)


def test_devices_share_the_candidates_and_keep_their_own_matrices() -> None:
    plans = device_plans(Shape(1001, 3, 40, 4), torch.float32, "incremental", ["cuda:0", "cuda:1"])
    assert {device: plan.shape.n for device, plan in plans.items()} == {"cuda:0": 501, "cuda:1": 501}
    [(device, plan)] = device_plans(Shape(1001, 3, 40, 4), "float32", "incremental", ["cpu"] * 3).items()
    assert (device, plan.shape.n) == ("cpu", 1001)
    assert plan == plan_selection(Shape(1001, 3, 40, 4), shards=3, copied=True)
    counts = StepCounts(9, 4, 50)
    plans = device_plans(WIDE, "float64", "fused", ["cuda:0", "cuda:1", "cuda:0"], lambda d: d == "cuda:1", counts)
    assert {d: (p.shape.n, p.sizes.shards, bool(p.copied)) for d, p in plans.items()} == {
        "cuda:0": (667, 2, False),
        "cuda:1": (334, 1, True),
    }
    assert all((p.sizes.picks, p.sizes.removals, p.sizes.chunk) == (9, 4, 50) for p in plans.values())


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says how much every device has free."""
    return lambda size: monkeypatch.setattr(fitting, "free_bytes", lambda device: size)


def test_every_device_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "free_bytes", lambda device: {"cuda:0": 200 * GIB, "cuda:1": GIB}[device])
    with pytest.raises(TooLargeError, match="1 GiB are free on cuda:1"):
        check_devices(WIDE, "float32", "incremental", ["cuda:0", "cuda:1"])


def test_an_embedding_that_is_copied_counts_twice(free: Any) -> None:
    embedding = fbench.dense_embedding(torch.zeros(100, 2, 30))
    free(plan_selection(shape_of(embedding)).needed)
    check_plan(embedding, torch.float32, "incremental", [torch.device("cpu")])
    with pytest.raises(TooLargeError, match="the embedding in float64"):
        check_plan(embedding, torch.float64, "incremental", [torch.device("cpu")])


@pytest.mark.parametrize("method", METHODS)
def test_a_selection_is_refused_before_it_begins(free: Any, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(information, "pool_fisher", lambda V: pytest.fail("it began"))
    embedding = fbench.last_layer_embedding(torch.randn(100, 3), torch.randn(100, 10))
    free(1000)
    match = r"needs .* beyond its inputs, .* to spare, and 1000 B are free on cpu: 3 classes × 10 features give d = 30"
    with pytest.raises(TooLargeError, match=match):
        fbench.bait_select(embedding, 3, labelled=[], method=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_selection_that_would_just_fit_is_refused_and_one_with_the_margin_is_not(free: Any, method: str) -> None:
    embedding = fbench.last_layer_embedding(torch.randn(200, 3), torch.randn(200, 10))
    plan = plan_selection(shape_of(embedding), method=method, counts=StepCounts(6, 3, 32, labelled=0))
    how: dict[str, Any] = {"labelled": [], "method": method, "chunk_size": 32}
    for size in (plan.growth, plan.needed - 1):
        free(size)
        with pytest.raises(TooLargeError, match="15 % to spare"):
            fbench.bait_select(embedding, 3, **how)
    free(plan.needed)
    fbench.bait_select(embedding, 3, **how)


@pytest.mark.parametrize("method", ["published", "fused"])
def test_a_smaller_chunk_may_fit_where_a_larger_does_not(free: Any, method: str) -> None:
    embedding = fbench.last_layer_embedding(torch.randn(2000, 5), torch.randn(2000, 8))
    plan = plan_selection(shape_of(embedding), method=method, counts=StepCounts(2, 1, 2000))
    free(rechunked(plan, 400).needed)
    assert largest_chunk(plan, rechunked(plan, 400).needed) == 400
    with pytest.raises(TooLargeError, match="two products of a chunk"):
        fbench.bait_select(embedding, 1, labelled=[], method=method, chunk_size=2000)
    fbench.bait_select(embedding, 1, labelled=[], method=method, chunk_size=400)


def test_few_classes_say_how_many_weights_suffice() -> None:
    plan = plan_selection(Shape(1000, 9, 5120, 10))
    with pytest.raises(TooLargeError, match=r"10 classes × 512 features give d = 5,120, of which 4,608 suffice; in "):
        check_fits(plan, 1000)
