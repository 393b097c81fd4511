"""Which strategy costs less: seconds of choosing a batch, where they are more than the noise of a round."""

from __future__ import annotations

import math

from .curves import Curves
from .family import FEWEST

SAME_COST = 0.1
"""Of a round's seconds, training and selecting: less is no reason to take a strategy."""
TURNED = 0.2
"""Share of the seeds in which the dearer of two strategies may be the faster one."""


def faster(curves: Curves, first: str, second: str) -> str:
    """The strategy of the two that chooses its batches in less time; empty where they cost the same.

    They do where the difference is within ``SAME_COST`` of a round of the slower one, or where it turns round in more
    than one seed of five: what a busy machine adds to some seeds has no t interval, and changes no sign.
    """
    (trained, selected), (others_trained, others_selected) = curves.seconds[first], curves.seconds[second]
    apart = selected - others_selected
    if not abs(apart) > SAME_COST * max(trained + selected, others_trained + others_selected):
        return ""
    if {first, second} <= curves.choosing.keys() and curves.seeds >= FEWEST:
        seeds = curves.choosing[first] - curves.choosing[second]
        if (seeds * apart <= 0).mean() > TURNED:
            return ""
    return second if apart > 0 else first


def fastest(curves: Curves) -> list[str]:
    """The strategies that buy labels and than which none is faster.

    Example:
        >>> import numpy as np
        >>> seconds = {"random": (0.1, 0.0), "margin": (0.1, 0.005), "bait": (0.1, 1.0)}
        >>> fastest(Curves(np.array([20.0]), dict.fromkeys(seconds, np.ones((1, 1))), seconds, {}, 1, []))
        ['random', 'margin']
    """
    names = [name for name in curves.buying if not math.isnan(curves.seconds[name][1])]
    return [name for name in names if all(faster(curves, name, other) != other for other in names)]
