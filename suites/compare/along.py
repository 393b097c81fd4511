"""Where along the curve two strategies differ: every round tested with one error rate, and its part of the area."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbench.harness.contract import Evidence, Table
from fbench.measure.arrays import Floats
from fbench.measure.curves import round_weights
from fbench.measure.max_t import max_t
from fbench.measure.statistics import paired
from fbench.results.findings import p_value
from fbench.results.words import count_seeds, listed

from .curves import Curves
from .family import ALPHA, FEWEST, JudgedQuestion
from .wording import whole_percent, with_sign

_FEWEST_FLIPS = 6
"""Seeds from which a sign flip of two sides can be rarer than 5 %: 2/2⁶."""
_MOST_ROWS = 12
"""How many rounds a table is still read with."""


@dataclass(frozen=True)
class Along:
    """One pair along the curve, the start set left out, which both arms share: all [rounds].

    ``p`` is family-wise over all rounds of all pairs asked; ``part`` is what each round adds to the difference of the
    areas, and sums to it.
    """

    first: str
    second: str
    labels: Floats
    difference: Floats
    p: Floats
    part: Floats
    clear: bool

    @property
    def share(self) -> Floats:
        """The part as a share of the difference of the areas; nan where that is not clear of 0."""
        return self.part / self.part.sum() if self.clear else np.full_like(self.part, math.nan)


def along(curves: Curves, judged: Sequence[JudgedQuestion]) -> list[Along]:
    """Every pair asked, once, along the curve; none where the seeds are too few for an answer."""
    names = list(dict.fromkeys((test.question.first, test.question.second) for test in judged))
    if curves.seeds < FEWEST or not names:
        return []
    differences = np.stack([(curves.values[a] - curves.values[b])[:, 1:].T for a, b in names])  # [pairs, rounds, seeds]
    p = max_t(differences.reshape(-1, curves.seeds)).reshape(differences.shape[:2])
    weights, areas = round_weights(curves.labels)[1:], curves.areas
    pairs = []
    for i, (first, second) in enumerate(names):
        whole, mean = paired(areas[first], areas[second]), differences[i].mean(axis=1)
        clear = whole.low > 0 or whole.high < 0
        pairs.append(Along(first, second, curves.labels[1:], mean, p[i], weights * mean, clear))
    return pairs


def along_evidence(pairs: Sequence[Along], curves: Curves) -> list[Evidence]:
    """A claim and a table for every pair."""
    if not pairs:
        return []
    tests = sum(pair.p.size for pair in pairs)
    claims = [_claim(pair, curves.seeds) for pair in pairs]
    return [Evidence("Where along the curve", claims, [_table(pair, tests, curves.metric) for pair in pairs])]


def _claim(pair: Along, seeds: int) -> str:
    """Which rounds differ, and which round makes most of the difference of the areas."""
    who = f"{pair.first} − {pair.second}"
    if seeds < _FEWEST_FLIPS:
        shown = f"{count_seeds(seeds)} cannot show a round, {_FEWEST_FLIPS} are the fewest"
    else:
        rounds = [f"{labels:.0f}" for labels, p in zip(pair.labels, pair.p, strict=True) if p <= ALPHA]
        named = listed(rounds) if len(rounds) <= 6 else f"{len(rounds)} rounds from {rounds[0]} to {rounds[-1]}"
        shown = f"shown to differ at {named} labels" if rounds else "no single round is shown to differ"
    if not pair.clear:
        return f"{who}: {shown}."
    most = int(np.argmax(pair.share))
    made = f"the round of {pair.labels[most]:.0f} labels makes {whole_percent(float(pair.share[most]))}"
    return f"{who}: {shown}; {made} of the AULC difference."


def _table(pair: Along, tests: int, metric: str) -> Table:
    """A row a round, those that make most of the difference where there are many."""
    shown = np.sort(np.argsort(-np.abs(pair.part))[:_MOST_ROWS])
    rows = [
        [
            f"{pair.labels[i]:.0f}",
            with_sign(float(pair.difference[i])),
            "" if math.isnan(pair.p[i]) else p_value(float(pair.p[i])).removeprefix("p = ").removeprefix("p "),
            with_sign(float(pair.part[i])),
            "" if math.isnan(pair.share[i]) else whole_percent(float(pair.share[i])),
        ]
        for i in shown
    ]
    note = (
        f"p: max-t over {tests} tests (all rounds of all pairs asked) by sign flips of the seeds. Part: what the round "
        "adds to the AULC difference."
    )
    if len(shown) < len(pair.labels):
        note += f" The {len(shown)} of {len(pair.labels)} rounds that add most."
    columns = ["labels", f"Δ {metric}", "p", "part", "share"]
    return Table(f"{pair.first} − {pair.second}, round by round", columns, rows, note)
