"""What fits and what does not: refused before anything is allocated, with what would."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import fbench
from fbench.errors import InputError, TooLargeError, UsageError
from fbench.fisher import fitting
from fbench.fisher.fitting import alternatives, check_devices, check_fits, check_plan, device_plans
from fbench.fisher.plan import Shape, plan_selection, shape_of

GIB = 2**30
WIDE = Shape(n=1000, rows=99, dim=51_200, classes=100)  # 100 classes × 512 features
METHODS = ["incremental", "published", "diagonal"]


def test_what_fits_passes() -> None:
    plan = plan_selection(WIDE)
    check_fits(plan, plan.growth)
    check_fits(plan, None)


def test_what_does_not_fit_says_why_and_what_would() -> None:
    plan = plan_selection(WIDE)
    match = (
        r"^the selection needs [0-9.]+ GiB beyond its inputs and 16 GiB are free on cuda:1: "
        r"100 classes × 512 features give d = 51,200; d×d matrices F 9\.77 GiB \+ P and Q in float64 39\.1 GiB \+ .*, "
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


def test_the_largest_projection_is_the_largest_that_fits() -> None:
    free = 16 * GIB
    [found] = [each for each in alternatives(plan_selection(WIDE), free) if each.name.startswith("pca:")]
    components = int(found.name.removeprefix("pca:"))
    assert found.plan.shape.dim == 100 * components
    one_more = fitting.replan(found.plan, Shape(1000, 99, 100 * components + 100, 100))
    assert found.plan.total <= 0.9 * free < one_more.total


@pytest.mark.parametrize(
    ("shape", "how", "free", "names"),
    [
        (WIDE, {}, 200 * GIB, ["top2", "pca:511", "binary", "diagonal"]),
        (WIDE, {"dtype": "float64"}, 200 * GIB, ["float32", "top2", "pca:511", "binary", "diagonal"]),
        (WIDE, {"method": "diagonal"}, 200 * GIB, ["top2", "pca:511", "binary"]),
        (WIDE, {}, 60 * 2**20, ["binary"]),
        (WIDE, {}, 2**20, []),
        (Shape(1000, 99, 51_200), {}, GIB * 60, ["diagonal"]),
        (Shape(1000, 1, 1024, 2), {}, GIB, ["pca:511", "binary", "diagonal"]),
        (Shape(1000, 1, 512, 1), {}, GIB, ["diagonal"]),
    ],
    ids=["all", "of float64", "of diagonals", "little", "nothing", "dense", "two classes", "binary already"],
)
def test_alternatives(shape: Shape, how: dict[str, str], free: int, names: list[str]) -> None:
    assert [each.name for each in alternatives(plan_selection(shape, **how), free)] == names


def test_nothing_fits() -> None:
    with pytest.raises(TooLargeError, match=r"What fits: nothing; take a smaller pool$"):
        check_fits(plan_selection(WIDE), 2**20)


def test_a_dense_embedding_has_no_classes_to_speak_of() -> None:
    with pytest.raises(TooLargeError, match="free on cpu: d = 51,200; d×d matrices"):
        check_fits(plan_selection(Shape(1000, 99, 51_200)), GIB)


def test_devices_share_the_candidates_and_keep_their_own_matrices() -> None:
    plans = device_plans(Shape(1001, 3, 40, 4), torch.float32, "incremental", ["cuda:0", "cuda:1"])
    assert {device: plan.shape.n for device, plan in plans.items()} == {"cuda:0": 501, "cuda:1": 501}
    [(device, plan)] = device_plans(Shape(1001, 3, 40, 4), "float32", "incremental", ["cpu"] * 3).items()
    assert (device, plan.shape.n) == ("cpu", 1001)
    assert plan == plan_selection(Shape(1001, 3, 40, 4), shards=3, copied=True)


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
    need = plan_selection(shape_of(embedding)).growth
    free(need)
    check_plan(embedding, torch.float32, "incremental", [torch.device("cpu")])
    with pytest.raises(TooLargeError, match="the embedding in float64"):
        check_plan(embedding, torch.float64, "incremental", [torch.device("cpu")])


@pytest.mark.parametrize("method", METHODS)
def test_a_selection_is_refused_before_it_begins(free: Any, method: str) -> None:
    embedding = fbench.dense_embedding(torch.randn(100, 2, 30))
    free(1000)
    with pytest.raises(TooLargeError, match=r"needs .* beyond its inputs and 1000 B are free on cpu: d = 30"):
        fbench.bait_select(embedding, 3, labelled=[], method=method)
