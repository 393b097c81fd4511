"""Bytes that a selection holds in each of its phases, by part: formulas of n, r, k, d, B, chunk and dtype.

Letters as in ../MATH.md ("Planning"): n candidates, r rows a candidate, k classes, d weights; b bytes a number, c
candidates of a chunk.

``fisher`` makes F; ``init`` M and the state of the candidates; ``forward`` picks, refreshing once where a method may;
``backward`` removes, all in float64. A phase's bytes are those at its peak, the largest of the moments that are
written down here; nothing is fitted. Of a chunk that one core works on it counts one: every further core that works at
the same time holds as much, a few megabytes. A test (tests/fisher/planning/test_phases.py) compares each with the
tensors alive in a real selection. torch is not imported: suites plan without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from fbench.fisher.planning.shapes import Shape
from fbench.fisher.symmetric import column_blocks

CHUNK = {"cpu": 1 << 18, "cuda": 1 << 26}
"""How many numbers a chunked contraction's temporary may hold, as in ``embeddings``."""
LEAST_CHUNK, CHUNKS = 1 << 15, 32
"""How many numbers a pick's chunk has at least, and about how many chunks a small pool, as in ``packed``."""
QUADRATIC = {"cpu": 1 << 20, "cuda": 1 << 26}
"""How many numbers a quadratic form's buffer may hold, as in ``embeddings``."""
TILE = 512
"""How many rows of a d×d matrix are worked on at a time, as in ``inverses``."""
PACKED_ROWS = 32
"""The most rows whose G and H are kept as packed triangles, as in ``candidates``; on a CPU only."""
BLOCK_LANES = 16
"""Candidates of a block of lanes, as in ``registers``."""
LEAST_ROWS, FEW_ROWS, LONG_ROWS = 3, 12, 128
"""Rows that are projected where they lie: so many of a candidate, at least so long, as in ``packed``."""
READ_NUMBERS, READ_CANDIDATES = 1 << 22, 1 << 10
"""How many of V's own numbers, and always how many candidates, a chunk may take, as in ``embeddings``."""
GRAM_TOGETHER, GRAM = 512, 1 << 26
"""How many candidates of a last layer at least, and numbers of a dense V, are multiplied in one: those of
``embeddings`` too."""
PAIRED_CLASSES, PAIRED_CANDIDATES, PAIR_STRIP, PAIRED_TOGETHER = 20, 1024, 16, 512
"""When a last layer is summed over by pairs of features, in what strips, and how many candidates at a time, as in
``feature_pairs``."""
_KEPT = 32 * 2**20
"""Bytes from which on glibc returns a block as soon as it is freed (the upper bound of its mmap threshold)."""

Parts = dict[str, int]


def read_together(shape: Shape) -> int:
    """The most numbers of an embedding that lies in a file that are read together.

    Example:
        >>> read_together(Shape(n=10**6, rows=9, dim=2560, classes=10)), read_together(Shape(n=100, rows=9, dim=640))
        (4194304, 576000)
    """
    one = shape.width if shape.classes else shape.numbers_dense
    most = max(READ_NUMBERS, READ_CANDIDATES * one, 0 if shape.classes else GRAM)
    return min(shape.n * one, most)


