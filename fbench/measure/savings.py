"""Labels saved: how many fewer an arm needs to stand where the reference stands after a given round.

Layout as in ``curves``: labels [rounds] rise, an accuracy is [seeds, rounds], row s of both arms is the same seed. In
the place of an accuracy stands any score of which more is better, such as −nll.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING, Floats
from fbench.measure.curves import paired_curves, rising_labels
from fbench.measure.statistics import check_share, t_quantile

__all__ = ["LabelSaving", "label_saving"]

_STEPS = 50
"""Places between two rounds at which the arm is held to the reference; between these all is taken as straight."""


@dataclass(frozen=True)
class LabelSaving:
    """The share of the reference's labels that an arm does without: 1 − L(τ)/L_reference.

    ``target`` is τ, the reference's mean accuracy with ``reference_labels``; ``labels`` is where the arm's mean curve
    first reaches it, nan (as ``saving``) where it never does. ``low`` to ``high`` is the interval; ``low`` is −inf
    where the arm is not shown to get there at all. One seed has no interval.
    """

    target: float
    n: int
    labels: float
    reference_labels: float
    saving: float
    low: float
    high: float


def label_saving(
    labels: ArrayLike, accuracy: ArrayLike, reference: ArrayLike, index: int, *, level: float = 0.95
) -> LabelSaving:
    """Labels saved at the reference's accuracy after round ``index``, with an interval over paired seeds.

    The arm's curve between two rounds is a line. At every place x along it the paired t interval of the arm at x less
    the reference at its round says whether the arm may be there (Fieller 1954): the saving's interval goes from the
    first place whose interval reaches 0 to the last. It covers as the t interval does wherever the mean curve rises,
    which a bootstrap of few seeds does not (76 % at three, 85 % at six, at a nominal 95 %).

    Raises:
        InputError: a round that is not there, a level out of range, arms of different shapes, and as ``aulc``.

    Example:
        >>> saving = label_saving([20, 40, 60], [[0.4, 0.8, 0.9]], [[0.4, 0.6, 0.8]], index=2)
        >>> saving.labels, saving.reference_labels, round(saving.saving, 3)
        (40.0, 60.0, 0.333)
    """
    check_share("level", level)
    at = rising_labels(labels)
    if not 0 <= index < at.size:
        raise InputError(f"round {index} is not there: give one from 0 to {at.size - 1}")
    arm, other = paired_curves(labels, {"the arm": accuracy, "the reference": reference})
    target = float(other[:, index].mean())
    places, lines = _between(at, arm)
    gains = lines - other[:, index, None]
    gain = gains.mean(axis=0)
    equal = np.abs(gain) <= ROUNDING * abs(target)  # equals may round to just below 0
    reached = _rises(places, np.where(equal, 0.0, gain))
    low, high = _ends(places, gains, level)
    return LabelSaving(
        target=target,
        n=len(arm),
        labels=reached,
        reference_labels=float(at[index]),
        saving=1 - reached / float(at[index]),
        low=1 - high / float(at[index]),
        high=1 - low / float(at[index]),
    )


def _between(labels: Floats, curves: Floats) -> tuple[Floats, Floats]:
    """Places [p] along the labels, every round among them, and curves [seeds, p] there, lines between rounds."""
    steps = np.arange(_STEPS * (labels.size - 1) + 1)
    left = np.minimum(steps // _STEPS, labels.size - 2)
    share = steps / _STEPS - left
    places = labels[left] + share * (labels[left + 1] - labels[left])
    return places, curves[:, left] + share * (curves[:, left + 1] - curves[:, left])


def _ends(places: Floats, gains: Floats, level: float) -> tuple[float, float]:
    """The first and the last place at which a gain [seeds, p] of 0 lies in the t interval; infinity for no end."""
    n = len(gains)
    if n < 2:
        return math.nan, math.nan
    mean, half = gains.mean(axis=0), t_quantile((1 + level) / 2, n) * gains.std(axis=0, ddof=1) / math.sqrt(n)
    first, last = _rises(places, mean + half), -_rises(-places[::-1], half[::-1] - mean[::-1])
    if math.isnan(first):
        return math.inf, math.inf
    if math.isnan(last):  # above 0 from the start set on
        return first, first
    return first, math.inf if last == places[-1] else max(first, last)


def _rises(places: Floats, values: Floats) -> float:
    """Where values [p] are first 0 or more, on the line between two places; nan for nowhere."""
    there = values >= 0
    if not there.any():
        return math.nan
    i = int(there.argmax())
    if i == 0:
        return float(places[0])
    share = values[i - 1] / (values[i - 1] - values[i])
    return float(places[i - 1] + share * (places[i] - places[i - 1]))
