"""BAIT against the full recompute: the same picks in order, the same objective, and every refusal."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import Any

import cases
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import DeviceError, InputError, UnknownNameError
from fbench.fisher.selection import greedy, information
from fbench.fisher.selection.bait import Search
from fbench.fisher.selection.engines import SELECTION_METHODS

ANEW = ["published", "fused", "factored"]
METHODS = [*ANEW, "incremental"]
FLOAT64_TIE, FLOAT32_TIE = 1e-10, 1e-5
UNDERFLOW = {FLOAT64_TIE: 1e-290, FLOAT32_TIE: 1e-30}  # below, scores have lost their digits


def rows(pool: cases.Problem) -> Tensor:
    return reference.last_layer_rows(pool.logits, pool.features)


def select(pool: cases.Problem, *, dense: bool = False, **how: Any) -> fbench.Selection:
    embedding = fbench.dense_embedding(rows(pool)) if dense else fbench.last_layer_embedding(pool.logits, pool.features)
    asked = {
        "labelled": pool.labelled,
        "regularisation": pool.regularisation,
        "oversample": pool.oversample,
    }
    return fbench.bait_select(embedding, pool.batch_size, **(asked | how))


def slow(pool: cases.Problem) -> reference.Bait:
    return reference.bait(rows(pool), pool.batch_size, pool.labelled.tolist(), pool.regularisation, pool.oversample)


def objective(pool: cases.Problem, picks: list[int]) -> float:
    return reference.objective(rows(pool), pool.labelled.tolist(), picks, pool.batch_size, pool.regularisation)


def assert_valid(chosen: fbench.Selection, pool: cases.Problem) -> None:
    """Exactly B distinct unlabelled indices, a subsequence of the forward picks, with their numbers."""
    indices, forward = chosen.indices.tolist(), chosen.forward.tolist()
    assert len(indices) == len(set(indices)) == pool.batch_size
    assert len(set(forward)) == len(forward) == len(chosen.scores) == len(chosen.gaps)
    assert set(forward) <= set(range(len(pool.logits))) - set(pool.labelled.tolist())
    assert indices == [x for x in forward if x in set(indices)]


def explicit_loss(pool: cases.Problem) -> float:
    """What a score may lose where M⁻¹ and Q are numbers in float64, whatever made them: they round at ‖V_x‖²/λ."""
    if isinstance(pool.regularisation, str):
        return 0.0
    largest = float(rows(pool).square().sum((1, 2)).max()) / pool.regularisation
    return 0.1 * torch.finfo(torch.float64).eps * largest**2


def assert_same(chosen: fbench.Selection, expected: reference.Bait, pool: cases.Problem, tie: float) -> None:
    """Equal up to the first gap under ten tolerances, and an equal objective whatever came after."""
    assert_valid(chosen, pool)
    underflow, tie = UNDERFLOW[tie], max(tie, explicit_loss(pool))
    steps = enumerate(zip(expected.gaps, expected.scores, strict=True))
    close = (i for i, (gap, score) in steps if gap < 10 * tie or score < underflow)
    decided = next(close, len(expected.gaps))
    assert chosen.forward.tolist()[:decided] == expected.forward[:decided]
    torch.testing.assert_close(
        chosen.scores[:decided].double(),
        torch.tensor(expected.scores[:decided], dtype=torch.float64),
        rtol=100 * tie,
        atol=0,
    )
    if decided == len(expected.gaps) and all(gap >= 10 * tie for gap in expected.removal_gaps):
        assert chosen.indices.tolist() == expected.kept
    kept = objective(pool, chosen.indices.tolist())
    assert kept == pytest.approx(objective(pool, expected.kept), rel=1e4 * tie)


@st.composite
def problems(draw: st.DrawFn) -> cases.Problem:
    k = draw(st.integers(2, 26))
    h = draw(st.integers(1, max(1, 36 // k)))
    n = draw(st.integers(2, 18))
    labelled = draw(st.integers(0, n - 1))
    left = n - labelled
    shape = draw(st.sampled_from(sorted(cases.SHAPES)))
    relative = [] if shape == "huge logits" else ["rel:0.1", "rel:1"]  # the whole pool may have V = 0 there
    return cases.problem(
        draw(st.integers(0, 2**31)),
        shape=shape,
        n=n,
        k=k,
        h=h,
        labelled=labelled,
        batch_size=draw(st.one_of(st.integers(1, left), st.sampled_from([1, left]))),
        regularisation=draw(st.sampled_from([1e-3, 0.01, 0.1, 1.0, 10.0, *relative])),
        oversample=draw(st.sampled_from([1.0, 1.5, 2.0, 3.0])),
    )


@given(pool=problems())
@cases.randomised(60)
def test_every_method_picks_as_the_full_recompute(pool: cases.Problem) -> None:
    expected = slow(pool)
    for method in METHODS:
        assert_same(select(pool, method=method), expected, pool, FLOAT64_TIE)


@given(pool=problems())
@cases.randomised(25)
def test_dense_and_factored_pick_the_same(pool: cases.Problem) -> None:
    expected = slow(pool)
    for method in METHODS:
        if method != "factored":  # it takes no other than a factored one
            assert_same(select(pool, method=method, dense=True), expected, pool, FLOAT64_TIE)


@given(pool=problems(), shards=st.integers(2, 5))
@cases.randomised(40)
def test_shards_leave_the_picks_unchanged(pool: cases.Problem, shards: int) -> None:
    for method in METHODS:
        whole, split = select(pool, method=method), select(pool, method=method, devices=["cpu"] * shards)
        assert split.forward.tolist() == whole.forward.tolist()
        assert split.indices.tolist() == whole.indices.tolist()
        torch.testing.assert_close(split.scores, whole.scores, rtol=1e-8, atol=0)


@given(pool=problems())
@cases.randomised(40)
def test_float32_follows_float64_at_lambda_one(pool: cases.Problem) -> None:
    pool = replace(pool, regularisation=1.0)
    expected = slow(pool)
    for method in METHODS:
        assert_same(select(pool, method=method, dtype=torch.float32), expected, pool, FLOAT32_TIE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("lam", [1e-2, 1e-4])
def test_float32_survives_a_small_lambda(method: str, lam: float) -> None:
    """Float32 may leave float64's order there, but not its objective."""
    pool = cases.problem(1, n=120, k=6, h=8, labelled=0, batch_size=20, regularisation=lam)
    best, got = slow(pool), select(pool, method=method, dtype=torch.float32)
    assert_valid(got, pool)
    assert objective(pool, got.indices.tolist()) <= 1.02 * objective(pool, best.kept)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [10.0, 100.0])