@dataclass(frozen=True)
class Held:
    """What is held at one moment beyond the inputs: d×d ``matrices`` and ``others``, bytes by name.

    Example:
        >>> Held({"F": 800}).beside(Held({}, {"a chunk's products": 64})).bytes
        864
    """

    matrices: Parts = field(default_factory=dict)
    others: Parts = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes of all matrices and others."""
        return sum(self.matrices.values()) + sum(self.others.values())

    def beside(self, other: Held) -> Held:
        """What is held when both are there at once; the names must differ."""
        return Held({**self.matrices, **other.matrices}, {**self.others, **other.others})


@dataclass(frozen=True)
class SelectionSizes:
    """A selection by its sizes.

    Attributes:
        shape: of the embedding, the candidates that one device holds.
        itemsize: b, bytes a number.
        device_type: ``cpu`` or ``cuda``.
        shards: of the pool that lie on that device.
        picks: forward picks.
        removals: how many of the picks are removed.
        chunk: candidates of a trace kernel's chunk.
        labelled: n_L.

    Example:
        >>> sizes = SelectionSizes(Shape(1000, 9, 640, 10), 4, "cpu", shards=1, picks=20, removals=10, chunk=256)
        >>> sizes.square, sizes.removing().shape.n, sizes.removing().picks
        (409600, 20, 10)
    """

    shape: Shape
    itemsize: int
    device_type: str
    shards: int
    picks: int
    removals: int
    chunk: int
    labelled: int = TILE

    @property
    def square(self) -> int:
        """d², the numbers of a d×d matrix."""
        return self.shape.dim**2

    def limit(self, limits: dict[str, int] = CHUNK) -> int:
        """How many numbers a temporary may hold on this device."""
        return limits.get(self.device_type, limits["cuda"])

    def removing(self) -> SelectionSizes:
        """Sizes of the removals: the forward picks are a pool in float64 on one device, and each removal is a pick."""
        return replace(self, shape=replace(self.shape, n=self.picks), itemsize=8, shards=1, picks=self.removals)


def _fisher(s: SelectionSizes) -> list[Held]:
    """F and, for a last layer, what a chunk adds to it.

    First SᵀS, twice, beside that of the chunk before; then two block rows SᵀS ⊗ h.
    """
    shape, F = s.shape, {"F": s.itemsize * s.square}
    if not shape.classes:
        return [Held(F)]
    if _by_pairs(s):
        c, k = min(shape.n, PAIRED_TOGETHER), shape.classes
        pairs = k * (k + 1) // 2
        products = c * max(k**2 + 2 * pairs, pairs + PAIR_STRIP * shape.width)
        others = {"sums over pairs of features": _pair_numbers(shape), "a chunk's products": products}
        return [Held(F, {name: s.itemsize * size for name, size in others.items()})]
    c = min(shape.n, max(GRAM_TOGETHER, s.limit() // shape.dim))
    weights = (2 if c == shape.n else 3) * c * shape.classes**2
    return [Held(F, {"a chunk's products": s.itemsize * max(weights, _gram_numbers(shape, c))})]


def _gram_numbers(shape: Shape, c: int) -> int:
    """SᵀS of c candidates of a last layer, and two block rows SᵀS ⊗ h."""
    return c * shape.classes**2 + c * shape.dim + c * (shape.dim - shape.width)


def _by_pairs(s: SelectionSizes) -> bool:
    """Whether a last layer's candidates are summed over by pairs of features."""
    many = s.shape.classes >= PAIRED_CLASSES and s.shape.n >= PAIRED_CANDIDATES
    return many and s.device_type == "cpu"


