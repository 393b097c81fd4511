"""Bytes that a selection holds in each of its phases, by part: formulas of n, r, k, d, B, chunk and dtype.

Letters as in MATH: n candidates, r rows a candidate, k classes, d weights; b bytes a number, c candidates of a chunk.
``fisher`` makes F; ``init`` M and the state of the candidates; ``forward`` picks, refreshing once where a method may;
``backward`` removes, all in float64. A phase's bytes are those at its peak, the largest of the moments that are
written down here; nothing is fitted. tests/fisher/test_phases.py holds each to the tensors alive in a real selection.
torch is not imported: suites plan without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from fbench.fisher.planning.shapes import Shape

CHUNK = {"cpu": 1 << 18, "cuda": 1 << 26}
"""Numbers of a chunked contraction's temporary, as in ``embeddings``."""
QUADRATIC = {"cpu": 1 << 20, "cuda": 1 << 26}
"""The same of a quadratic form's room."""
TILE = 512
"""Rows of a d×d matrix that are worked on at a time, as in ``information``."""
PACKED_ROWS = 32
"""The most rows whose G and H are kept as packed triangles, as in ``candidates``; on a CPU only."""
_KEPT = 32 * 2**20
"""Bytes from which on glibc returns a block as soon as it is freed (the upper bound of its mmap threshold)."""

Parts = dict[str, int]


@dataclass(frozen=True)
class Held:
    """What is held at one moment beyond the inputs: d×d ``matrices`` and ``others``, bytes by name."""

    matrices: Parts = field(default_factory=dict)
    others: Parts = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """All of it."""
        return sum(self.matrices.values()) + sum(self.others.values())

    def beside(self, other: Held) -> Held:
        """Both at once; the names must differ."""
        return Held({**self.matrices, **other.matrices}, {**self.others, **other.others})


@dataclass(frozen=True)
class Setting:
    """A selection by its sizes.

    Attributes:
        shape: of the embedding, the candidates that one device holds.
        itemsize: b.
        kind: ``cpu`` or ``cuda``.
        shards: of the pool on that device.
        picks: forward picks.
        removals: of them.
        chunk: candidates of a trace kernel's chunk.
        labelled: n_L.
    """

    shape: Shape
    itemsize: int
    kind: str
    shards: int
    picks: int
    removals: int
    chunk: int
    labelled: int = TILE

    @property
    def square(self) -> int:
        """d²."""
        return self.shape.dim**2

    def limit(self, limits: dict[str, int] = CHUNK) -> int:
        """Numbers of a temporary."""
        return limits.get(self.kind, limits["cuda"])

    def removing(self) -> Setting:
        """The forward picks as a pool of their own, in float64, on one device; each removal is a pick there."""
        return replace(self, shape=replace(self.shape, n=self.picks), itemsize=8, shards=1, picks=self.removals)


