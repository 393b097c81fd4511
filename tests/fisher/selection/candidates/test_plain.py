"""G, H and scores of every candidate: packed lanes and plain torch against the dense formula, through picks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fbench
from fbench.fisher.lanes import cores
from fbench.fisher.selection.candidates import choice as module
from fbench.fisher.selection.candidates import packed
from fbench.fisher.selection.candidates.choice import candidates
from fbench.fisher.selection.candidates.packed import Packed
from fbench.fisher.selection.candidates.plain import Candidates, Plain

ALPHA = 0.6


def pool(n: int, r: int, d: int, *, kind: str, dtype: torch.dtype = torch.float64) -> fbench.Embedding:
    g = torch.Generator().manual_seed(n + r)
    if kind in ("dense", "in place"):
        return fbench.dense_embedding(torch.randn(n, r, d, generator=g, dtype=dtype))
    S = torch.randn(n, r, r + 1, generator=g, dtype=dtype)
    return fbench.FactoredEmbedding(S, torch.randn(n, d // (r + 1), generator=g, dtype=dtype))


def set_form(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rows of any length and number read where they lie."""
    if kind == "in place":
        monkeypatch.setattr(packed, "_FEW_ROWS", 99)
        monkeypatch.setattr(packed, "_LONG_ROWS", 1)


