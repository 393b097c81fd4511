"""What ``--same-state`` writes and costs: the columns of ``states.csv``, what is refused, seconds and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.errors import UsageError
from fbench.fisher.planning.plan import ITEMSIZE
from fbench.fisher.planning.row_space import most_rows
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Column, Context
from fbench.harness.registry import STRATEGIES
from fbench.learning import arm_options as arm
from fbench.learning import arms

if TYPE_CHECKING:
    from fbench.learning.arm_options import Arm
    from fbench.learning.strategies import Sizes

    from .options import Options

STATES = (
    *arm.ARM_KEY[:2],
    Column("round", "int", "", "1, whose batch is scored: it was chosen for the network of round 0"),
    Column("d", "int", "weights", "d that the strategy chose on; empty where it has none"),
    Column("objective", "float", "", "tr(F M⁻¹) under all weights of this network, the batch of round 1 in M"),
    Column("objective_before", "float", "", "the same without the batch: M has the start set alone"),
    Column("redundancy", "float", "share", "mean cosine of the Fisher matrices of the batch's pairs; 0: none alike"),
    Column("samples", "int", "samples", "that F is over: the pool, or the labelled and a random part of it"),
    Column("candidates", "int", "samples", "unlabelled ones, of which the batch is a part"),
    Column("weights", "int", "weights", "all of the network's"),
    Column("regularisation", "float", "", "λ as a number, under all weights"),
    Column("network", "str", "", "first 16 digits of the SHA-256 of its weights: one a seed, whatever the strategy"),
)
"""Columns of ``states.csv``: a row for every strategy that buys, and every seed."""
_GRADIENTS = 0.75
"""Passes forward that a row's gradients of an image cost, as ``bait-full`` counts them."""


def samples_of_f(n: int, rows: int, dtype: str) -> int:
    """How many of a pool's n samples, r = ``rows`` each, F is over: as many as ``bait-full`` can choose among.

    Example:
        >>> samples_of_f(1438, 9, "float32"), samples_of_f(50_000, 9, "float32")
        (1438, 1820)
    """
    return min(n, most_rows(dtype) // rows)


def check_states(options: Options) -> None:
    """Refuse a start set whose rows, with the batch's, are more than M can be made of, and a λ that needs all of F.

    Raises:
        UsageError: naming how many samples it may have, or which λ.
    """
    if parse_regularisation(options.regularisation).kind == "deff":
        raise UsageError(
            f"--same-state scores batches under all weights, where {options.regularisation} would need F's "
            "eigenvalues; give --regularisation as a number, or as rel:c"
        )
    most = most_rows(options.dtype) // max(1, arms.images_of(options).classes - 1)
    if options.start + options.batch > most:
        raise UsageError(
            f"--same-state scores a batch by inner products of its rows and the start set's: --start {options.start} + "
            f"--batch {options.batch} may be at most {most:,} together; lower one of them"
        )


def state_seconds(point: Arm, options: Options, context: Context) -> float:
    """Seconds that scoring the batches of an arm takes, about, all in round 1."""
    from fbench.learning.durations import FORWARD, image_seconds
    from fbench.measure.speed import product_rate

    if STRATEGIES.get(point.strategy).whole:
        return 0.0
    sizes = arms.sizes_of(options)
    rows, scored, few = _counts(sizes, options)
    passes = (scored + few) * (1 + rows * _GRADIENTS) * FORWARD * image_seconds(options, context)
    products = 2.0 * few * rows * scored * rows * (sizes.weights + few * rows)
    return len(point.seeds) * (passes + products / product_rate(context.devices[0], context.threads))


def state_bytes(point: Arm, options: Options) -> int:
    """Bytes that scoring a batch holds at its peak."""
    from fbench.fisher.gradients.footprint import MEMORY_BUDGET

    if STRATEGIES.get(point.strategy).whole:
        return 0
    sizes = arms.sizes_of(options)
    rows, scored, few = _counts(sizes, options)
    return MEMORY_BUDGET + few * rows * (scored * rows * ITEMSIZE["float32"] + 4 * few * rows * ITEMSIZE["float64"])


def _counts(sizes: Sizes, options: Options) -> tuple[int, int, int]:
    """Rows a sample, samples of F, and of M."""
    rows = max(1, sizes.classes - 1)
    return rows, samples_of_f(sizes.n, rows, sizes.dtype), options.start + options.batch
