"""Embeddings V: a pool's rows √p_y ∇_θ log p(y given x), held dense or factored.

What grows with d, ``values`` or the features ``h``, may be a tensor that reads its rows from a file when they are
asked for. So each slice of them is taken once and let go before the next, and no expression has all of them.

Layout: V [n, r, d], n candidates, r rows (k, or the k−1 that suffice), d weights. For the last layer
d = k·h and column c·h + j is weight (class c, feature j), as in a ``torch.nn.Linear(h, k)`` weight, flattened.
Everything downstream depends on V only through V_xᵀV_x, so any factor of it serves as rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher import feature_pairs, symmetric
from fbench.fisher.likelihood import check_finite, logit_rows
from fbench.fisher.work import did

_CHUNK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Numbers in a temporary of the chunked contractions: on a CPU about a core's share of cache, which took a quarter off
[12,942 × 325] @ [325 × 325] in float32 (53 → 39 ms, one core, n = 40); a GPU wants the work in few pieces."""
_QUADRATIC_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}
"""The same for a product that is summed up right after it is made: enough rows for the product's full rate took a third
off (11.8 → 8.4 ms, n = 512, k = 10, h = 128 in float32, two cores)."""
_READ_NUMBERS, _READ_CANDIDATES = 1 << 22, 1 << 10
"""So many of V's own numbers are taken together at most, where it has so few that its products are chunks of fewer; but
so many candidates always, which a product's full rate asks for."""
_GRAM_TOGETHER = 512
"""Candidates of a last layer that are summed in one product at least: with a few, F is written as often as read (1.1 →
0.8 s in float32 for n = 4,096, k = 10, h = 512, two cores)."""
_SPARED_BELOW = 20
"""Classes from which on the (1 − 1/k)² that ``reduced`` leaves of a matrix is not worth its second S [n, r, k−1]."""
_SUMMED = 1 << 16
"""Rows of S whose sums are looked at together."""
_GRAM_ELEMENTS = 1 << 26
"""Numbers of a dense V whose products are summed in one: in parts the same sums are rounded otherwise."""


