"""The options of ``fbench select`` and the points of its grid. Letters are those of fbench/fisher/MATH.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.errors import UsageError, shorten
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness.contract import Option, typed
from fbench.harness.parsing import OVERSAMPLE, PASSES, parse_dtypes, read_whole, sweep_union, union
from fbench.harness.sweep import parse_sweep
from fbench.learning.arm_options import check_regularisation

from .ways import parse_ways

_MOST_CHUNK = 10**9


def parse_chunk_size(text: str) -> int:
    """Read a chunk size, in candidates; 0 stands for ``auto``.

    Raises:
        UsageError: the text is neither ``auto`` nor a whole number from 1 to 10⁹.
    """
    if text.strip() == "auto":
        return 0
    size = read_whole(text) or 0
    if not 1 <= size <= _MOST_CHUNK:
        raise UsageError(f"--chunk-size {shorten(text)}: must be auto, or a whole number from 1 to {_MOST_CHUNK:,}")
    return size


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of ``fbench select``."""

    methods: Annotated[
        tuple[str, ...],
        Option(
            "comma-separated: incremental, published, fused, factored, diagonal, topC, binary, pca:H, subsample:N, "
            "sharded:N, random, score-packed, score-cholesky, score-inverse",
            parse=parse_ways,
            grows=union,
            axis="method",
        ),
    ] = typed("incremental,published,top2,binary,diagonal,pca,subsample,random")
    candidates: Annotated[
        tuple[int, ...],
        Option(
            "n, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            axis="candidates",
        ),
    ] = typed("2000")
    classes: Annotated[
        tuple[int, ...],
        Option(
            "k, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            axis="classes",
            minimum=2,
        ),
    ] = typed("10")
    dim: Annotated[
        tuple[int, ...],
        Option(
            "d = classes × features, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            axis="dim",
        ),
    ] = typed("320")
    batch: Annotated[
        tuple[int, ...],
        Option(
            "B, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            axis="batch",
        ),
    ] = typed("20")
    dtype: Annotated[
        tuple[str, ...],
        Option(
            "float32, float64, or both",
            parse=parse_dtypes,
            grows=union,
            axis="dtype",
        ),
    ] = typed("float32")
    labelled: Annotated[int, Option("n_L, candidates that have their labels", minimum=0)] = 100
    regularisation: Annotated[
        str, Option("λ; rel:c means c · tr F/d, deff:c the λ at which d_eff = c", parse=check_regularisation)
    ] = "1"
    oversample: Annotated[float, OVERSAMPLE] = 2.0
    passes: Annotated[int, PASSES] = 5
    extrapolate: Annotated[
        int, Option("picks and removals that published, fused and factored are timed for; 0 takes all", minimum=0)
    ] = 3
    chunk_size: Annotated[
        int,
        Option(
            "candidates of a chunk of published, fused and factored, less where memory does not last; "
            "auto measures the knee, as `fbench chunksize` does",
            parse=parse_chunk_size,
        ),
    ] = typed(str(CHUNK_SIZE))
    reference_budget: Annotated[
        float,
        Option(
            "operations that the float64 reference may take: the published order, else the incremental one, "
            "else none; 0 leaves agreement empty",
            minimum=0,
            maximum=1e15,
        ),
    ] = 1e12
    null: Annotated[
        bool, Option("give every way twice, and count how often the two are called different on this machine")
    ] = False
    seed: Annotated[int, Option("of the synthetic pool", minimum=0, maximum=2**31 - 1)] = 0


class Point(NamedTuple):
    """A case's coordinates: one way of choosing a batch, on one problem, in one dtype."""

    method: str
    candidates: int
    classes: int
    dim: int
    batch: int
    dtype: str
