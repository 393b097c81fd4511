"""What a selection will hold in memory at its peak, in bytes, from shapes alone and fitted to nothing.

Letters as in MATH: n candidates, k classes, h features, r rows a candidate, d weights (k·h for the last layer). The
dear parts are the d×d matrices and the r×r state of every candidate. torch is not imported: suites plan without it.
A test measures that a selection grows by no more than its plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fbench.fisher.embeddings import Embedding

_ITEMSIZE = {"float64": 8, "float32": 4}
_CHUNK = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Numbers of a chunked contraction's temporary, as in ``embeddings``; eight at most are held at once, or one of
a quadratic form's, which is four times as large, and four."""
_KEPT_BACK = 128 * 2**20
"""What an allocator keeps of blocks that were freed, at most: glibc holds back a few of up to 32 MiB each."""
_TILE = 512
"""Rows of a d×d matrix that are widened to float64 at a time, as in ``information``."""
_PACKED_ROWS = 32
"""The most rows whose G and H are kept as packed triangles, as in ``candidates``; on a CPU only."""


@dataclass(frozen=True)
class Shape:
    """The shape of an embedding: V [n, r, d] dense, or S [n, r, k] ⊗ h [n, d/k] where ``classes`` is k.

    Attributes:
        n: candidates, the labelled included.
        rows: r.
        dim: d.
        classes: k of a factored embedding; 0 for a dense one.
    """

    n: int
    rows: int
    dim: int
    classes: int = 0

    @property
    def width(self) -> int:
        """Features of a factored embedding."""
        return self.dim // self.classes

    @property
    def numbers(self) -> int:
        """How many numbers the embedding is made of."""
        return self.n * (self.rows * self.classes + self.width) if self.classes else self.n * self.rows * self.dim


@dataclass(frozen=True)
class SelectionPlan:
    """Bytes that a selection holds at its peak on one device, by part.

    Attributes:
        shape: of the embedding, the device's share of the candidates.
        method: of ``bait_select``.
        dtype: ``float32`` or ``float64``.
        device: ``cpu`` or ``cuda``: they hold different temporaries.
        inputs: of the embedding, which is there before the selection begins.
        matrices: d×d ones, by name; none where only diagonals are kept.
        others: whatever else it takes, by name.
    """

    shape: Shape
    method: str
    dtype: str
    device: str
    inputs: int
    matrices: Mapping[str, int]
    others: Mapping[str, int]

    @property
    def parts(self) -> dict[str, int]:
        """Everything beyond the inputs, by name."""
        return {**self.matrices, **self.others}

    @property
    def growth(self) -> int:
        """What the selection takes beyond its inputs."""
        return sum(self.parts.values())

    @property
    def total(self) -> int:
        """Inputs and growth."""
        return self.inputs + self.growth


def plan_selection(
    shape: Shape,
    *,
    dtype: str = "float32",
    method: str = "incremental",
    device: str = "cpu",
    shards: int = 1,
    copied: bool = False,
) -> SelectionPlan:
    """What ``bait_select`` will hold.

    Args:
        shape: of the candidates that one device holds.
        dtype: ``float32`` or ``float64``.
        method: ``incremental``, ``published`` or ``diagonal``.
        device: ``cpu`` or ``cuda``, with or without a number.
        shards: how many of the pool's shards lie on the device.
        copied: the embedding lies elsewhere, or in another dtype, and is copied.
    """
    itemsize, kind = _ITEMSIZE[dtype], device.partition(":")[0]
    inputs = shape.numbers * itemsize
    others = {f"the embedding in {dtype}": inputs} if copied else {}
    others |= _OTHERS[method](shape, itemsize, shards, kind)
    matrices = _MATRICES[method](shape.dim, itemsize, shards)
    taken = sum(matrices.values()) + sum(others.values())
    chunks = shards * 8 * itemsize * min(_CHUNK.get(kind, _CHUNK["cpu"]), shape.n * shape.dim)
    others["temporaries, and what is freed but kept back"] = chunks + min(_KEPT_BACK, taken + chunks)
    return SelectionPlan(shape, method, dtype, kind, inputs, matrices, others)


def _incremental_matrices(d: int, itemsize: int, shards: int) -> dict[str, int]:
    """F, P and Q, as they are when the most of them are.

    Either while the last shard gets its P, which is made in float64 beside the other shards' P and Q; or while picks
    are removed, all in float64 whatever the dtype and by then without the forward picks' matrices.
    """
    square, tiles = d * d, 5 * 8 * d * min(d, _TILE)
    held = 2 * (shards - 1) * itemsize * square
    loading = {"P in float64": 8 * square, "Q": itemsize * square, "P and Q of shards": held}
    loading["P rounded, or tiles of products"] = max(itemsize * square if itemsize < 8 else 0, tiles)
    removing = {"P and Q in float64": 16 * square, "tiles of products": tiles}
    more = max(loading, removing, key=lambda parts: sum(parts.values()))
    return {"F": itemsize * square, **{name: size for name, size in more.items() if size}}


def _published_matrices(d: int, itemsize: int, shards: int) -> dict[str, int]:
    square = d * d
    return {"F, and in float64": (itemsize + 8) * square, "M, and M⁻¹ twice, in float64": shards * 24 * square}


_MATRICES: dict[str, Callable[[int, int, int], dict[str, int]]] = {
    "incremental": _incremental_matrices,
    "published": _published_matrices,
    "diagonal": lambda d, itemsize, shards: {},
}
"""By method, from d, the bytes of a number and the shards on the device."""


def _incremental_others(shape: Shape, itemsize: int, shards: int, kind: str) -> dict[str, int]:
    """The r×r state of the candidates: packed triangles on a CPU, whole matrices on a GPU or of many rows."""
    n, r, k, d = shape.n, shape.rows, shape.classes, shape.dim
    if kind == "cpu" and r <= _PACKED_ROWS:
        parts = {"G and H of every candidate": n * r * (r + 1), "S in lanes": n * r * k}
    else:
        parts = {"G and H of every candidate": 2 * n * r * r}
        if kind != "cpu":
            parts["a pick's projections"] = 2 * n * max(k, r) * r
    parts["rows of picks to fold into P and Q"] = shards * 2 * max(64, d // 8) * d
    return {name: size * itemsize for name, size in parts.items() if size}


def _published_others(shape: Shape, itemsize: int, shards: int, kind: str) -> dict[str, int]:
    built = shape.n * shape.rows * shape.dim * itemsize
    chunks = 4 * min(shape.n, 1024) * shape.rows * shape.dim * itemsize
    return {"V, dense": built, "V dense once more, or products of a chunk": max(built, chunks)}


_OTHERS: dict[str, Callable[[Shape, int, int, str], dict[str, int]]] = {
    "incremental": _incremental_others,
    "published": _published_others,
    "diagonal": lambda shape, itemsize, shards, kind: {"diagonals": shards * 4 * 8 * shape.dim},
}
"""By method, from the shape, the bytes of a number, the shards on the device and its kind."""


def shape_of(embedding: Embedding) -> Shape:
    """The shape of an embedding."""
    return Shape(embedding.n, embedding.rows, embedding.dim, getattr(embedding, "k", 0))
