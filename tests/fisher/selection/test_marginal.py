"""The incremental kernel: the state before a pick, the pick, and the same scores as the published formula's."""

from __future__ import annotations

import pytest
import torch
from command import interpreted
from torch import Tensor

import fbench
from fbench.fisher.selection import marginal
from fbench.fisher.selection.candidates import choice as module
from fbench.fisher.selection.candidates.packed import Packed
from fbench.fisher.selection.candidates.plain import Plain
from fbench.fisher.selection.curvature import pick_rows

K, H = 4, 3
D = K * H
FORMS = {"packed": True, "plain": False}


def pool(kind: str, n: int = 37, dtype: torch.dtype = torch.float64) -> fbench.Embedding:
    g = torch.Generator().manual_seed(n)
    V: fbench.Embedding = fbench.last_layer_embedding(
        2 * torch.randn(n, K, generator=g, dtype=torch.float64), torch.randn(n, H, generator=g, dtype=torch.float64)
    )
    return (fbench.dense_embedding(V.dense()) if kind == "dense" else V).to(dtype=dtype)


def state(V: fbench.Embedding, share: float = 0.8) -> tuple[Tensor, Tensor]:
    """M⁻¹ scaled so that the largest eigenvalue of any V_x M⁻¹ V_xᵀ is ``share``, and F; float64."""
    g, x = torch.Generator().manual_seed(1), V.dense().double()
    root = torch.randn(D, D, generator=g, dtype=torch.float64)
    inverse = torch.linalg.inv(root @ root.T + torch.eye(D, dtype=torch.float64))
    largest = float(torch.linalg.eigvalsh(x @ inverse @ x.mT).max())
    return inverse * (share / largest if largest > 0 else 1.0), V.to(dtype=torch.float64).gram() / V.n


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lanes compiled by numba, or plain torch."""
    monkeypatch.setattr(module, "_has", lambda name: name == "numba" and FORMS[request.param])
    return str(request.param)


def test_the_forms_are_the_two(form: str) -> None:
    V = pool("dense")
    assert type(marginal.prepare_marginal(V, *state(V)).before) is {"packed": Packed, "plain": Plain}[form]


@pytest.mark.parametrize("with_inner", [True, False])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["dense", "factored"])
def test_it_is_the_published_formula(form: str, kind: str, sign: int, with_inner: bool) -> None:
    V = pool(kind)
    inverse, F = state(V)
    how = {"with_inner": with_inner, "sign": sign}
    expected = fbench.trace(V, inverse, F, kernel="published", **how)
    for chunk_size in (1, 5, 16, 20, 100):
        got = fbench.trace(V, inverse, F, kernel="incremental", chunk_size=chunk_size, **how)
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("kind", ["dense", "factored"])
def test_float32_loses_no_more_than_rounding(form: str, kind: str) -> None:
    V = pool(kind, dtype=torch.float32)
    inverse, F = state(V)
    expected = fbench.trace(V.to(dtype=torch.float64), inverse, F, kernel="published")
    got = fbench.trace(V, inverse.float(), F.float(), kernel="incremental", chunk_size=11)
    assert got.dtype == torch.float32
    assert float((got.double() - expected).abs().max() / expected.abs().max()) < 1e-5


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [1e-9, 0.3, 0.999])
def test_any_m_has_a_state_before_it(share: float, sign: int) -> None:
    V = pool("factored")
    inverse, F = state(V, share)
    expected = fbench.trace(V, inverse, F, kernel="published", sign=sign)
    torch.testing.assert_close(
        fbench.trace(V, inverse, F, kernel="incremental", sign=sign), expected, rtol=1e-7, atol=0
    )


def test_a_first_candidate_far_larger_than_one_is_taken_as_a_part() -> None:
    """M without all of it would not be positive definite."""
    V = pool("dense")
    inverse, F = state(V, 1e4)
    expected = fbench.trace(V, inverse, F, kernel="published")
    torch.testing.assert_close(fbench.trace(V, inverse, F, kernel="incremental"), expected, rtol=1e-9, atol=0)
    before = marginal.prepare_marginal(V, inverse, F).before
    assert bool(torch.isfinite(before.scores()).all())


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["dense", "factored"])
def test_a_first_candidate_without_gradient_changes_nothing(form: str, kind: str, sign: int) -> None:
    x = pool("dense").dense().clone()
    x[0] = 0
    whole = pool("factored")
    assert isinstance(whole, fbench.FactoredEmbedding)
    factored = fbench.FactoredEmbedding(whole.S * (torch.arange(37) > 0)[:, None, None], whole.h)
    V = fbench.dense_embedding(x) if kind == "dense" else factored
    inverse, F = state(V)
    expected = fbench.trace(V, inverse, F, kernel="published", sign=sign)
    got = fbench.trace(V, inverse, F, kernel="incremental", sign=sign)
    assert got[0] == 0
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("kind", ["dense", "factored"])
def test_one_candidate(form: str, kind: str) -> None:
    V = pool(kind, n=1)
    inverse, F = state(V)
    expected = fbench.trace(V, inverse, F, kernel="published")
    torch.testing.assert_close(fbench.trace(V, inverse, F, kernel="incremental"), expected, rtol=1e-10, atol=0)


def test_removals_that_are_not_admissible_score_minus_infinity(form: str) -> None:
    V = pool("dense")
    inverse, F = state(V, 2.0)
    x = V.dense()
    admissible = torch.linalg.eigvalsh(x @ inverse @ x.mT).amax(1) < 1
    assert 0 < int(admissible.sum()) < V.n
    got = fbench.trace(V, inverse, F, kernel="incremental", sign=-1)
    expected = fbench.trace(V, inverse, F, kernel="published", sign=-1)
    torch.testing.assert_close(got[admissible], expected[admissible], rtol=1e-9, atol=0)
    assert bool((got[~admissible] == -torch.inf).all())


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_pick_changes(sign: int) -> None:
    """P and Q by W̃ and Z̃ are those of M with, or without, the pick."""
    V = pool("dense")
    P, F = state(V)
    Q, V_s = P @ F @ P, V.dense()[3]
    W, Z = pick_rows(torch.cat([V_s @ P, V_s @ Q], dim=1), V_s, sign).split(V.rows)
    after = torch.linalg.inv(torch.linalg.inv(P) + sign * V_s.T @ V_s)
    torch.testing.assert_close(P - sign * W.T @ W, after)
    torch.testing.assert_close(Q - sign * (W.T @ Z + Z.T @ W), after @ F @ after)


INTERPRETED = """
import torch
import fbench
from fbench.fisher.selection import marginal
from fbench.fisher.selection.candidates import choice as module
from fbench.fisher.selection.candidates.fused import Fused

