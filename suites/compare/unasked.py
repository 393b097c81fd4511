"""What no question was about: a pair of strategies that lies apart all the same, to be asked of new seeds."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.measure.split_overlap import corrected_p
from fbench.measure.statistics import holm

from .answers import Background
from .family import FEWEST, JudgedQuestion

_LEVEL = 0.05


def unasked_gain(judged: Sequence[JudgedQuestion], background: Background) -> tuple[str, str] | None:
    """The better and the worse strategy of the clearest pair that no question compares; None where none lies apart.

    Apart: p at most 5 % after Holm's correction over every pair, splits that overlap counted.
    """
    curves, pairs = background.curves, background.curves.pairs
    if curves.seeds < FEWEST or not pairs:
        return None
    ps = [corrected_p(pair, background.overlap or 0.0) for pair in pairs.values()]
    asked = [{test.first, test.second} for test in judged]
    clear = {names: p for names, p in zip(pairs, holm(ps), strict=True) if p <= _LEVEL and set(names) not in asked}
    if not clear:
        return None
    first, second = min(clear, key=clear.__getitem__)
    return (second, first) if (pairs[first, second].difference > 0) != curves.lower else (first, second)
