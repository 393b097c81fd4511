"""What no question was about: a pair of strategies that lies apart all the same, to be asked of new seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from fbench.measure.split_overlap import corrected_p
from fbench.measure.statistics import holm, paired

from .answers import Background
from .family import FEWEST, JudgedQuestion

_LEVEL = 0.05


def unasked_gain(judged: Sequence[JudgedQuestion], background: Background) -> tuple[str, str] | None:
    """The better and the worse strategy of the clearest pair that no question compares; None where none lies apart.

    Apart: p at most 5 % after Holm's correction over every pair, splits that overlap counted.
    """
    curves = background.curves
    names = list(itertools.combinations(curves.buying, 2))
    if curves.seeds < FEWEST or not names:
        return None
    areas = curves.areas
    apart = [paired(areas[first], areas[second]) for first, second in names]
    ps = [pair.p if background.overlap is None else corrected_p(pair, background.overlap) for pair in apart]
    asked = [{test.first, test.second} for test in judged]
    clear = [
        (p, pair, names_of)
        for p, pair, names_of in zip(holm(ps), apart, names, strict=True)
        if p <= _LEVEL and set(names_of) not in asked
    ]
    if not clear:
        return None
    _, pair, (first, second) = min(clear, key=lambda entry: entry[0])
    return (first, second) if (pair.difference > 0) != curves.lower else (second, first)