def test_float32_takes_large_features(method: str, scale: float) -> None:
    """A removal needs I − G, about λ/‖V‖²: below float32's digits here, so removals have to be float64."""
    pool = cases.problem(0, n=100, k=5, h=16, labelled=20, batch_size=10, regularisation=0.01)
    pool = replace(pool, features=scale * pool.features)
    best, got = slow(pool), select(pool, method=method, dtype=torch.float32)
    assert_valid(got, pool)
    assert objective(pool, got.indices.tolist()) <= 1.02 * objective(pool, best.kept)


@pytest.mark.parametrize("method", METHODS)
def test_many_picks_do_not_drift(method: str) -> None:
    """A hundred rank-k updates at λ = 1e-6, against a fresh M for each.

    M keeps eigenvalues of λ for ever (S·1 = 0), so Q = M⁻¹FM⁻¹ carries rounding of
    size ε/λ² there, harmless while Q is exactly symmetric.
    """
    pool = cases.problem(2, n=60, k=4, h=6, labelled=0, batch_size=40, oversample=1.5, regularisation=1e-6)
    assert_same(select(pool, method=method), slow(pool), pool, FLOAT64_TIE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("devices", [None, ["cpu", "cpu"], ["cpu"] * 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_of_exact_duplicates_the_lowest_index_is_picked(
    method: str, devices: list[str] | None, dtype: torch.dtype
) -> None:
    """Sample x of ten appears at x, x+10 and x+20; whichever x is best, its copies come lowest first."""
    base = cases.problem(3, n=10, k=4, h=5, labelled=0)
    pool = replace(base, logits=base.logits.repeat(3, 1), features=base.features.repeat(3, 1), batch_size=15)
    chosen = select(pool, method=method, devices=devices, dtype=dtype).forward.tolist()
    for x in range(10):
        copies = [i for i in chosen if i % 10 == x]
        assert copies == sorted(copies)
        assert copies == list(range(x, 30, 10))[: len(copies)]
    assert chosen == slow(pool).forward


@pytest.mark.parametrize("method", METHODS)
def test_samples_that_tell_nothing_are_picked_in_order(method: str) -> None:
    """p = 1 exactly: every score is 0, every one ties."""
    pool = replace(cases.problem(4, n=8, labelled=0, batch_size=3), labelled=torch.tensor([1]))
    pool = replace(pool, logits=torch.tensor([[1e3, 0.0, -1e3]], dtype=torch.float64).repeat(8, 1))
    chosen = select(pool, method=method)
    assert chosen.forward.tolist() == [0, 2, 3, 4, 5, 6]
    assert chosen.scores.tolist() == [0.0] * 6
    assert_valid(chosen, pool)


@pytest.mark.parametrize("method", METHODS)
def test_everything_left_is_taken(method: str) -> None:
    pool = cases.problem(5, n=9, labelled=4, batch_size=5)
    chosen = select(pool, method=method)
    assert sorted(chosen.indices.tolist()) == sorted(set(range(9)) - set(pool.labelled.tolist()))
    assert chosen.gaps[-1] == torch.inf


@pytest.mark.parametrize("method", METHODS)
def test_a_score_is_what_the_pick_takes_off_the_objective(method: str) -> None:
    pool = cases.problem(6, n=15, labelled=3, batch_size=6, oversample=1.0)
    chosen = select(pool, method=method)
    steps = [objective(pool, chosen.forward.tolist()[:i]) for i in range(7)]
    falls = torch.tensor(steps[:-1]) - torch.tensor(steps[1:])
    torch.testing.assert_close(chosen.scores, falls.double(), rtol=1e-6, atol=1e-9)
    assert chosen.objective == pytest.approx(steps[-1], rel=1e-9)


@pytest.mark.parametrize("typed", ["rel:0.25", "deff:2.5"])
@pytest.mark.parametrize("devices", [["cpu"], ["cpu", "cpu"]])
def test_lambda_relative_to_the_fisher(typed: str, devices: list[str]) -> None:
    pool = cases.problem(7, regularisation=typed)
    lam = reference.strength(rows(pool), typed)
    for method in SELECTION_METHODS if typed != "rel:0.25" else ["incremental"]:
        chosen = select(pool, method=method, devices=devices)
        same = select(pool, method=method, regularisation=chosen.regularisation)
        assert chosen.forward.tolist() == same.forward.tolist()
        torch.testing.assert_close(chosen.scores, same.scores, rtol=1e-9, atol=0)
        if method != "diagonal":
            assert chosen.regularisation == pytest.approx(lam, rel=1e-9)
        if typed == "deff:2.5":
            assert chosen.effective_dimension == pytest.approx(2.5, rel=1e-9)


@pytest.mark.parametrize("oversample", [1.0, 1.25, 2.0, 3.5])
def test_forward_picks_are_the_ceiling(oversample: float) -> None:
    pool = cases.problem(8, n=30, labelled=0, batch_size=5, oversample=oversample)
    assert len(select(pool).forward) == len(slow(pool).forward)


def test_the_inputs_are_left_alone() -> None:
    pool = cases.problem(9)
    V, labelled = rows(pool), pool.labelled.clone()
    before = V.clone()
    fbench.bait_select(fbench.dense_embedding(V), 4, labelled=labelled)
    assert torch.equal(V, before)
    assert torch.equal(labelled, pool.labelled)


def test_the_same_call_gives_the_same_answer() -> None:
    pool = cases.problem(10)
    first, second = select(pool), select(pool)
    assert torch.equal(first.indices, second.indices)
    assert torch.equal(first.scores, second.scores)


@pytest.mark.parametrize("labelled", [[], torch.tensor([], dtype=torch.long), torch.tensor([])])
def test_nothing_labelled_may_be_spelled_any_way(labelled: object) -> None:
    pool = cases.problem(11, labelled=0)
    assert select(pool, labelled=labelled).indices.tolist() == slow(pool).kept


@pytest.mark.parametrize("method", [*METHODS, "diagonal"])
def test_progress_is_told_of_every_step(method: str) -> None:
    told: list[tuple[str, int, int]] = []
    select(cases.problem(12), method=method, progress=lambda *step: told.append(step))
    assert [step for step in told if step[0] in ("forward", "backward")] == [
        *(("forward", i, 8) for i in range(1, 9)),
        *(("backward", i, 4) for i in range(1, 5)),
    ]
    phases = ["fisher", "setup", "forward", "setup of removals", "backward", "objective"]
    assert list(dict.fromkeys(phase for phase, *_ in told if phase != "refresh")) == phases
    for phase in phases:
        steps = [(done, total) for name, done, total in told if name == phase]
        assert steps == sorted(set(steps))
        assert steps[-1][0] == steps[-1][1]


def _note(moments: list[float], *_: object) -> None:
    moments.append(time.perf_counter())


@pytest.mark.parametrize(("batch_size", "share"), [(2, 0.25), (60, 0.1)], ids=["small", "large"])
def test_progress_is_never_silent_for_long(batch_size: int, share: float) -> None:
    """Half of a small selection was silent once. The best of three: other work on the machine makes silences longer."""
    g = torch.Generator().manual_seed(0)
    V = fbench.last_layer_embedding(torch.randn(1500, 10, generator=g), torch.randn(1500, 64, generator=g))
    fbench.bait_select(V, batch_size, labelled=[0])  # compiles
    longest = []
    for _ in range(3):
        moments = [time.perf_counter()]
        fbench.bait_select(V, batch_size, labelled=[0], progress=partial(_note, moments))
        silences = [after - before for before, after in itertools.pairwise(moments)]
        longest.append(max(silences) / sum(silences))
    assert min(longest) < share


def decided(pool: cases.Problem, tie: float) -> bool:
    """Whether every pick and removal leads the next by more than rounding."""
    expected = slow(pool)
    return min([*expected.gaps, *expected.removal_gaps]) > 10 * tie


@pytest.mark.parametrize(("dtype", "tie"), [(torch.float64, FLOAT64_TIE), (torch.float32, FLOAT32_TIE)])
@pytest.mark.parametrize("k", [3, 5, 8])
def test_fused_and_factored_pick_exactly_as_published(k: int, dtype: torch.dtype, tie: float) -> None:
    """Forward picks and removals; V built or not; chunks and shards of any size."""
    pool = cases.problem(k - 3, n=50, k=k, h=5, labelled=7, batch_size=6, oversample=2.5)
    assert decided(pool, tie)
    published = select(pool, method="published", dtype=dtype)
    ways: list[dict[str, Any]] = [{}, {"chunk_size": 1}, {"chunk_size": 13}, {"chunk_size": 10**9}]
    ways += [{"devices": ["cpu"] * 4}, {"devices": ["cpu"] * 3, "chunk_size": 5}]
    for how in ways:
        for method, dense in [("published", True), ("fused", False), ("fused", True), ("factored", False)]:
            picked = select(pool, method=method, dense=dense, dtype=dtype, **how)
            assert picked.forward.tolist() == published.forward.tolist()
            assert picked.indices.tolist() == published.indices.tolist()
            torch.testing.assert_close(picked.scores, published.scores, rtol=10 * tie, atol=0)
            assert picked.objective == pytest.approx(published.objective, rel=tie)  # F of V built is rounded otherwise


@pytest.mark.parametrize("method", ANEW)
@pytest.mark.parametrize("labelled", [0, 40])
def test_a_pick_weighs_as_much_as_alpha_says(method: str, labelled: int) -> None:
    """α = B/(n_L+B) is in the matrices and in no V: of 1 with nothing labelled, of a 41st with B = 1."""
    pool = cases.problem(15, n=60, k=4, h=3, labelled=labelled, batch_size=1, oversample=5.0, regularisation=0.01)
    assert_same(select(pool, method=method), slow(pool), pool, FLOAT64_TIE)


def test_factored_on_a_dense_embedding_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(information, "pool_fisher", lambda V: pytest.fail("it began"))
    with pytest.raises(InputError, match=r"^kernel 'factored' needs a last-layer embedding .*; use 'fused'$"):
        select(cases.problem(0), method="factored", dense=True)


def test_published_and_fused_hold_no_second_v() -> None:
    """A dense V is read where it lies: neither copied nor scaled."""
    V = fbench.dense_embedding(rows(cases.problem(0)))
    for method in ("published", "fused"):
        search = Search(V, 4, labelled=[0], method=method)
        search.set_up()
        assert search._forward is not None
        (shard,) = search._forward._shards
        assert shard._V.dense().data_ptr() == V.dense().data_ptr()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("devices", [None, ["cpu"] * 3])
@pytest.mark.parametrize("method", [*METHODS, "diagonal"])
def test_a_refresh_in_mid_selection_changes_no_pick(method: str, devices: list[str] | None, dtype: torch.dtype) -> None:
    pool = cases.problem(16, n=80, k=4, h=5, labelled=5, batch_size=8)
    assert decided(pool, FLOAT32_TIE)
    whole = select(pool, method=method, devices=devices, dtype=dtype)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    search = Search(V, 8, labelled=pool.labelled, method=method, devices=devices, dtype=dtype)
    search.fisher()
    search.start()
    for _ in range(search.picks):
        search.forward(1)
        search.refresh()
    search.backward()
    selection = search.finish()
    assert selection.forward.tolist() == whole.forward.tolist()
    assert selection.indices.tolist() == whole.indices.tolist()
    assert selection.refreshes == (search.picks if method == "incremental" else 0)


@pytest.mark.parametrize("method", [*ANEW, "diagonal"])
def test_methods_that_update_nothing_do_not_drift(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And M is not built once more to find that out: not one more than for a selection's own steps."""
    built: list[int] = []
    matrix = information.Information.matrix
    monkeypatch.setattr(information.Information, "matrix", lambda self, picks: built.append(1) or matrix(self, picks))
    pool = cases.problem(17)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    search = Search(V, 4, labelled=pool.labelled, method=method)
    search.set_up()
    search.forward()
    before = len(built)
    assert search._forward is not None
    assert search._forward.drift == 0
    assert len(built) == before
    search.backward()
    assert (search.finish().drift, search.finish().refreshes) == (0.0, 0)


def test_phases_apart_give_what_they_give_in_one_go() -> None:
    pool = cases.problem(13)
    V = fbench.last_layer_embedding(pool.logits, pool.features)
    whole = fbench.bait_select(V, 4, labelled=pool.labelled)
    search = Search(V, 4, labelled=pool.labelled)
    search.set_up()
    for _ in range(9):  # one more than there are
        search.forward(1)
    search.backward()
    assert search.finish().indices.tolist() == whole.indices.tolist()
    given_picks = Search(V, 4, labelled=pool.labelled)
    given_picks.set_up()
    given_picks.adopt(whole.forward)
    given_picks.backward()
    adopted = given_picks.finish()
    assert adopted.indices.tolist() == whole.indices.tolist()
    assert adopted.objective == pytest.approx(whole.objective)
    assert bool(adopted.scores.isnan().all())  # they were not computed


@pytest.mark.parametrize("method", [*METHODS, "diagonal"])
def test_rounding_that_leaves_nothing_to_take_is_said(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greedy, "choose", lambda scores: (torch.tensor(0), torch.tensor(0.0)))  # takes a taken one
    with pytest.raises(InputError, match="without an admissible step; use float64"):
        select(replace(cases.problem(14), labelled=torch.tensor([0])), method=method)


BAD = {
    "regularisation 0": ({"regularisation": 0}, r"regularisation.*\b0"),
    "regularisation -1": ({"regularisation": -1}, "regularisation.*-1"),
    "regularisation nan": ({"regularisation": float("nan")}, "regularisation.*nan"),
    "regularisation inf": ({"regularisation": float("inf")}, "regularisation.*inf"),
    "regularisation rel:x": ({"regularisation": "rel:x"}, "regularisation.*rel:x"),
    "regularisation rel:": ({"regularisation": "rel:"}, "regularisation.*rel:"),
    "regularisation rel:0": ({"regularisation": "rel:0"}, "regularisation.*rel:0"),
    "regularisation rel:-2": ({"regularisation": "rel:-2"}, "regularisation.*rel:-2"),
    "regularisation deff:": (
        {"regularisation": "deff:"},
        "deff:: must be a positive number, or rel:c or deff:c",
    ),
    "regularisation deff:0": ({"regularisation": "deff:0"}, "regularisation deff:0: must be a positive number"),
    "regularisation deff:x": ({"regularisation": "deff:x"}, "regularisation deff:x: must be a positive number"),
    "regularisation deff:99": (
        {"regularisation": "deff:99"},
        "deff:99: the Fisher information has rank",
    ),
    "regularisation text": ({"regularisation": "strong"}, "regularisation.*strong"),
    "labelled over": ({"labelled": torch.tensor([0, 24])}, r"labelled.*\b24"),
    "labelled negative": ({"labelled": torch.tensor([0, -1])}, "labelled.*-1"),
    "labelled twice": ({"labelled": torch.tensor([5, 3, 5])}, r"labelled.*\b5"),
    "labelled fractions": ({"labelled": torch.tensor([0.5, 1.0])}, "labelled"),
    "labelled as a mask": ({"labelled": torch.arange(24) == 1}, "labelled"),
    "batch 0": ({"batch_size": 0}, r"batch_size.*\b0"),
    "batch -3": ({"batch_size": -3}, "batch_size.*-3"),
    "batch over what is left": ({"batch_size": 21}, "(?s)batch_size.*21.*20|20.*21"),
    "oversample 0.5": ({"oversample": 0.5}, r"oversample.*0\.5"),
    "oversample nan": ({"oversample": float("nan")}, "oversample.*nan"),
    "oversample inf": ({"oversample": float("inf")}, "oversample.*inf"),
    "dtype": ({"dtype": torch.float16}, "dtype.*float16"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name: str) -> None:
    wrong, message = BAD[name]
    asked: dict[str, Any] = {"batch_size": 4, "labelled": torch.tensor([0, 1, 2, 3])} | wrong
    pool = cases.problem(0, n=24)
    with pytest.raises(InputError, match=message):
        fbench.bait_select(fbench.last_layer_embedding(pool.logits, pool.features), **asked)


def test_nothing_left_to_label() -> None:
    pool = cases.problem(0, n=4)
    with pytest.raises(InputError, match=r"batch_size.*\b1"):
        select(replace(pool, batch_size=1), labelled=torch.arange(4))


@pytest.mark.parametrize(
    "device",
    [
        "gpu",
        pytest.param("cuda:0", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")),
    ],
)
def test_a_device_that_is_not_here_is_named(device: str) -> None:
    with pytest.raises(DeviceError, match=device):
        select(cases.problem(0), devices=[device])


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"'incremntal'.*'incremental'"):
        select(cases.problem(0), method="incremntal")


@pytest.mark.parametrize("value", [0.0, 1e-200])
def test_an_embedding_of_nothing_has_an_answer_or_an_error(value: float) -> None:
    """V = 0: with λ a number every pick ties; with rel:c λ would be 0."""
    embedding = fbench.dense_embedding(torch.full((6, 2, 3), value, dtype=torch.float64))
    chosen = fbench.bait_select(embedding, 2, labelled=[0])
    assert chosen.forward.tolist() == [1, 2, 3, 4]
    assert chosen.indices.tolist() == [3, 4]  # the lowest indices win the removals as well
    with pytest.raises(InputError, match="regularisation"):
        fbench.bait_select(embedding, 2, labelled=[0], regularisation="rel:1")