def _fisher(s: Setting) -> list[Held]:
    """F, and of a last layer SᵀS of a chunk, twice and beside that of the chunk before; then two of its block rows
    SᵀS ⊗ h, or one and its product with h.
    """
    shape, F = s.shape, {"F": s.itemsize * s.square}
    if not shape.classes:
        return [Held(F)]
    c, d, h, k = min(shape.n, max(1, s.limit() // shape.dim)), shape.dim, shape.width, shape.classes
    weights = (2 if c == shape.n else 3) * c * k**2
    products = c * k**2 + c * d + max(c * (d - h), h * d)
    return [Held(F, {"a chunk's products": s.itemsize * max(weights, products)})]


def _state(s: Setting) -> Parts:
    """G and H of every candidate: packed triangles on a CPU, whole matrices on a GPU or of many rows."""
    n, r, k = s.shape.n, s.shape.rows, s.shape.classes
    if s.kind == "cpu" and r <= PACKED_ROWS:
        parts = {"G and H of every candidate": n * r * (r + 1), "S in lanes": n * r * k}
    else:
        parts = {"G and H of every candidate": 2 * n * r * r}
    return {name: s.itemsize * size for name, size in parts.items() if size}


def _marks(s: Setting) -> Held:
    """A candidate's position, whether it is open, its score and trace, and those of a pick, gathered and masked."""
    return Held({}, {"scores of the candidates": s.shape.n * (9 + 4 * s.itemsize)})


def _quadratic(s: Setting) -> int:
    """Temporaries of a chunk's V_x A V_xᵀ: of a last layer Φ, SΦ, the product and it times α, and the room for h A."""
    n, r, k, d = s.shape.n, s.shape.rows, s.shape.classes, s.shape.dim
    outer = min(n, max(1, s.limit() // r**2))
    if not k:
        inner = min(outer, max(1, s.limit() // (r * d))) * r * d
        return s.itemsize * (outer * r * r + max(outer * r * r, inner))
    room = min(outer, max(1, s.limit(QUADRATIC) // d)) * d
    return s.itemsize * (outer * (k * k + r * k + 2 * r * r) + room)


def _projections(s: Setting) -> int:
    """V_x onto a pick's 2r columns: of all candidates at once where one kernel takes them on, else chunk by chunk."""
    n, r, k = s.shape.n, s.shape.rows, s.shape.classes
    if s.kind != "cpu" and r <= PACKED_ROWS and s.itemsize == 4:
        return s.itemsize * n * 2 * r * max(k, r)
    packed = s.kind == "cpu" and r <= PACKED_ROWS
    chunk = min(n, max(1, s.limit() // ((k * 2 * r if k else r * s.shape.dim) if packed else r * r)))
    return s.itemsize * chunk * (2 * r * (k + r) if packed else max(6 * r * r, 2 * r * (k + r)))


def _curvature(s: Setting) -> Held:
    """P, Q and the rows of picks that wait to be folded in: as many as were written, for a CPU lends no more."""
    rows = min(_most_rows(s), s.picks * s.shape.rows) if s.kind == "cpu" else _most_rows(s)
    held = {"P and Q": 2 * s.shards * s.itemsize * s.square}
    return Held(held, {"rows of picks to fold into P and Q": s.shards * 2 * s.itemsize * rows * s.shape.dim})


def _most_rows(s: Setting) -> int:
    return max(64, s.shape.dim // 8)


def _folding(s: Setting) -> Parts:
    """The gathered rows in the two orders that Q's change takes, once there are as many as there is room for."""
    folds = s.picks * s.shape.rows > _most_rows(s)
    return {"gathered rows in order": 4 * s.itemsize * _most_rows(s) * s.shape.dim} if folds else {}


def _loading(s: Setting) -> list[Held]:
    """P comes in float64; Q, tile by tile, beside it; then P is rounded. Earlier shards hold theirs meanwhile.

    On a CPU the tiles are freed but not gone when P is rounded: the C library keeps blocks under 32 MiB for later.
    """
    d, b, T = s.shape.dim, s.itemsize, min(s.shape.dim, TILE)
    earlier = {"P and Q of other shards": 2 * (s.shards - 1) * b * s.square} if s.shards > 1 else {}
    both = {"P in float64": 8 * s.square, "Q": b * s.square}
    tiles = {"tiles of products": 24 * T * d + 2 * b * T * T}
    rounded = {"P": b * s.square} if b < 8 else {}
    kept = {"tiles kept back": 24 * T * d} if s.kind == "cpu" and 8 * T * d < _KEPT else {}
    return [Held(both | earlier, tiles), Held(both | earlier | rounded, kept)]


def _incremental(s: Setting) -> dict[str, list[Held]]:
    F = Held({"F": s.itemsize * s.square}).beside(_marks(s))
    state, curvature = Held({}, _state(s)), _curvature(s)
    loading = [F.beside(each) for each in _loading(s)]
    # a CPU lends no room before it is written to: G and H are not there before the first P and Q
    before = Held() if s.kind == "cpu" else state
    filling = {"a chunk's quadratic forms": _quadratic(s)}
    loaded = F.beside(state).beside(curvature)
    steady = loaded.beside(Held({}, {"a pick's projections": max(_projections(s), *_folding(s).values(), 0)}))
    probing = loaded.beside(Held({"M in float64": 8 * s.square}))
    return {
        "init": [*(each.beside(before) for each in loading), loaded.beside(Held({}, filling))],
        "forward": [steady, *(each.beside(state) for each in loading), loaded.beside(Held({}, filling))],
        "backward": [probing, *_removals(s, _incremental_removals), *_finish(s)],
    }


def _incremental_removals(s: Setting) -> list[Held]:
    state = Held({}, _state(s))
    return [*_loading(s), _curvature(s).beside(state).beside(Held({}, _folding(s)))]


def _recomputed(s: Setting, kernel: str) -> dict[str, list[Held]]:
    built = s.shape.n * s.shape.numbers_dense * s.itemsize if s.shape.classes and kernel != "factored" else 0
    V = Held({}, {"V, built": built} if built else {})
    F = Held({"F": s.itemsize * s.square}).beside(V).beside(_marks(s))
    samples = min(s.labelled * s.shape.rows, TILE) * s.shape.dim * (8 + s.itemsize)
    fixed = F.beside(_own(s))
    return {
        "init": [fixed.beside(Held({}, {"labelled samples in float64": samples}))],
        "forward": [F.beside(each) for each in _scoring(s, kernel)],
        "backward": [fixed, *_removals(s, partial(_scoring, kernel=kernel)), *_finish(s)],
    }


def _own(s: Setting) -> Held:
    """What every shard keeps for itself."""
    return Held({"F/α": s.shards * s.itemsize * s.square, "M in float64": s.shards * 8 * s.square})


def _scoring(s: Setting, kernel: str) -> list[Held]:
    """M⁻¹ comes in float64 and is rounded; then what the kernel makes of it and F; then its chunks."""
    b, square = s.itemsize, s.square
    rounded, fixed = {"M⁻¹": b * square}, _own(s)
    inverting = fixed.beside(Held({"M⁻¹ in float64": 8 * square} | (rounded if b < 8 else {})))
    moments = [Held(rounded | more.matrices, more.others) for more in _KERNELS[kernel](s)]
    return [inverting, *(fixed.beside(each) for each in moments)]


def _chunk(s: Setting) -> int:
    """V of a chunk, dense."""
    return min(s.chunk, s.shape.n) * s.shape.numbers_dense * s.itemsize


def _forms(s: Setting) -> int:
    """An r×r matrix of every candidate of a chunk."""
    return min(s.chunk, s.shape.n) * s.shape.rows**2 * s.itemsize


def _products(s: Setting) -> Held:
    """Two products of a chunk's V with d×d matrices, and the r×r matrices that come of one of them."""
    return Held({}, {"two products of a chunk": 2 * _chunk(s) + _forms(s)})


def _solved(s: Setting) -> Held:
    """H, G and A = I + G, the factors of A, and the solution: r×r of every candidate of a chunk."""
    return Held({}, {"r×r matrices of a chunk": 5 * _forms(s)})


def _published(s: Setting) -> list[Held]:
    return [_products(s), _solved(s)]


def _sandwich(s: Setting) -> list[Held]:
    """M⁻¹F and M⁻¹FM⁻¹; then Q is made symmetric, a tile at a time."""
    size, T = s.itemsize * s.square, min(s.shape.dim, TILE)
    return [
        Held({"two products on the way to Q": 2 * size}),
        Held({"Q": size}, {"tiles of Q": 2 * s.itemsize * T * T}),
    ]


def _fused(s: Setting) -> list[Held]:
    Q, product = Held({"Q": s.itemsize * s.square}), Held({}, {"a product of a chunk": _chunk(s)})
    return [*_sandwich(s), Q.beside(_products(s)), Q.beside(product).beside(_solved(s))]


def _factored(s: Setting) -> list[Held]:
    size, k, r, c = s.itemsize * s.square, s.shape.classes, s.shape.rows, min(s.chunk, s.shape.n)
    upper = size * (k + 1) // (2 * k) if k else 0
    room = min(c, max(1, s.limit(QUADRATIC) // s.shape.dim)) * s.shape.dim
    forms = {"a chunk's quadratic forms": s.itemsize * (c * (k * k + r * k + 2 * r * r) + room)}
    blocks = {"upper blocks of M⁻¹ and Q": 2 * upper}
    return [*_sandwich(s), Held({"Q": size} | blocks), Held(blocks, forms), Held(blocks).beside(_solved(s))]


_KERNELS: dict[str, Callable[[Setting], list[Held]]] = {
    "published": _published,
    "fused": _fused,
    "factored": _factored,
}


def _removals(s: Setting, moments: Callable[[Setting], list[Held]]) -> list[Held]:
    """The same on the forward picks alone, widened to float64 beside F."""
    if not s.removals:
        return []
    few = s.removing()
    kept = Held({"F": s.itemsize * s.square}, {"the picks in float64": 8 * few.shape.numbers})
    return [kept.beside(_renamed(each)) for each in moments(few)]


def _renamed(held: Held) -> Held:
    """What is held for removals, told apart from what stays of the forward picks."""
    return Held({_wide(name): size for name, size in held.matrices.items()}, held.others)


def _wide(name: str) -> str:
    return name if "float64" in name else f"{name} in float64"


def _finish(s: Setting) -> list[Held]:
    """tr(F M⁻¹): M⁻¹ in float64, and two tiles."""
    T = min(s.shape.dim, TILE)
    more = {"M⁻¹ in float64": 8 * s.square}
    return [Held({"F": s.itemsize * s.square} | more, {"tiles of products": 16 * T * s.shape.dim})]


def _diagonal(s: Setting) -> dict[str, list[Held]]:
    """Diagonals alone, and those of a chunk's candidates: summed up in float64, then thrice beside each other.

    A dense V is squared whole, r times as many numbers as its diagonals are.
    """
    shape, b, one = s.shape, s.itemsize, s.shape.numbers // s.shape.n
    c, labelled = min(shape.n, max(1, s.limit() // shape.dim)), min(s.labelled, shape.n)
    squares = 0 if shape.classes else shape.numbers_dense
    summing = 8 * (shape.dim + squares + 2 * one if shape.classes else one + squares + shape.dim)
    few = b * labelled * one + summing * min(c, labelled)
    more = {"fisher": c * summing, "init": few, "forward": b * c * (3 * shape.dim + squares), "backward": few}
    kept = {"diagonals": s.shards * 4 * 8 * shape.dim}
    return {phase: [Held({}, kept | {"a chunk's diagonals": size})] for phase, size in more.items()}


_METHODS: dict[str, Callable[[Setting], dict[str, list[Held]]]] = {
    "incremental": _incremental,
    "published": partial(_recomputed, kernel="published"),
    "fused": partial(_recomputed, kernel="fused"),
    "factored": partial(_recomputed, kernel="factored"),
    "diagonal": _diagonal,
}


def phases(method: str, setting: Setting) -> dict[str, Held]:
    """What each phase holds at its peak beyond the inputs: ``fisher``, ``init``, ``forward``, ``backward``."""
    moments = {"fisher": _fisher(setting), **_METHODS[method](setting)}
    return {phase: max(each, key=lambda held: held.bytes) for phase, each in moments.items()}