class Embedding(ABC):
    """What the mathematics asks of a pool's V, however it is stored.

    Attributes:
        n: candidates.
        rows: r, the rows of V_x.
        dim: d, the weights.
        dtype: of the numbers.
        device: where they lie.

    Example:
        >>> import torch, fbench
        >>> V = fbench.dense_embedding(torch.ones(6, 2, 5))
        >>> isinstance(V, fbench.Embedding), V.n, V.rows, V.dim
        (True, 6, 2, 5)
        >>> V[:4].quadratic(torch.eye(5)).shape, V.project(torch.ones(5, 3)).shape, V.gram().shape
        (torch.Size([4, 2, 2]), torch.Size([6, 2, 3]), torch.Size([5, 5]))
        >>> V.inner()[0].tolist()
        [[5.0, 5.0], [5.0, 5.0]]
    """

    n: int
    rows: int
    dim: int
    dtype: torch.dtype
    device: torch.device

    @abstractmethod
    def __getitem__(self, index: slice | Tensor) -> Self:
        """The embedding of the candidates at ``index``, a slice or a tensor of positions."""

    @abstractmethod
    def dense(self) -> Tensor:
        """V [n, r, d], built."""

    @abstractmethod
    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Self:
        """The same embedding on another device or in another dtype."""

    @abstractmethod
    def project(self, A: Tensor) -> Tensor:
        """V_x A for every x: [n, r, m], for A [d, m]."""

    @abstractmethod
    def quadratic(self, A: Tensor) -> Tensor:
        """V_x A V_xᵀ for every x: [n, r, r], for symmetric A [d, d]."""

    @abstractmethod
    def inner(self) -> Tensor:
        """V_xV_xᵀ for every x: [n, r, r]."""

    @abstractmethod
    def first_times(self, A: Tensor) -> Tensor:
        """V_x A for the first candidate alone: [r, m], for A [d, m], reading A once."""

    @abstractmethod
    def diagonals(self) -> Tensor:
        """The diagonal of V_xᵀV_x for every x: [n, d]."""

    @abstractmethod
    def add_gram(self, out: Tensor, factor: float = 1.0) -> Tensor:
        """Add factor · Σ_x V_xᵀV_x to ``out`` in place, a symmetric [d, d], and return it."""

    def reduced(self) -> Embedding:
        """The same candidates, V_xV_yᵀ kept, in fewer weights where some direction is in none of them; else itself."""
        return self

    def inner_through(self, A: Tensor) -> Tensor:
        """V_x A AᵀV_xᵀ for every x: [n, r, r], for A [d, m] of more columns than ``project`` is meant for."""
        out = torch.empty(self.n, self.rows, self.rows, dtype=self.dtype, device=self.device)
        for part in self.chunks(self.rows * A.shape[1]):
            U = self[part].project(A)
            torch.bmm(U, U.mT, out=out[part])
            did(2 * len(U) * self.rows * A.numel())
        return out

    def gram(self) -> Tensor:
        """Σ_x V_xᵀV_x: [d, d]."""
        return self.add_gram(torch.zeros(self.dim, self.dim, dtype=self.dtype, device=self.device))

    def gram_diagonal(self) -> Tensor:
        """The diagonal of ``gram``, in float64: [d]."""
        total = torch.zeros(self.dim, dtype=torch.float64, device=self.device)
        for part in self.chunks(self.dim):
            total += self[part].to(dtype=torch.float64).diagonals().sum(0)
        return total

    @property
    def numbers(self) -> int:
        """How many numbers hold a candidate."""
        return self.rows * self.dim

    def flat(self) -> Tensor:
        """All candidates, each the numbers that hold it, one after the other: [n, numbers]."""
        return self.dense().flatten(1)

    def of_flat(self, flat: Tensor) -> Embedding:
        """The embedding, like this one, of candidates [m, numbers] as ``flat`` gives them."""
        return DenseEmbedding(flat.view(-1, self.rows, self.dim))

    @property
    def gram_operations(self) -> float:
        """Floating-point operations of ``gram``, or of ``quadratic`` for one matrix, about."""
        return float(symmetric.half_operations(self.n * self.rows, self.dim))

    def chunks(self, width: int, limits: Mapping[str, int] = _CHUNK_ELEMENTS, least: int = 1) -> list[slice]:
        """Slices that partition the pool: at ``width`` numbers a candidate each stays under the device's limit.

        But ``least`` candidates may always be taken together.
        """
        step = max(least, min(limits.get(self.device.type, 1 << 26) // max(1, width), self.read_together))
        return [slice(start, min(start + step, self.n)) for start in range(0, self.n, step)]

    @property
    def read_together(self) -> int:
        """The most candidates of a chunk: more would be no faster, and are held where V's numbers lie in a file.

        A GPU, which wants the work in few pieces, reads from no file.
        """
        return max(_READ_CANDIDATES, _READ_NUMBERS // self.numbers) if self.device.type == "cpu" else max(1, self.n)

    def _all(self, index: slice | Tensor) -> bool:
        """Whether a slice takes the whole pool; what lies in a file then stays there."""
        return isinstance(index, slice) and index.indices(self.n) == (0, self.n, 1)


@dataclass(frozen=True, eq=False)
class DenseEmbedding(Embedding):
    """V [n, r, d], stored whole; ``dense_embedding`` makes one from checked values.

    Example:
        >>> import torch, fbench
        >>> V = fbench.DenseEmbedding(torch.arange(12.0).reshape(2, 2, 3))
        >>> V[torch.tensor([1])].dense().tolist()
        [[[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]]]
    """

    values: Tensor

    def __post_init__(self) -> None:
        n, rows, dim = self.values.shape
        _describe(self, n, rows, dim, self.values)

    def __getitem__(self, index: slice | Tensor) -> DenseEmbedding:
        return self if self._all(index) else DenseEmbedding(self.values[index])

    def dense(self) -> Tensor:
        return self.values

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> DenseEmbedding:
        return DenseEmbedding(self.values.to(device=device or self.device, dtype=dtype or self.dtype))

    def project(self, A: Tensor) -> Tensor:
        return (A.T @ self.values.reshape(-1, self.dim).T).T.view(self.n, self.rows, -1)

    def quadratic(self, A: Tensor) -> Tensor:
        T, out = symmetric.half(A), self.values.new_empty(self.n, self.rows, self.rows)
        for part in self.chunks(self.rows * self.dim):
            x = self.values[part]
            X = self._times_half(x, T) @ x.mT
            torch.add(X, X.mT, out=out[part])
            did(symmetric.half_operations(len(x) * self.rows, self.dim))
        return out

    def inner(self) -> Tensor:
        return self.values @ self.values.mT

    def _times_half(self, x: Tensor, T: list[Tensor]) -> Tensor:
        out = x.new_empty(len(x) * self.rows, self.dim)
        return symmetric.times_half(x.reshape(-1, self.dim), T, out).view_as(x)

    def first_times(self, A: Tensor) -> Tensor:
        return self.values[0] @ A

    def diagonals(self) -> Tensor:
        return self.values.square().sum(1)

    def add_gram(self, out: Tensor, factor: float = 1.0) -> Tensor:
        step = max(1, _GRAM_ELEMENTS // self.numbers)
        for start in range(0, self.n, step):
            symmetric.add_gram(self.values[start : start + step].reshape(-1, self.dim), out, factor)
        did(symmetric.half_operations(self.n * self.rows, self.dim))
        return out


@dataclass(frozen=True, eq=False)
class FactoredEmbedding(Embedding):
    """V_x = S_x ⊗ h_xᵀ, never built: S [n, r, k] rows in logit space, h [n, h] features.

    Example:
        >>> import torch, fbench
        >>> V = fbench.FactoredEmbedding(torch.ones(6, 2, 3), torch.ones(6, 4))
        >>> V.k, V.dim, V.dense().shape
        (3, 12, torch.Size([6, 2, 12]))
    """

    S: Tensor
    h: Tensor

    def __post_init__(self) -> None:
        _describe(self, self.h.shape[0], self.S.shape[1], self.S.shape[2] * self.h.shape[1], self.h)

    @property
    def k(self) -> int:
        """The number of classes."""
        return self.S.shape[2]

    def __getitem__(self, index: slice | Tensor) -> FactoredEmbedding:
        return self if self._all(index) else FactoredEmbedding(self.S[index], self.h[index])

    @property
    def numbers(self) -> int:
        return self.rows * self.k + self.h.shape[1]

    @property
    def sums_to_zero(self) -> bool:
        """Whether each row of S sums to 0, but for float32's rounding: more on all logits alike changes no probability.

        Rows in float64 may be those of a network in float32.
        """
        like = torch.finfo(torch.float32)
        return all(
            bool((rows.sum(1).abs() <= 16 * self.k * like.eps * rows.abs().amax(1) + like.tiny).all())
            for rows in torch.split(self.S.flatten(0, 1), _SUMMED)
        )

    def reduced(self) -> FactoredEmbedding:
        """The same candidates in (k−1)·h weights, S B ⊗ hᵀ, where k is small and each row of S sums to 0; else itself.

        B [k, k−1] is orthonormal and its columns sum to 0. So V_xV_yᵀ is kept, F and M lose what they had of F = 0 and
        M = λI, and matrices take (1 − 1/k)² of the room.
        """
        if not 2 <= self.k < _SPARED_BELOW or not self.sums_to_zero:
            return self
        B, S = _sparing(self.k, self.device), self.S.new_empty(self.n, self.rows, self.k - 1)
        for part in self.chunks(self.rows * self.k):
            S[part] = (self.S[part].to(torch.float64) @ B).to(self.dtype)
        return FactoredEmbedding(S, self.h)

    def dense(self) -> Tensor:
        return (self.S[:, :, :, None] * self.h[:, None, None, :]).flatten(2)

    def flat(self) -> Tensor:
        return torch.cat([self.S.flatten(1), self.h], dim=1)

    def of_flat(self, flat: Tensor) -> FactoredEmbedding:
        S, h = flat.tensor_split([self.rows * self.k], dim=1)
        return FactoredEmbedding(S.reshape(-1, self.rows, self.k), h.contiguous())

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> FactoredEmbedding:
        device, dtype = device or self.device, dtype or self.dtype
        return FactoredEmbedding(self.S.to(device=device, dtype=dtype), self.h.to(device=device, dtype=dtype))

    def project(self, A: Tensor) -> Tensor:
        m, blocks = A.shape[1], self._by_features(A)
        out = self.S.new_empty(self.n, self.rows, m)
        for part in self.chunks(self.k * m):
            inner = (self.h[part] @ blocks).view(-1, self.k, m)
            torch.bmm(self.S[part], inner, out=out[part])
        return out

    def inner_through(self, A: Tensor) -> Tensor:
        """S_x Φ_x S_xᵀ with Φ = XXᵀ [k, k], X the products h_xᵀA_a: they meet S_x when m is summed over already."""
        m, blocks = A.shape[1], self._by_features(A)
        phi, parts = self.S.new_empty(self.n, self.k, self.k), self.chunks(self.k * m, _QUADRATIC_ELEMENTS)
        room = self.S.new_empty(len(self.S[parts[0]]) * self.k * m)
        for part in parts:
            size = len(self.S[part])
            X = torch.mm(self.h[part], blocks, out=room[: size * self.k * m].view(size, -1)).view(size, self.k, m)
            torch.bmm(X, X.mT, out=phi[part])
            did(2 * size * blocks.numel())
        return self.S @ phi @ self.S.mT

    def _by_features(self, A: Tensor) -> Tensor:
        """A [d, m] as [h, k·m], what the features are multiplied by."""
        return A.view(self.k, -1, A.shape[1]).permute(1, 0, 2).reshape(-1, self.k * A.shape[1])

    @property
    def gram_operations(self) -> float:
        whole = float(self.n * self.dim**2)  # of the features' outer products; the upper half alone
        return whole / 2 if feature_pairs.pays(self.n, self.k, self.device.type) else whole

    def quadratic(self, A: Tensor) -> Tensor:
        return self.quadratic_of(self.upper_blocks(A))

    def upper_blocks(self, A: Tensor) -> Iterator[Tensor]:
        """Give a symmetric A [d, d] as ``quadratic_of`` reads it.

        For every class a these are its blocks A_ab, b ≥ a, side by side: [h, (k−a)·h].
        """
        k, width = self.k, self.h.shape[1]
        blocks = A.view(k, width, k, width)
        for a in range(k):
            yield blocks[a, :, a:].reshape(width, -1)

    def quadratic_of(self, upper: Iterable[Tensor]) -> Tensor:
        """V_x A V_xᵀ = S_x Φ_x S_xᵀ [n, r, r] with Φ[x, a, b] = h_xᵀ A_ab h_x, from the ``upper_blocks`` of A.

        The blocks of one class are taken at a time; their products go into one buffer.
        """
        k, width = self.k, self.h.shape[1]
        phi, parts = self.S.new_empty(self.n, k, k), self.chunks(k * width, _QUADRATIC_ELEMENTS)
        room = self.S.new_empty(len(self.h[parts[0]]) * k * width)
        for a, blocks in enumerate(upper):
            for part in parts:
                h = self.h[part]
                left = torch.mm(h, blocks, out=room[: len(h) * blocks.shape[1]].view(len(h), -1))
                sums = left.view(len(h), k - a, width).mul_(h[:, None, :]).sum(2)
                phi[part, a, a:] = phi[part, a:, a] = sums
                did(2 * len(h) * blocks.numel())
        return self.S @ phi @ self.S.mT

    def inner(self) -> Tensor:
        """S_xS_xᵀ ‖h_x‖²."""
        out = self.S @ self.S.mT
        for part in self.chunks(self.h.shape[1]):
            out[part].mul_(self.h[part].square().sum(1)[:, None, None])
        return out

    def first_times(self, A: Tensor) -> Tensor:
        """S (h A_a), [r, m]: A is multiplied by the features, block by block, and never by all of V_x."""
        h = self.h[:1].expand(self.k, 1, -1)
        return self.S[0] @ torch.bmm(h, A.reshape(self.k, -1, A.shape[1]))[:, 0]

    def diagonals(self) -> Tensor:
        return (self.S.square().sum(1)[:, :, None] * self.h.square()[:, None, :]).flatten(1)

    def add_gram(self, out: Tensor, factor: float = 1.0) -> Tensor:
        """Add Σ_x (S_xᵀS_x) ⊗ (h_x h_xᵀ), one block row of the upper half at a time; of many classes by pairs."""
        if feature_pairs.pays(self.n, self.k, self.device.type):
            feature_pairs.add_pair_gram(self.S, self.h, out, factor)
            return out
        k, width = self.k, self.h.shape[1]
        blocks = out.view(k, width, k, width)
        for part in self.chunks(k * width, least=_GRAM_TOGETHER):
            h, weight = self.h[part], factor * (self.S[part].mT @ self.S[part])
            for a in range(k):
                left = (weight[:, a, a:, None] * h[:, None, :]).flatten(1)  # [c, (k−a)·h]
                out[a * width : (a + 1) * width, a * width :].addmm_(h.T, left)
                did(2 * left.numel() * width)
        for a in range(k):
            for b in range(a):
                blocks[a, :, b] = blocks[b, :, a].T
        return out


def _sparing(k: int, device: torch.device) -> Tensor:
    """B [k, k−1]: all but the last column of the reflection that maps the last axis to (1, …, 1)/√k, in float64."""
    v = torch.full((k,), k**-0.5, dtype=torch.float64, device=device)
    v[-1] -= 1
    reflection: Tensor = torch.eye(k, dtype=torch.float64, device=device) - torch.outer(v, v) / (1 - k**-0.5)
    return reflection[:, :-1]


def _describe(embedding: Embedding, n: int, rows: int, dim: int, like: Tensor) -> None:
    """Set the sizes that every embedding has (the classes are frozen, hence not by plain assignment)."""
    for name, value in {"n": n, "rows": rows, "dim": dim, "dtype": like.dtype, "device": like.device}.items():
        object.__setattr__(embedding, name, value)


def last_layer_embedding(logits: Tensor, features: Tensor) -> FactoredEmbedding:
    """BAIT's embedding: the gradient with respect to the last layer's weights (Ash et al. 2021).

    Args:
        logits: [n, k].
        features: [n, h], what enters the last layer.

    Returns:
        V [n, k−1, k·h], factored: it takes n(h + k²) numbers and is never built.

    Raises:
        InputError: shapes that do not match, fewer than two classes, NaN or infinity.

    Example:
        >>> import torch, fbench
        >>> V = fbench.last_layer_embedding(torch.randn(6, 3), torch.randn(6, 4))
        >>> V.n, V.rows, V.dim
        (6, 2, 12)
    """
    logits, features = torch.as_tensor(logits), torch.as_tensor(features)
    R = logit_rows(logits.detach())
    if features.ndim != 2 or features.shape[0] != logits.shape[0] or 0 in features.shape:
        raise InputError(
            f"features have shape {list(features.shape)} beside logits {list(logits.shape)}; "
            "they must be [n, h], n alike and neither of them 0"
        )
    if not features.is_floating_point():
        raise InputError(f"features have dtype {features.dtype}; they must be floating point")
    check_finite("features", features)
    return FactoredEmbedding(R.to(features.dtype), features.detach())


def dense_embedding(values: Tensor) -> DenseEmbedding:
    """An embedding from V [n, r, d] as given: any rows with the right V_xᵀV_x.

    Raises:
        InputError: not three axes, an empty one, NaN or infinity.

    Example:
        >>> import torch, fbench
        >>> fbench.dense_embedding(torch.ones(6, 2, 5)).dim
        5
    """
    values = torch.as_tensor(values)
    if values.ndim != 3 or 0 in values.shape or not values.is_floating_point():
        raise InputError(
            f"values of shape {list(values.shape)}, {values.dtype}: must be floating point [n, k, d], none empty"
        )
    check_finite("values", values)
    return DenseEmbedding(values.detach())
