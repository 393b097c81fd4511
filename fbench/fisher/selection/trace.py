"""The batched trace kernels: score(x) = tr(V_x M⁻¹ F M⁻¹ V_xᵀ A⁻¹), A = I + V_x M⁻¹ V_xᵀ, in chunks of the pool.

Each way to the same numbers is a ``Kernel`` value: ``prepare(embedding, inverse, fisher, sign)`` once, then
``run(prepared, part, with_inner)`` for every chunk, a slice of c candidates, gives [c]. Without the inner matrix
A⁻¹ it is the poster's expression, diagonal(x M⁻¹ F M⁻¹ xᵀ).sum(−1). torch is imported inside: this module
is read to list the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fbench.errors import InputError
from fbench.harness.registry import KERNELS, Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding, FactoredEmbedding


CHUNK_SIZE = 1024
"""Candidates of a chunk where nobody says; ``fbench chunksize`` measures what suits a machine."""


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
        UnknownNameError: no such kernel.
    """
    if chunk_size < 1:
        raise InputError(f"chunk_size {chunk_size}: must be at least 1")
    chosen, prepared = prepare(kernel, embedding, inverse, fisher, sign)
    scores = inverse.new_empty(embedding.n)
    for start in range(0, embedding.n, chunk_size):
        part = slice(start, min(start + chunk_size, embedding.n))
        scores[part] = chosen.run(prepared, part, with_inner)
    return scores


def prepare(kernel: str, embedding: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> tuple[Kernel, Any]:
    """The kernel of that name, and what it makes of V, M⁻¹ and F; arguments and errors as ``trace``'s."""
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
        InputError: a dense one, and the kernel is of a last layer's factors.
        UnknownNameError: no such kernel.
    """
    from fbench.fisher.embeddings import FactoredEmbedding

    if KERNELS.get(kernel).takes == "last-layer" and not isinstance(embedding, FactoredEmbedding):
        raise InputError(f"kernel {kernel!r} needs a last-layer embedding (see last_layer_embedding); use 'fused'")


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
    from fbench.fisher.selection.information import symmetric

    return _Prepared(V, inverse, symmetric(inverse @ fisher @ inverse), sign)


def _factors(V: FactoredEmbedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> _Blocks:
    check_takes("factored", V)
    given = _sandwich(V, inverse, fisher, sign)
    return _Blocks(V, list(V.upper_blocks(given.inverse)), list(V.upper_blocks(given.other)), sign)


def _published(given: _Prepared, part: slice, with_inner: bool = True) -> Tensor:
    x, inverse, fisher = given.V[part].dense(), given.inverse, given.other
    H = x @ inverse @ fisher @ inverse @ x.mT
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, x @ inverse @ x.mT, given.sign)


def _fused(given: _Prepared, part: slice, with_inner: bool = True) -> Tensor:
    x, Q = given.V[part].dense(), given.other
    xQ = (x.reshape(-1, given.V.dim) @ Q).view_as(x)
    if not with_inner:
        both: Tensor = (xQ * x).sum((-2, -1))
        return both
    G = (x.reshape(-1, given.V.dim) @ given.inverse).view_as(x) @ x.mT
    return _divide_by_inner(xQ @ x.mT, G, given.sign)


def _factored(given: _Blocks, part: slice, with_inner: bool = True) -> Tensor:
    chunk = given.V[part]
    H = chunk.quadratic_of(given.Q)
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, chunk.quadratic_of(given.inverse), given.sign)


def _pick(V: Embedding, inverse: Tensor, fisher: Tensor, sign: int = 1) -> Any:
    from fbench.fisher.selection.marginal import prepare

    return prepare(V, inverse, fisher, sign)


def _incremental(given: Any, part: slice, with_inner: bool = True) -> Tensor:
    from fbench.fisher.selection.marginal import run

    return run(given, part, with_inner)


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
    ),
):
    KERNELS.add(_kernel)
