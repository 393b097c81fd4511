"""What learning curves say: their area, each round's part of it, and the pairwise penalty matrix.

Layout: labels [rounds] rise from the starting set L_0 to L_R; an accuracy is [rounds] or [seeds, rounds], and
row s of every arm is the same seed. Nothing is smoothed and no point is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fbench.errors import InputError, UnknownNameError
from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.sign_flips import sign_patterns

__all__ = [
    "PenaltyMatrix",
    "aulc",
    "checkpoints",
    "paired_curves",
    "penalty_matrix",
    "rising_labels",
    "round_weights",
]


@dataclass(frozen=True)
class PenaltyMatrix:
    """Who beats whom, as the share of checkpoints won at p < 0.05 (Ash et al. 2020).

    ``matrix`` [m, m] has row i beating column j, in the order of ``names``; ``columns`` [m] is its column
    mean with the diagonal's 0 in it, as published: how much the others win, lower is better.
    ``checkpoints`` are label counts. Without a checkpoint, or with one seed, every number is nan.

    The band is what equal arms give, from the data with signs flipped in all 2ⁿ ways (of more than 12 seeds, in
    4,096 that are drawn): ``band_entry`` and ``band_column`` are
    the 95th percentiles of the largest entry and of the largest column mean, ``nonzero_share`` is how often
    any entry differs from 0.
    """

    names: tuple[str, ...]
    checkpoints: tuple[int, ...]
    matrix: Floats
    columns: Floats
    band_entry: float
    band_column: float
    nonzero_share: float


def aulc(labels: ArrayLike, accuracy: ArrayLike) -> Floats:
    """Area under the learning curve by trapezoids over labels, divided by L_R − L_0.

    Args:
        labels: [rounds], at least two, rising.
        accuracy: [rounds] or [seeds, rounds].

    Returns:
        [] or [seeds], in the unit of the accuracy: a level curve has its own height.

    Raises:
        InputError: for labels that do not rise, another shape, or values that are not finite.

    Example:
        >>> float(aulc([100, 200, 400], [0.5, 0.7, 0.8]))
        0.7
    """
    at = rising_labels(labels)
    curve = _curves(accuracy, at.size, "the accuracy")
    trapezoids = np.diff(at) * (curve[..., 1:] + curve[..., :-1]) / 2
    return np.asarray(trapezoids.sum(axis=-1) / (at[-1] - at[0]))


def round_weights(labels: ArrayLike) -> Floats:
    """What each round weighs in the area [rounds], which add up to 1: the area is their sum with the accuracies.

    Example:
        >>> round_weights([100, 200, 400]).round(3).tolist()
        [0.167, 0.5, 0.333]
    """
    steps = np.diff(rising_labels(labels))
    return np.asarray((np.append(steps, 0) + np.append(0, steps)) / (2 * steps.sum()))


def checkpoints(labels: ArrayLike, reference: ArrayLike) -> tuple[int, ...]:
    """Rounds at which the penalty matrix compares: L = L_0 + 2^(t−1)·B for t = 1, 2, …, B the first batch.

    They end before the reference's mean first exceeds 0.99 of its last value (1.01 of one below 0, such as −nll): from
    there on all arms agree.

    Args:
        labels: [rounds].
        reference: [rounds] or [seeds, rounds], the accuracy of random selection.

    Returns:
        Indices into ``labels``; none when the reference was level from the first batch on.

    Raises:
        InputError: for a checkpoint that falls between two rounds, and as ``aulc``.

    Example:
        >>> checkpoints([20, 40, 60, 80, 100], [0.4, 0.6, 0.7, 0.75, 0.8])
        (1, 2)
    """
    at = rising_labels(labels)
    mean = _seed_mean(_curves(reference, at.size, "the reference"))
    rounds: list[int] = []
    step = at[1] - at[0]
    while at[0] + step <= at[-1]:
        index = int(np.searchsorted(at, at[0] + step))
        if at[index] != at[0] + step:
            raise InputError(
                f"no round has the {at[0] + step:g} labels of a checkpoint (start + 2^(t−1) batches): "
                "compare runs whose rounds all add the same number of labels"
            )
        if mean[index] > (0.99 if mean[-1] > 0 else 1.01) * mean[-1]:
            break
        rounds.append(index)
        step *= 2
    return tuple(rounds)


def penalty_matrix(
    labels: ArrayLike, accuracies: Mapping[str, ArrayLike], reference: str = "random", *, seed: int = 0
) -> PenaltyMatrix:
    """BADGE's pairwise penalty matrix, with the band that equal arms would give.

    At each of C checkpoints a win of i over j by the paired two-sided t test at 5 % adds 1/C to entry (i, j).
    No correction is made for the many tests: equal arms often win something, hence the band. For it every
    seed's deviations from the mean of the arms keep or change their sign, all arms and rounds together, which
    keeps what pairs and checkpoints share.

    Args:
        labels: [rounds].
        accuracies: [seeds, rounds] by arm, the seeds in the same order.
        reference: the arm that ends the checkpoints.
        seed: of the sign flips, where they are drawn.

    Raises:
        UnknownNameError: when the reference is not among the arms.
        InputError: for fewer than two arms, arms of different shapes, and as ``checkpoints``.

    Example:
        >>> arms = {"bait": [[0.4, 0.7, 0.9], [0.4, 0.72, 0.9]], "random": [[0.4, 0.6, 0.9], [0.4, 0.61, 0.9]]}
        >>> penalty_matrix([20, 40, 60], arms).matrix.tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    curves = paired_curves(labels, accuracies)
    if reference not in accuracies:
        raise UnknownNameError("reference strategy", reference, accuracies)
    names, at = tuple(accuracies), rising_labels(labels)
    rounds = checkpoints(labels, curves[names.index(reference)])
    points = tuple(int(at[index]) for index in rounds)
    if not rounds or curves.shape[1] < 2:
        nothing = np.full((len(names), len(names)), math.nan)
        return PenaltyMatrix(names, points, nothing, nothing[0], math.nan, math.nan, math.nan)
    differences = curves[:, None, :, rounds] - curves[None, :, :, rounds]
    matrix = _penalties(differences, np.ones((1, curves.shape[1])))[0]
    flipped = _penalties(differences, sign_patterns(curves.shape[1], seed))
    entries, columns = flipped.max(axis=(1, 2)), flipped.mean(axis=1).max(axis=1)
    band = (_quantile_up(entries, 0.95), _quantile_up(columns, 0.95), float(np.mean(entries > 0)))
    return PenaltyMatrix(names, points, matrix, matrix.mean(axis=0), *band)


