"""The batched trace kernels: score(x) = tr(V_x M⁻¹ F M⁻¹ V_xᵀ A⁻¹), A = I + V_x M⁻¹ V_xᵀ, in chunks of the pool.

Each way to the same numbers is a ``Kernel`` value: ``prepare(inverse, fisher)`` once for a pass, then
``run(chunk, prepared, with_inner, sign)`` for every chunk of c candidates gives [c]. Without the inner matrix
A⁻¹ it is the poster's expression, diagonal(x M⁻¹ F M⁻¹ xᵀ).sum(−1). torch is imported inside: this module
is read to list the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fbench.errors import InputError
from fbench.registry import KERNELS, Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding


def trace(
    embedding: Embedding,
    inverse: Tensor,
    fisher: Tensor,
    *,
    kernel: str = "fused",
    chunk_size: int = 1024,
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
    chosen = KERNELS.get(kernel)
    d = embedding.dim
    for name, matrix in (("inverse", inverse), ("fisher", fisher)):
        if tuple(matrix.shape) != (d, d):
            raise InputError(f"{name} has shape {list(matrix.shape)}; the embedding needs [{d}, {d}]")
    if sign not in (1, -1):
        raise InputError(f"sign {sign}: must be 1 (adding) or −1 (removing)")
    if chunk_size < 1:
        raise InputError(f"chunk_size {chunk_size}: must be at least 1")
    prepared = chosen.prepare(inverse, fisher)
    scores = inverse.new_empty(embedding.n)
    for start in range(0, embedding.n, chunk_size):
        part = slice(start, min(start + chunk_size, embedding.n))
        scores[part] = chosen.run(embedding[part], prepared, with_inner, sign)
    return scores


def _divide_by_inner(H: Tensor, G: Tensor, sign: int) -> Tensor:
    """tr(H A⁻¹) with A = ±I + G, for H, G [c, r, r]: the general solve, evidently right."""
    import torch

    A = G + sign * torch.eye(G.shape[-1], dtype=G.dtype, device=G.device)
    return _trace(torch.linalg.solve(A, H))


def _trace(stack: Tensor) -> Tensor:
    return stack.diagonal(dim1=-2, dim2=-1).sum(-1)


def _pair(inverse: Tensor, fisher: Tensor) -> tuple[Tensor, Tensor]:
    return inverse, fisher


def _sandwich(inverse: Tensor, fisher: Tensor) -> tuple[Tensor, Tensor]:
    from fbench.fisher.information import symmetric

    return inverse, symmetric(inverse @ fisher @ inverse)


def _published(chunk: Embedding, prepared: Any, with_inner: bool, sign: int) -> Tensor:
    inverse, fisher = prepared
    x = chunk.dense()
    H = x @ inverse @ fisher @ inverse @ x.mT
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, x @ inverse @ x.mT, sign)


def _fused(chunk: Embedding, prepared: Any, with_inner: bool, sign: int) -> Tensor:
    inverse, Q = prepared
    x = chunk.dense()
    xQ = (x.reshape(-1, chunk.dim) @ Q).view_as(x)
    if not with_inner:
        both: Tensor = (xQ * x).sum((-2, -1))
        return both
    G = (x.reshape(-1, chunk.dim) @ inverse).view_as(x) @ x.mT
    return _divide_by_inner(xQ @ x.mT, G, sign)


def _factored(chunk: Embedding, prepared: Any, with_inner: bool, sign: int) -> Tensor:
    from fbench.fisher.embeddings import FactoredEmbedding

    if not isinstance(chunk, FactoredEmbedding):
        raise InputError("kernel 'factored' needs a last-layer embedding (see last_layer_embedding); use 'fused'")
    inverse, Q = prepared
    H = chunk.quadratic(Q)
    if not with_inner:
        return _trace(H)
    return _divide_by_inner(H, chunk.quadratic(inverse), sign)


def _published_flops(n: int, rows: int, d: int, with_inner: bool = True) -> int:
    return (8 if with_inner else 6) * n * rows * d * d + (4 if with_inner else 2) * n * rows * rows * d


def _fused_flops(n: int, rows: int, d: int, with_inner: bool = True) -> int:
    products = (4 if with_inner else 2) * n * rows * d * d
    return products + (4 * n * rows * rows * d if with_inner else 2 * n * rows * d)


def _factored_flops(n: int, rows: int, d: int, with_inner: bool = True) -> int:
    """D = k·h with k = rows + 1: half of the blocks of h×h, then S on both sides."""
    k = rows + 1
    h = d // k
    one = n * k * (k + 1) * h * (h + 1) + 2 * n * rows * k * (k + rows)
    return (2 if with_inner else 1) * one


def _dense_bytes(n: int, rows: int, d: int, itemsize: int) -> int:
    return (n * rows * d + 2 * d * d + n) * itemsize


def _factored_bytes(n: int, rows: int, d: int, itemsize: int) -> int:
    k = rows + 1
    return (n * (d // k + rows * k) + 2 * d * d + n) * itemsize


KERNELS.add(
    Kernel(
        "published",
        "x M⁻¹ F M⁻¹ xᵀ A⁻¹ left to right, as published",
        _pair,
        _published,
        _published_flops,
        _dense_bytes,
    )
)
KERNELS.add(
    Kernel("fused", "Q = M⁻¹FM⁻¹ once, then one product a matrix", _sandwich, _fused, _fused_flops, _dense_bytes)
)
KERNELS.add(
    Kernel(
        "factored",
        "last layer only: V = S ⊗ h never built",
        _sandwich,
        _factored,
        _factored_flops,
        _factored_bytes,
    )
)