def state(d: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(d)
    A, B = (torch.randn(d, d, generator=g, dtype=torch.float64) / d for _ in range(2))
    return (A @ A.T).to(dtype), (B @ B.T).to(dtype)


def expected(G: Tensor, H: Tensor, sign: int) -> Tensor:
    """s·tr((I + sG)⁻¹H), −∞ where I + sG is not positive definite; by eigenvalues and a general inverse."""
    A = torch.eye(G.shape[1], dtype=G.dtype) + sign * G
    traces = sign * (torch.linalg.inv(A) * H).sum((1, 2))
    return torch.where(torch.linalg.eigvalsh(A).amin(1) > 0, traces, -torch.inf)


@pytest.mark.parametrize("kind", ["dense", "in place", "factored"])
@pytest.mark.parametrize("form", [Plain, Packed])
@pytest.mark.parametrize("r", [1, 2, 3, 9, 25])
@pytest.mark.parametrize("n", [1, 15, 16, 17, 70])
def test_the_state_follows_the_picks(
    form: type[Candidates], kind: str, r: int, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks of two blocks, so that several of them and a tail are met."""
    monkeypatch.setattr(packed, "_CHUNK", 2 * 16 * (r + 1) * 2 * r)
    set_form(kind, monkeypatch)
    d = 4 * (r + 1)
    V = pool(n, r, d, kind=kind)
    P, Q = state(d)
    x = V.dense()
    G, H = ALPHA * x @ P @ x.mT, ALPHA * x @ Q @ x.mT
    follower = form(V, ALPHA, 1)
    follower.load(P, Q)
    torch.testing.assert_close(follower.scores(), expected(G, H, 1))
    torch.testing.assert_close(follower.traces(), H.diagonal(dim1=1, dim2=2).sum(1))
    for step in range(3):
        W, Z = 0.01 * torch.randn(2, r, d, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        U, Y = ALPHA**0.5 * x @ W.T, ALPHA**0.5 * x @ Z.T
        G, H = G - U @ U.mT, H - U @ Y.mT - Y @ U.mT
        follower.absorb(torch.cat([W, Z]))
        torch.testing.assert_close(follower.scores(), expected(G, H, 1))
        torch.testing.assert_close(follower.traces(), H.diagonal(dim1=1, dim2=2).sum(1))


@pytest.mark.parametrize("form", [Plain, Packed])
def test_removals_are_refused_where_they_are_not_admissible(form: type[Candidates]) -> None:
    V = pool(40, 3, 12, kind="dense")
    P, Q = state(12)
    P = P * 0.7 / float((ALPHA * V.dense() @ P @ V.dense().mT).diagonal(dim1=1, dim2=2).mean())
    x = V.dense()
    wanted = expected(ALPHA * x @ P @ x.mT, ALPHA * x @ Q @ x.mT, -1)
    assert 0 < int(torch.isinf(wanted).sum()) < 40  # both kinds are there
    follower = form(V, ALPHA, -1)
    follower.load(P, Q)
    torch.testing.assert_close(follower.scores(), wanted)


def test_a_number_that_is_none_scores_minus_infinity() -> None:
    V = pool(20, 2, 6, kind="dense")
    P, Q = state(6)
    follower = Packed(V, ALPHA, 1)
    follower.load(P, Q)
    follower.absorb(torch.full((4, 6), torch.nan, dtype=torch.float64))
    assert bool((follower.scores() == -torch.inf).all())


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_LEAST_BLOCKS", 1)
    monkeypatch.setattr(packed, "_LEAST_CHUNK", 64)
    scores, before = [], torch.get_num_threads()
    for threads in (3, 1):
        torch.set_num_threads(threads)
        follower = Packed(pool(200, 4, 20, kind="factored"), ALPHA, 1)
        follower.load(*state(20))
        follower.absorb(0.01 * torch.ones(8, 20, dtype=torch.float64))
        scores.append(follower.scores())
    torch.set_num_threads(before)
    assert torch.equal(*scores)


def test_float32_is_packed_too() -> None:
    V = pool(50, 9, 40, kind="factored", dtype=torch.float32)
    follower = Packed(V, ALPHA, 1)
    follower.load(*state(40, torch.float32))
    exact = Plain(V.to(dtype=torch.float64), ALPHA, 1)
    exact.load(*state(40))
    torch.testing.assert_close(follower.scores().double(), exact.scores(), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("n", "r", "d"), [(1, 3, 1), (5, 4, 3), (33, 9, 328), (20, 7, 160), (17, 5, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_read_where_they_lie_are_projected_as_by_a_library(
    n: int, r: int, d: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a part of a larger tensor, another's after them; and none after them."""
    set_form("in place", monkeypatch)
    larger = torch.randn(2, n, r, d, generator=torch.Generator().manual_seed(d), dtype=dtype)
    rows = torch.randn(2 * r, d, generator=torch.Generator().manual_seed(n), dtype=dtype)
    for values in (larger[0], larger[1], larger[1].mT.contiguous().mT):
        V = fbench.DenseEmbedding(values)
        form, library = packed._form(V), packed._Any(V)
        assert type(form) is packed._Dense
        everyone = slice(0, -(-n // 16))
        got = form(form.arrange(rows), everyone)
        exact = 1e-5 if dtype == torch.float32 else 1e-13
        torch.testing.assert_close(got, library(library.arrange(rows), everyone), rtol=exact, atol=exact * d**0.5)


@pytest.mark.parametrize(
    ("rows", "dim", "form"), [(9, 328, "_Dense"), (13, 328, "_Any"), (2, 328, "_Any"), (9, 120, "_Any")]
)
def test_few_long_rows_are_read_where_they_lie(rows: int, dim: int, form: str) -> None:
    assert type(packed._form(pool(3, rows, dim, kind="dense"))).__name__ == form


@pytest.mark.parametrize(("rows", "form"), [(9, Packed), (module._MOST_ROWS, Packed), (module._MOST_ROWS + 1, Plain)])
def test_the_faster_form_is_chosen(rows: int, form: type[Candidates]) -> None:
    assert type(candidates(pool(3, rows, 2 * (rows + 1), kind="factored"), ALPHA, 1)) is form


def test_without_numba_torch_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has", lambda name: name != "numba")
    assert type(candidates(pool(3, 2, 6, kind="dense"), ALPHA, 1)) is Plain


@pytest.mark.parametrize("kind", ["dense", "in place", "factored"])
@pytest.mark.parametrize("form", [Plain, Packed])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [1, 16, 21, 32])
def test_after_a_pick_in_parts_is_after_it_as_a_whole(
    form: type[Candidates], kind: str, sign: int, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every part there is, most of which begin and end within blocks of 16."""
    set_form(kind, monkeypatch)
    r, d = 3, 12
    V = pool(n, r, d, kind=kind)
    P, Q = state(d)
    P = 0.5 * P / float(torch.linalg.eigvalsh(ALPHA * V.dense() @ P @ V.dense().mT).max())
    before, whole = form(V, ALPHA, sign), form(V, ALPHA, sign)
    rows = 0.01 * torch.randn(2 * r, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for follower in (before, whole):
        follower.load(P, Q)
    whole.absorb(rows)
    kept = [t.clone() for t in (before.G, before.H, before.scores(), before.traces())]
    arranged = before.arrange(rows)
    for start in range(n):
        for stop in range(start + 1, n + 1):
            scores, traces = before.after(arranged, slice(start, stop))
            torch.testing.assert_close(scores, whole.scores()[start:stop])
            torch.testing.assert_close(traces, whole.traces()[start:stop])
    assert all(map(torch.equal, kept, (before.G, before.H, before.scores(), before.traces())))
    assert not torch.equal(before.scores(), whole.scores())