def _penalties(differences: Floats, signs: Floats) -> Floats:
    """Penalty matrices [k, m, m] of differences [m, m, seeds, C] under k patterns of signs [k, seeds].

    A flip leaves the sum of squares alone, so one mean a pattern is all that t needs.
    """
    n, count = differences.shape[2:]
    mean = np.einsum("ks,ijsc->kijc", signs, differences) / n
    square = (differences**2).mean(axis=2)
    variance = square - mean**2
    variance[variance <= ROUNDING * square] = math.inf  # no spread measured: not a win, as in ``paired``
    t = mean / np.sqrt(variance / (n - 1))  # variance has ddof = 0, hence n − 1 here
    return np.asarray((t > special.stdtrit(n - 1, 0.975)).sum(axis=3) / count)


def _quantile_up(values: Floats, share: float) -> float:
    """The least value that ``share`` of them do not exceed; as a quantile of few steps is read."""
    return float(np.sort(values)[math.ceil(share * values.size) - 1])


def paired_curves(labels: ArrayLike, accuracies: Mapping[str, ArrayLike]) -> Floats:
    """The arms' curves as [m, seeds, rounds]."""
    if len(accuracies) < 2:
        raise InputError(f"{len(accuracies)} arm cannot be compared: give two strategies or more")
    rounds = rising_labels(labels).size
    curves = {name: np.atleast_2d(_curves(values, rounds, name)) for name, values in accuracies.items()}
    first, *others = curves
    for name in others:
        if len(curves[name]) != len(curves[first]):
            raise InputError(
                f"{name} has {len(curves[name])} seeds and {first} has {len(curves[first])}: "
                "keep the seeds that every arm has"
            )
    return np.stack(list(curves.values()))


def rising_labels(labels: ArrayLike) -> Floats:
    """The labels [rounds], checked."""
    at = np.asarray(labels, dtype=np.float64)
    if at.ndim != 1 or at.size < 2 or not (np.diff(at, prepend=0.0) > 0).all():
        raise InputError(f"labels {at.tolist()} do not rise from 1 or more: give two rounds or more, in order")
    return at


def _curves(accuracy: ArrayLike, rounds: int, name: str) -> Floats:
    values: Floats = np.asarray(accuracy, dtype=np.float64)
    if values.ndim not in (1, 2) or not values.size or values.shape[-1] != rounds:
        raise InputError(f"{name} has shape {values.shape}: give [{rounds}] or [seeds, {rounds}], one value a round")
    if not np.isfinite(values).all():
        raise InputError(
            f"{name} holds {values[~np.isfinite(values)][0]}, and curves need finite values: "
            "finish the run, or leave that seed out of every arm"
        )
    return values


def _seed_mean(curves: Floats) -> Floats:
    return np.asarray(np.atleast_2d(curves).mean(axis=0))
