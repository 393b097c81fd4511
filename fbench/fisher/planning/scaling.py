"""Seconds that a selection will take where the candidates are shared out to p ranks: a model, fitted to nothing.

Letters as in ../MATH.md ("Planning"): n candidates, r rows a candidate, k classes, d weights, b bytes a number, m rows
that were bought. A phase is counted in operations, in bytes that memory moves and in messages, and takes what a
machine's measured rates make of them. What is of the candidates is done on n/p of them; what is of d×d matrices every
rank does for itself, and no number of ranks makes it less. The model's misses beside measured runs are in
reports/reference/scaling. torch is not imported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fbench.fisher.planning.phases import PAIRED_CANDIDATES, PAIRED_CLASSES
from fbench.fisher.planning.plan import ITEMSIZE, StepCounts
from fbench.fisher.planning.shapes import Shape
from fbench.fisher.symmetric import half_operations

_TABLE = 40
"""Bytes that a rank tells of its best candidates."""


@dataclass(frozen=True)
class Rates:
    """What one rank's device does in a second, while all others are at work as well.

    Attributes:
        narrow: operations of a large product in the selection's dtype.
        wide: the same in float64.
        memory: bytes read or written.
        latency_s: seconds of the shortest message between two ranks.
        link: bytes that go from a rank to another.
    """

    narrow: float
    wide: float
    memory: float
    latency_s: float
    link: float


@dataclass(frozen=True)
class ScaledPhase:
    """Seconds of a phase: of computing, and of messages beside it."""

    compute_s: float
    messages_s: float = 0.0

    @property
    def all_s(self) -> float:
        """Both."""
        return self.compute_s + self.messages_s

    def times(self, count: float) -> ScaledPhase:
        """So many of it, one after the other."""
        return ScaledPhase(count * self.compute_s, count * self.messages_s)


def scaled_selection(
    shape: Shape, counts: StepCounts, rates: Rates, *, ranks: int = 1, dtype: str = "float32", refreshes: int = 1
) -> dict[str, ScaledPhase]:
    """Seconds of every phase of ``bait_select`` (``incremental``) over ``ranks`` that hold equal shards.

    Args:
        shape: of the whole pool's embedding.
        counts: picks, removals and n_L.
        rates: of one rank.
        ranks: p.
        dtype: ``float32`` or ``float64``.
        refreshes: how often P, Q, G and H are made afresh; which pools need it is known only after a run.

    Returns:
        By phase: ``fisher``, ``setup``, ``forward``, ``refresh``, ``backward``, ``objective``.

    Example:
        >>> rates = Rates(narrow=1e12, wide=5e11, memory=1e11, latency_s=1e-5, link=1e10)
        >>> counts = StepCounts.of(100, 2.0, 10**6, labelled=1000)
        >>> one, four = (scaled_selection(Shape(10**6, 9, 2560, 10), counts, rates, ranks=p) for p in (1, 4))
        >>> [round(one[phase].all_s / four[phase].all_s, 1) for phase in ("fisher", "setup", "forward", "backward")]
        [4.0, 3.9, 3.9, 1.0]
    """
    b, shape = ITEMSIZE[dtype], shape.reduced
    share = replace(shape, n=-(-shape.n // ranks))
    talk = _Messages(rates, ranks)
    bought = counts.labelled + counts.picks // 2
    few = replace(shape, n=counts.picks)
    wide = replace(rates, narrow=rates.wide)
    removal = _matrices(shape, counts.labelled + counts.picks, wide) + _forms(few, wide)
    at_last = _gram(replace(shape, n=counts.labelled + counts.picks - counts.removals)) + 2 * float(shape.dim) ** 3
    bytes_sent = counts.labelled * shape.numbers_each * b
    return {
        "fisher": ScaledPhase(_gram(share) / rates.narrow, talk.summed(shape.dim**2 * b) + talk.sent(bytes_sent)),
        "setup": ScaledPhase(_matrices(shape, counts.labelled, rates) + _forms(share, rates)),
        "forward": ScaledPhase(_pick(share, rates, b), talk.table() + talk.sent(shape.numbers_each * b)).times(
            counts.picks
        ),
        "refresh": ScaledPhase(_matrices(shape, bought, rates) + _forms(share, rates)).times(refreshes),
        "backward": ScaledPhase((removal if counts.removals else 0.0) + counts.removals * _pick(few, wide, 8)),
        "objective": ScaledPhase(at_last / rates.wide),
    }


def _gram(shape: Shape) -> float:
    """Operations of Σ V_xᵀV_x, a symmetric product, or of V_x A V_xᵀ for every x."""
    halved = shape.classes >= PAIRED_CLASSES and shape.n >= PAIRED_CANDIDATES  # by pairs of features
    if shape.classes:  # by pairs of features, or class by class: a block row of the upper half at a time
        return float(shape.n) * shape.dim**2 * (0.5 if halved else 1 + 1 / shape.classes)
    return float(shape.n) * shape.dim**2 * shape.rows


def _matrices(shape: Shape, bought: int, rates: Rates) -> float:
    """Seconds of P and Q in float64: by the products of the m rows bought where 2m ≤ d, else by M, M⁻¹ and P F P."""
    m, d = float(bought * shape.rows), float(shape.dim)
    if 2 * m <= d:
        return (3 * m * m * d + 5 * m * d * d) / rates.wide
    return (_gram(replace(shape, n=bought)) + 4 * d**3) / rates.wide


def _forms(shape: Shape, rates: Rates) -> float:
    """Seconds of V_x P V_xᵀ and V_x Q V_xᵀ."""
    return 2 * _gram(shape) / rates.narrow


def _pick(shape: Shape, rates: Rates, b: int) -> float:
    """Seconds of a pick: V_x W̃ and V_x Z̃, G and H and the scores; then V_s P, V_s Q, and what P and Q take up."""
    n, r, d, k = shape.n, shape.rows, shape.dim, shape.classes
    projected = 4.0 * r * (d + r * k) if k else 4.0 * r * r * d
    operations = n * (projected + 6.0 * r**3)
    moved = b * n * (shape.numbers_each + 2.0 * r * (r + 1))  # V once; triangles of G and H read and written
    of_matrices = (
        max(2.0 * b * d**2 / rates.memory, 4.0 * d**2 / rates.narrow) + half_operations(3 * r, d) / rates.narrow
    )
    return max(operations / rates.narrow, moved / rates.memory) + of_matrices


@dataclass(frozen=True)
class _Messages:
    """Seconds of what ranks tell each other: none where there is one."""

    rates: Rates
    ranks: int

    def summed(self, size: float) -> float:
        """A sum over all, around a ring: every rank sends each byte twice but for its own share."""
        p = self.ranks
        return (p - 1) * (2 * size / (p * self.rates.link) + 2 * self.rates.latency_s)

    def table(self) -> float:
        """What every rank tells, told to all, around a ring."""
        return (self.ranks - 1) * (self.rates.latency_s + _TABLE / self.rates.link)

    def sent(self, size: float) -> float:
        """One rank's bytes to all, down a tree."""
        return math.ceil(math.log2(self.ranks)) * (self.rates.latency_s + size / self.rates.link)