def _pair_numbers(shape: Shape) -> int:
    """Numbers of a product of all strips' pairs of features with all pairs of classes."""
    h, k, T = shape.width, shape.classes, PAIR_STRIP
    return sum(min(T, h - first) * (h - first) for first in range(0, h, T)) * (k * (k + 1) // 2)


def _state(s: SelectionSizes) -> Parts:
    """G and H of every candidate: packed triangles on a CPU, whole matrices on a GPU or of many rows."""
    n, r, k = s.shape.n, s.shape.rows, s.shape.classes
    if s.device_type == "cpu" and r <= PACKED_ROWS:
        parts = {"G and H of every candidate": n * r * (r + 1), "S in lanes": n * r * k}
    else:
        parts = {"G and H of every candidate": 2 * n * r * r}
    return {name: s.itemsize * size for name, size in parts.items() if size}


def _marks(s: SelectionSizes) -> Held:
    """Every candidate's position, whether it is open, its score and trace; scores once more, gathered and masked."""
    return Held({}, {"scores of the candidates": s.shape.n * (9 + 4 * s.itemsize)})


def _quadratic(s: SelectionSizes) -> int:
    """Bytes of a chunk's V_x A V_xᵀ, and that times α.

    Beside it of a dense V: T, V T, X; of a last layer: Φ, SΦ, their product, the buffer for h A.
    """
    n, r, k, d = s.shape.n, s.shape.rows, s.shape.classes, s.shape.dim
    outer = min(n, max(1, s.limit() // r**2))
    if not k:
        half = sum(block.stop * (block.stop - block.start) for block in column_blocks(d))
        inner: int = min(outer, max(1, s.limit() // (r * d))) * r * (d + r) + half
        return s.itemsize * (outer * r * r + max(outer * r * r, inner))
    if _by_pairs(s):
        c = min(outer, PAIRED_TOGETHER)
        return s.itemsize * (2 * outer * r * r + c * (k * k + k * (k + 1) // 2 + r * k + PAIR_STRIP * s.shape.width))
    room = min(outer, max(1, s.limit(QUADRATIC) // d)) * d
    return s.itemsize * (outer * (k * k + r * k + 2 * r * r) + room)


def _projections(s: SelectionSizes) -> int:
    """Bytes of V_x times a pick's 2r columns: all candidates at once where one kernel takes them, else a chunk's."""
    n, r, k = s.shape.n, s.shape.rows, s.shape.classes
    if s.device_type != "cpu" and r <= PACKED_ROWS and s.itemsize == 4:
        return s.itemsize * n * 2 * r * max(k, r)
    packed = s.device_type == "cpu" and r <= PACKED_ROWS
    width = 2 * r * (k or r) if packed else r * r
    numbers = min(s.limit(), max(LEAST_CHUNK, n * width // CHUNKS)) if packed else s.limit()
    chunk = min(n, max(1, numbers // width))
    if packed and not k:
        if LEAST_ROWS <= r <= FEW_ROWS and s.shape.dim >= LONG_ROWS:
            return s.itemsize * chunk * 2 * r * r
        # as projected and in lanes, and filled up between where the last candidates are among them
        return s.itemsize * chunk * 2 * r * r * (3 if chunk == n and n % BLOCK_LANES else 2)
    return s.itemsize * chunk * (2 * r * (k + r) if packed else max(6 * r * r, 2 * r * (k + r)))


def _curvature(s: SelectionSizes) -> Held:
    """P, Q and the rows that wait to be folded in: on a CPU as many as were written, since it lends no more."""
    rows = min(_most_rows(s), s.picks * s.shape.rows) if s.device_type == "cpu" else _most_rows(s)
    held = {"P and Q": 2 * s.shards * s.itemsize * s.square}
    return Held(held, {"rows of picks to fold into P and Q": s.shards * 2 * s.itemsize * rows * s.shape.dim})


def _most_rows(s: SelectionSizes) -> int:
    return max(64, s.shape.dim // 16)


def _loading(s: SelectionSizes, bought: int) -> list[Held]:
    """P comes in float64; Q, tile by tile, beside it; then P is rounded. Earlier shards hold theirs meanwhile.

    Where few are ``bought``, their rows and what they make of F take the place of P in float64. On a CPU the tiles are
    freed but not gone when P is rounded: the C library keeps blocks under 32 MiB for later.
    """
    d, b, T, m = s.shape.dim, s.itemsize, min(s.shape.dim, TILE), bought * s.shape.rows
    earlier = {"P and Q of other shards": 2 * (s.shards - 1) * b * s.square} if s.shards > 1 else {}
    if 2 * m <= d:
        tile = {"a tile of a product": 8 * T * d + b * T * T}
        with_F = Held({"Q": b * s.square} | earlier, {"rows that were bought, and their F": 16 * m * d} | tile)
        inverse = Held({"Q": b * s.square, "P": b * s.square} | earlier, {"rows that were bought": 8 * m * d} | tile)
        return [with_F, inverse]
    both = {"P in float64": 8 * s.square, "Q": b * s.square}
    tiles = {"tiles of products": 24 * T * d + 2 * b * T * T}
    rounded = {"P": b * s.square} if b < 8 else {}
    kept = {"tiles kept back": 24 * T * d} if s.device_type == "cpu" and 8 * T * d < _KEPT else {}
    return [Held(both | earlier, tiles), Held(both | earlier | rounded, kept)]


def _filling(s: SelectionSizes, bought: int) -> Parts:
    """Quadratic forms of a chunk; where few are ``bought``, beside their rows, by which those of P are made."""
    n, r, k, m, d = s.shape.n, s.shape.rows, s.shape.classes, bought * s.shape.rows, s.shape.dim
    few = 0 < 2 * m <= d
    gathered = s.itemsize * _pair_numbers(s.shape) * (1 if few else 2) if _by_pairs(s) else 0
    pairs = {"P and Q by pairs of features": gathered} if gathered else {}
    if not few:
        return {"a chunk's quadratic forms": _quadratic(s)} | pairs
    outer = min(-(-n // s.shards), max(1, s.limit() // r**2))
    if k:  # the rows once more, class beside class; what the features make of them; Φ, SΦ, their product
        room = min(outer, max(1, s.limit(QUADRATIC) // (k * m))) * k * m
        products = m * d + room + outer * (k * k + r * k + r * r)
    else:
        products = 2 * min(outer, max(1, s.limit() // (r * m))) * r * m + outer * r * r
    forms = max(_quadratic(s), s.itemsize * (2 * outer * r * r + products))
    return {"a chunk's quadratic forms": forms, "rows that were bought": (8 + s.itemsize) * m * d} | pairs


def _incremental(asked: SelectionSizes) -> dict[str, list[Held]]:
    """Phases of the embedding as it is reduced, beside the rows in logit space that this makes anew."""
    s, S = replace(asked, shape=asked.shape.reduced), Held()
    if s.shape != asked.shape:
        S = Held({}, {"S in k − 1 columns": s.itemsize * s.shape.n * s.shape.rows * s.shape.classes})
    return {phase: [S.beside(moment) for moment in moments] for phase, moments in _incremental_phases(s).items()}


def _incremental_phases(s: SelectionSizes) -> dict[str, list[Held]]:
    F = Held({"F": s.itemsize * s.square}).beside(_marks(s))
    state, curvature = Held({}, _state(s)), _curvature(s)
    bought = s.labelled + s.picks
    loading, again = ([F.beside(moment) for moment in _loading(s, count)] for count in (s.labelled, bought))
    # a CPU lends no room before it is written to: G and H are not there before the first P and Q
    before = Held() if s.device_type == "cpu" else state
    loaded = F.beside(state).beside(curvature)
    steady = loaded.beside(Held({}, {"a pick's projections": _projections(s)}))
    probing = loaded.beside(Held({"M in float64": 8 * s.square}))
    return {
        "fisher": _fisher(s),
        "init": [*(moment.beside(before) for moment in loading), loaded.beside(Held({}, _filling(s, s.labelled)))],
        "forward": [steady, *(moment.beside(state) for moment in again), loaded.beside(Held({}, _filling(s, bought)))],
        "backward": [probing, *_removals(s, _incremental_removals), *_finish(s)],
    }


def _incremental_removals(s: SelectionSizes) -> list[Held]:
    state = Held({}, _state(s))
    return [*_loading(s, s.labelled + s.shape.n), _curvature(s).beside(state)]


def _recomputed(s: SelectionSizes, kernel: str) -> dict[str, list[Held]]:
    built = s.shape.n * s.shape.numbers_dense * s.itemsize if s.shape.classes and kernel != "factored" else 0
    V = Held({}, {"V, built": built} if built else {})
    F = Held({"F": s.itemsize * s.square}).beside(V).beside(_marks(s))
    samples = min(s.labelled * s.shape.rows, TILE) * s.shape.dim * (8 + s.itemsize)
    if s.shape.classes:
        samples = 8 * _gram_numbers(s.shape, min(s.labelled, TILE // s.shape.rows))
    fixed = F.beside(_shard_matrices(s))
    return {
        "init": [fixed.beside(Held({}, {"labelled samples in float64": samples}))],
        "forward": [F.beside(moment) for moment in _scoring(s, kernel)],
        "backward": [fixed, *_removals(s, partial(_scoring, kernel=kernel)), *_finish(s)],
    }


def _shard_matrices(s: SelectionSizes) -> Held:
    """The matrices that every shard keeps for itself."""
    return Held({"F/α": s.shards * s.itemsize * s.square, "M in float64": s.shards * 8 * s.square})


def _scoring(s: SelectionSizes, kernel: str) -> list[Held]:
    """M⁻¹ comes in float64 and is rounded; then what the kernel makes of it and F; then its chunks."""
    b, square = s.itemsize, s.square
    rounded, fixed = {"M⁻¹": b * square}, _shard_matrices(s)
    inverting = fixed.beside(Held({"M⁻¹ in float64": 8 * square} | (rounded if b < 8 else {})))
    moments = [Held(rounded | more.matrices, more.others) for more in _KERNELS[kernel](s)]
    return [inverting, *(fixed.beside(moment) for moment in moments)]


def _chunk(s: SelectionSizes) -> int:
    """Bytes of a chunk's V, dense."""
    return min(s.chunk, s.shape.n) * s.shape.numbers_dense * s.itemsize


def _forms(s: SelectionSizes) -> int:
    """Bytes of an r×r matrix for every candidate of a chunk."""
    return min(s.chunk, s.shape.n) * s.shape.rows**2 * s.itemsize


def _products(s: SelectionSizes) -> Held:
    """Two products of a chunk's V with d×d matrices, and the r×r matrices that come of one of them."""
    return Held({}, {"two products of a chunk": 2 * _chunk(s) + _forms(s)})


def _solved(s: SelectionSizes) -> Held:
    """H, G and A = I + G, the factors of A, and the solution: r×r for every candidate of a chunk."""
    return Held({}, {"r×r matrices of a chunk": 5 * _forms(s)})


def _published(s: SelectionSizes) -> list[Held]:
    return [_products(s), _solved(s)]


def _sandwich(s: SelectionSizes) -> list[Held]:
    """M⁻¹F and M⁻¹FM⁻¹; then Q is made symmetric, a tile at a time."""
    size, T = s.itemsize * s.square, min(s.shape.dim, TILE)
    return [
        Held({"two products on the way to Q": 2 * size}),
        Held({"Q": size}, {"tiles of Q": 2 * s.itemsize * T * T}),
    ]


def _fused(s: SelectionSizes) -> list[Held]:
    Q, product = Held({"Q": s.itemsize * s.square}), Held({}, {"a product of a chunk": _chunk(s)})
    return [*_sandwich(s), Q.beside(_products(s)), Q.beside(product).beside(_solved(s))]


def _factored(s: SelectionSizes) -> list[Held]:
    size, k, r, c = s.itemsize * s.square, s.shape.classes, s.shape.rows, min(s.chunk, s.shape.n)
    upper = size * (k + 1) // (2 * k) if k else 0
    room = min(c, max(1, s.limit(QUADRATIC) // s.shape.dim)) * s.shape.dim
    forms = {"a chunk's quadratic forms": s.itemsize * (c * (k * k + r * k + 2 * r * r) + room)}
    blocks = {"upper blocks of M⁻¹ and Q": 2 * upper}
    return [*_sandwich(s), Held({"Q": size} | blocks), Held(blocks, forms), Held(blocks).beside(_solved(s))]


_KERNELS: dict[str, Callable[[SelectionSizes], list[Held]]] = {
    "published": _published,
    "fused": _fused,
    "factored": _factored,
}


def _removals(s: SelectionSizes, moments: Callable[[SelectionSizes], list[Held]]) -> list[Held]:
    """The ``moments`` of a selection among the forward picks alone, widened to float64, beside F."""
    if not s.removals:
        return []
    few = s.removing()
    kept = Held({"F": s.itemsize * s.square}, {"the picks in float64": 8 * few.shape.numbers})
    return [kept.beside(_renamed(moment)) for moment in moments(few)]


def _renamed(held: Held) -> Held:
    """What is held for removals, under names that differ from those of the forward picks' matrices."""
    return Held({_wide(name): size for name, size in held.matrices.items()}, held.others)


def _wide(name: str) -> str:
    return name if "float64" in name else f"{name} in float64"


def _finish(s: SelectionSizes) -> list[Held]:
    """tr(F M⁻¹): M⁻¹ in float64, and two tiles."""
    T = min(s.shape.dim, TILE)
    more = {"M⁻¹ in float64": 8 * s.square}
    return [Held({"F": s.itemsize * s.square} | more, {"tiles of products": 16 * T * s.shape.dim})]


def _diagonal(s: SelectionSizes) -> dict[str, list[Held]]:
    """Diagonals alone, and those of a chunk's candidates: summed in float64, then three of them side by side.

    A dense V is squared whole: r times as many numbers as its diagonals.
    """
    shape, b, one = s.shape, s.itemsize, s.shape.numbers_each
    c, labelled = min(shape.n, max(1, s.limit() // shape.dim)), min(s.labelled, shape.n)
    squares = 0 if shape.classes else shape.numbers_dense
    summing = 8 * (shape.dim + squares + 2 * one if shape.classes else one + squares + shape.dim)
    few = b * labelled * one + summing * min(c, labelled)
    more = {"fisher": c * summing, "init": few, "forward": b * c * (3 * shape.dim + squares), "backward": few}
    kept = {"diagonals": s.shards * 4 * 8 * shape.dim}
    return {phase: [Held({}, kept | {"a chunk's diagonals": size})] for phase, size in more.items()}


_METHODS: dict[str, Callable[[SelectionSizes], dict[str, list[Held]]]] = {
    "incremental": _incremental,
    "published": partial(_recomputed, kernel="published"),
    "fused": partial(_recomputed, kernel="fused"),
    "factored": partial(_recomputed, kernel="factored"),
    "diagonal": _diagonal,
}


def phases(method: str, sizes: SelectionSizes) -> dict[str, Held]:
    """What each phase holds at its peak beyond the inputs: ``fisher``, ``init``, ``forward``, ``backward``.

    Example:
        >>> sizes = SelectionSizes(Shape(1000, 9, 640, 10), 4, "cpu", shards=1, picks=20, removals=10, chunk=256)
        >>> held = phases("incremental", sizes)
        >>> list(held), held["forward"].matrices["F"]
        (['fisher', 'init', 'forward', 'backward'], 1327104)
    """
    moments = {"fisher": _fisher(sizes), **_METHODS[method](sizes)}
    return {phase: max(some, key=lambda held: held.bytes) for phase, some in moments.items()}