torch.manual_seed(0)
marginal.candidates = Fused
for kind in ("factored", "dense"):
    V = fbench.last_layer_embedding(2 * torch.randn(11, 4), torch.randn(11, 2))
    V = fbench.dense_embedding(V.dense()) if kind == "dense" else V
    root = torch.randn(8, 8).double()
    inverse, F = torch.linalg.inv(root @ root.T + 3 * torch.eye(8)), V.to(dtype=torch.float64).gram() / 11
    G = V.dense().double() @ inverse @ V.dense().double().mT
    inverse = inverse * 0.8 / torch.linalg.eigvalsh(G).max()
    for sign in (1, -1):
        given = marginal.prepare_marginal(V, inverse.float(), F.float(), sign)
        assert type(given.before) is Fused
        before = given.before.G.clone(), given.before.H.clone(), given.before.scores().clone()
        for with_inner in (True, False):
            how = dict(with_inner=with_inner, sign=sign)
            expected = fbench.trace(V.to(dtype=torch.float64), inverse, F, kernel="published", **how)
            for part in (slice(0, 11), slice(0, 1), slice(3, 7), slice(9, 11)):
                got = marginal.run_marginal(given, part, with_inner)
                torch.testing.assert_close(got.double(), expected[part], rtol=1e-4, atol=1e-6)
        after = given.before.G, given.before.H, given.before.scores()
        assert all(map(torch.equal, before, after))
print("agrees")
"""


def test_the_interpreted_gpu_form_agrees() -> None:
    pytest.importorskip("triton")
    done = interpreted(INTERPRETED)
    assert done.stdout.strip() == "agrees", done.stderr[-2000:]
