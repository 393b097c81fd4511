"""The batched trace kernels: score(x) = tr(V_x M⁻¹ F M⁻¹ V_xᵀ A⁻¹), A = I + V_x M⁻¹ V_xᵀ, in chunks of the pool.

Each way to the same numbers is a ``Kernel`` value: ``prepare(embedding, inverse, fisher, sign)`` once, then
``run(prepared, part, with_inner)`` for every chunk, a slice of c candidates, gives [c]. Without the inner matrix
A⁻¹ it is the poster's expression, diagonal(x M⁻¹ F M⁻¹ xᵀ).sum(−1). torch is imported inside: this module
is read to list the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fbench.errors import InputError
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness import guard
from fbench.harness.registry import KERNELS, Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding, FactoredEmbedding


def trace(
    embedding: Embedding,
    inverse: Tensor,
    fisher: Tensor,
    *,
    kernel: str = "fused",
    chunk_size: int = CHUNK_SIZE,
    with_inner: bool = True,
    sign: int = 1,
) -> Tensor:
    """The score of every candidate (Ash et al. 2021, algorithm 1).

    Args:
        embedding: V, n candidates of d weights.
        inverse: M⁻¹ [d, d].
        fisher: F [d, d].
        kernel: a registered kernel's name.
        chunk_size: candidates in a chunk; the last one may be smaller.
        with_inner: multiply by A⁻¹; without, the poster's kernel.
        sign: +1 for adding a candidate, −1 for removing one (A = −I + V_x M⁻¹ V_xᵀ).

    Returns:
        [n].

    Raises:
        InputError: matrices that are not d×d, a chunk below one, an embedding that the kernel cannot take.
        ForeignError: a user's kernel gives something else than one score a candidate.
        UnknownNameError: no such kernel.

    Example:
        >>> import torch, fbench
        >>> V = fbench.dense_embedding(torch.tensor([[[1.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]]))
        >>> fbench.trace(V, inverse=torch.eye(3), fisher=torch.eye(3)).tolist()  # ‖v‖²/(1 + ‖v‖²)
        [0.5, 0.75]
    """
    if chunk_size < 1:
        raise InputError(f"chunk_size {chunk_size}: must be at least 1")
    chosen, prepared = prepare_kernel(kernel, embedding, inverse, fisher, sign)
    scores = inverse.new_empty(embedding.n)
    for start in range(0, embedding.n, chunk_size):
        part = slice(start, min(start + chunk_size, embedding.n))
        scores[part] = scores_of(chosen, prepared, part, with_inner)
    return scores


def scores_of(kernel: Kernel, prepared: Any, part: slice, with_inner: bool) -> Tensor:
    """The scores [c] of a chunk of c candidates, by a kernel and what it prepared.

    Raises:
        ForeignError: the kernel gives something else than one score a candidate.

    Example:
        >>> import torch, fbench
        >>> V = fbench.dense_embedding(torch.ones(5, 1, 2))
        >>> scores_of(*prepare_kernel("fused", V, torch.eye(2), torch.eye(2)), slice(0, 3), False).tolist()
        [2.0, 2.0, 2.0]
    """
    from torch import Tensor

    scores: Any = kernel.run(prepared, part, with_inner)
    count = part.stop - part.start
    if not isinstance(scores, Tensor):
        gave = f"a {type(scores).__name__}; it must give a torch.Tensor"
    elif tuple(scores.shape) != (count,):  # assigned to a slice, one number would do for all
        gave = f"shape {list(scores.shape)} for a chunk of {count} candidates; it must give [{count}]"
    elif not scores.is_floating_point():
        gave = f"scores of {scores.dtype}; they must be floating-point numbers"
    else:
        return scores
    raise guard.refuse(kernel.run, f"kernel {kernel.name!r} gave {gave}")


def prepare_kernel(
    kernel: str, embedding: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1
) -> tuple[Kernel, Any]:
    """The kernel of that name, and what it prepares from V, M⁻¹ and F; arguments and errors as for ``trace``.

    Example:
        >>> import torch, fbench
        >>> V = fbench.dense_embedding(torch.ones(5, 1, 2))
        >>> kernel, prepared = prepare_kernel("fused", V, torch.eye(2), torch.eye(2))
        >>> kernel.name, kernel.run(prepared, slice(0, 3), False).tolist()
        ('fused', [2.0, 2.0, 2.0])
    """
    chosen = KERNELS.get(kernel)
    d = embedding.dim
    for name, matrix in (("inverse", inverse), ("fisher", fisher)):
        if tuple(matrix.shape) != (d, d):
            raise InputError(f"{name} has shape {list(matrix.shape)}; the embedding needs [{d}, {d}]")
    if sign not in (1, -1):
        raise InputError(f"sign {sign}: must be 1 (adding) or −1 (removing)")
    return chosen, chosen.prepare(embedding, inverse, fisher, sign)


def check_takes(kernel: str, embedding: Embedding) -> None:
    """Refuse an embedding that the kernel cannot take.

    Raises:
        InputError: the embedding is dense, and the kernel works on a last layer's factors.
        UnknownNameError: no such kernel.

    Example:
        >>> import torch, fbench
        >>> check_takes("factored", fbench.dense_embedding(torch.ones(5, 1, 2)))
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: kernel 'factored' needs a last-layer embedding (see last_layer_embedding); use 'fused'
    """
    from fbench.fisher.embeddings import FactoredEmbedding

    if KERNELS.get(kernel).takes == "last-layer" and not isinstance(embedding, FactoredEmbedding):
        raise InputError(f"kernel {kernel!r} needs a last-layer embedding (see last_layer_embedding); use 'fused'")


_LANES = 16
"""Candidates in a pack of ``lanes``, whose own number would bring torch; a test holds the two together."""


class _Prepared(NamedTuple):
    """What a pass needs: V, M⁻¹ [d, d], then F or Q = M⁻¹FM⁻¹ [d, d], and ±1 for adding or removing."""

    V: Embedding
    inverse: Tensor
    other: Tensor
    sign: int


class _Blocks(NamedTuple):
    """What ``factored`` needs: V, and the upper blocks of M⁻¹ and Q, laid out once."""

    V: FactoredEmbedding
    inverse: list[Tensor]
    Q: list[Tensor]
    sign: int


def _divide_by_inner(H: Tensor, G: Tensor, sign: int) -> Tensor:
    """tr(H A⁻¹) with A = ±I + G, for H, G [c, r, r]: the general solve, evidently right."""
    import torch

    A = G + sign * torch.eye(G.shape[-1], dtype=G.dtype, device=G.device)
    return _trace(torch.linalg.solve(A, H))


def _trace(stack: Tensor) -> Tensor:
    return stack.diagonal(dim1=-2, dim2=-1).sum(-1)


def _as_given(V: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> _Prepared:
    return _Prepared(V, inverse, fisher, sign)


def _sandwich(V: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> _Prepared:
    from fbench.fisher.selection.inverses import symmetric

    return _Prepared(V, inverse, symmetric(inverse @ fisher @ inverse), sign)


def _factors(V: FactoredEmbedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> _Blocks:
    check_takes("factored", V)
    _, inverse, Q, _ = _sandwich(V, inverse, fisher, sign)
    return _Blocks(V, list(V.upper_blocks(inverse)), list(V.upper_blocks(Q)), sign)


def _published(prepared: _Prepared, part: slice, with_inner: bool = True) -> Tensor:
    x, inverse, fisher = prepared.V[part].dense(), prepared.inverse, prepared.other
    H = x @ inverse @ fisher @ inverse @ x.mT
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, x @ inverse @ x.mT, prepared.sign)


def _fused(prepared: _Prepared, part: slice, with_inner: bool = True) -> Tensor:
    x, Q = prepared.V[part].dense(), prepared.other
    xQ = (x.reshape(-1, prepared.V.dim) @ Q).view_as(x)
    if not with_inner:
        traces: Tensor = (xQ * x).sum((-2, -1))
        return traces
    G = (x.reshape(-1, prepared.V.dim) @ prepared.inverse).view_as(x) @ x.mT
    return _divide_by_inner(xQ @ x.mT, G, prepared.sign)


def _factored(prepared: _Blocks, part: slice, with_inner: bool = True) -> Tensor:
    chunk = prepared.V[part]
    H = chunk.quadratic_of(prepared.Q)
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, chunk.quadratic_of(prepared.inverse), prepared.sign)


def _pick(V: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> Any:
    from fbench.fisher.selection.marginal import prepare_marginal

    return prepare_marginal(V, inverse, fisher, sign)


def _incremental(marginal: Any, part: slice, with_inner: bool = True) -> Tensor:
    from fbench.fisher.selection.marginal import run_marginal

    return run_marginal(marginal, part, with_inner)


def _published_flops(n: int, rows: int, d: int, with_inner: bool = True, features: int | None = None) -> int:
    return (8 if with_inner else 6) * n * rows * d * d + (4 if with_inner else 2) * n * rows * rows * d


def _fused_flops(n: int, rows: int, d: int, with_inner: bool = True, features: int | None = None) -> int:
    products = (4 if with_inner else 2) * n * rows * d * d
    return products + (4 * n * rows * rows * d if with_inner else 2 * n * rows * d)


def _factored_flops(n: int, rows: int, d: int, with_inner: bool = True, features: int | None = None) -> int:
    """D = k·h with k = rows + 1: half of the blocks of h×h, then S on both sides."""
    k = rows + 1
    h = d // k
    one = n * k * (k + 1) * h * (h + 1) + 2 * n * rows * k * (k + rows)
    return (2 if with_inner else 1) * one


def _incremental_flops(n: int, rows: int, d: int, with_inner: bool = True, features: int | None = None) -> int:
    """Onto the pick's 2·rows columns (of a last layer: h first, then S), then a triangle each of UUᵀ and UYᵀ + YUᵀ."""
    project = 4 * rows * rows * d if features is None else 4 * rows * d + 4 * rows * rows * (d // features)
    return n * (project + 3 * rows * rows * (rows + 1) + rows**3)


def _dense_bytes(n: int, rows: int, d: int, itemsize: int, features: int | None = None) -> int:
    return (n * rows * d + 2 * d * d + n) * itemsize


def _factored_bytes(n: int, rows: int, d: int, itemsize: int, features: int | None = None) -> int:
    k = rows + 1
    return (n * (d // k + rows * k) + 2 * d * d + n) * itemsize


def _incremental_bytes(n: int, rows: int, d: int, itemsize: int, features: int | None = None) -> int:
    """V and the pick's rows once, G and H (symmetric) read and written."""
    V = rows * d if features is None else features + rows * (d // features)
    return (n * (V + 2 * rows * (rows + 1) + 1) + 2 * rows * d) * itemsize


for _kernel in (
    Kernel(
        "published",
        "x M⁻¹ F M⁻¹ xᵀ A⁻¹ left to right, as published",
        _as_given,
        _published,
        _published_flops,
        _dense_bytes,
    ),
    Kernel("fused", "Q = M⁻¹FM⁻¹ once, then one product a matrix", _sandwich, _fused, _fused_flops, _dense_bytes),
    Kernel(
        "factored",
        "last layer only: V = S ⊗ h never built",
        _factors,
        _factored,
        _factored_flops,
        _factored_bytes,
        takes="last-layer",
    ),
    Kernel(
        "incremental",
        "one more pick, from the state before it: V onto its 2r columns, then r×r work a candidate",
        _pick,
        _incremental,
        _incremental_flops,
        _incremental_bytes,
        takes="either",
        lanes=_LANES,
    ),
):
    KERNELS.add(_kernel)
