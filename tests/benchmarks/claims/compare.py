"""How often ``fbench compare`` claims what is not so, and what is; what its intervals cover.

    python tests/benchmarks/claims/compare.py

Writes ``reports/reference/claims/compare.csv``: shares of draws with their 95 % intervals (Clopper and Pearson), for
normal, t₃ and crash-type noise at 4, 8 and 20 seeds. About ten minutes.

- false_yes: any answer of the default family, ``yes`` or a direction, that is untrue. Where the splits of the seeds
  overlap, their images are drawn anew with every draw, and a fifth of a strategy's variance is the images': what Nadeau
  and Bengio's correction assumes of test sets of a fifth. It is counted beside answers that leave it out.
- power: each question's ``yes``, with effects and noise as 24 seeds of the digits have them.
- coverage: of the intervals that are printed, all strategies or pairs together.

In the last of the conditions one arm alone crashes now and then. Where no seed has crashed nothing can be known of it,
whatever the test; so the summary says how often a strategy may crash without showing it in so many seeds.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from claim_rows import Counted, counted, write  # noqa: E402
from compare_curves import CRASHES, LABELS, NAMES, NOISES, Noise, made, mean_curve, mean_noise  # noqa: E402

from fbench.learning.data import TEST_SHARE  # noqa: E402
from fbench.measure.savings import label_saving  # noqa: E402
from fbench.measure.sign_flips import flip_bound  # noqa: E402
from fbench.measure.statistics import mean_interval, paired  # noqa: E402
from fbench.suites.compare.curves import Curves  # noqa: E402
from fbench.suites.compare.family import JudgedQuestion, judge_family  # noqa: E402
from fbench.suites.compare.options import QUESTIONS  # noqa: E402
from fbench.suites.compare.questions import parse_questions  # noqa: E402

DRAWS, FALSE_DRAWS, SEEDS, MARGIN = 1000, 10_000, (4, 8, 20), 0.005
FAMILY = parse_questions(QUESTIONS)
OVERLAP = TEST_SHARE / (1 - TEST_SHARE)
EQUAL: dict[str, float] = {}
AT_THE_MARGIN = {"bait": MARGIN}
COMMITTED = {"bait": 0.0240, "bait+random-mask": 0.0430, "bait+fish": 0.0455}
NOTHING = {
    "equal strategies": (EQUAL, 0.007),
    "equal strategies, little noise": (EQUAL, 0.001),
    "bait+fish worse than bait by the margin": (AT_THE_MARGIN, 0.007),
}
"""Gains over random and the sd of a strategy's AULC; that of a difference is 1.5 times as large."""


def judged(curves: Curves, overlap: float | None = None) -> list[JudgedQuestion]:
    """The default family, judged as in a run with disjoint test sets, or with ones that overlap."""
    return judge_family(FAMILY, curves.areas, MARGIN, (), curves.collapsed, overlap)


def untrue(each: JudgedQuestion, gains: Mapping[str, float]) -> bool:
    """Whether an answer claims what is not so; ``no`` claims that the first strategy is worse."""
    first, relation, second = each.question
    gain = gains.get(first, 0.0) - gains.get(second, 0.0)
    least = -MARGIN if relation == ">=" else 0.0
    return (each.verdict == "yes" and gain <= least + 1e-12) or (each.verdict == "no" and gain >= 0)


def false_yes(curves: Curves, gains: Mapping[str, float], overlap: float | None = None) -> bool:
    """Whether any answer of the family is untrue."""
    return any(untrue(each, gains) for each in judged(curves, overlap))


def crashing(rng: np.random.Generator, seeds: int, sd: float) -> Curves:
    """Strategies that are equal but for bait+fish, which crashes now and then, and bait, a margin above its mean."""
    cost = MARGIN / CRASHES
    gains = {"bait": 0.0, "random": -MARGIN, "bait+random-mask": -MARGIN, "bait+fish": 0.0}
    curves = made(rng, seeds, gains=gains, sd=sd)
    crashed = rng.random((seeds, 1)) < CRASHES
    curves.values["bait+fish"][...] -= crashed * (mean_curve(cost) - mean_curve(0.0))
    return curves


def covered(curves: Curves, gains: Mapping[str, float], noise: Noise) -> Iterator[tuple[str, bool]]:
    """Whether each printed interval has the truth in it."""
    areas, half = curves.areas, len(LABELS) // 2
    for first, second in itertools.combinations(NAMES, 2):
        truth = gains.get(first, 0.0) - gains.get(second, 0.0)
        compared = paired(areas[first], areas[second])
        yield "difference of AULC", bool(compared.low <= truth <= compared.high)
        if curves.seeds > 4 and (first, second) == ("bait", "bait+fish"):
            bound = min(compared.interval(0.9).low, flip_bound(areas[first] - areas[second], 0.95))
            yield "lower bound of a margin (one-sided)", bound <= truth
        rounds = curves.values[first] - curves.values[second]
        for i in (1, half, len(LABELS) - 1):
            at = mean_interval(rounds[:, i])
            yield "difference in the figure", bool(at.low <= truth / 0.95 <= at.high)
    base = mean_curve(mean_noise(noise))
    for name in NAMES[1:]:
        mean = mean_curve(gains.get(name, 0.0) + mean_noise(noise))
        saved = label_saving(LABELS, curves.values[name], curves.values["random"], half)
        truth = label_saving(LABELS, [mean], [base], half).saving
        yield "labels saved", saved.low <= truth <= saved.high


def counts() -> Iterator[Counted]:
    """All that is counted."""
    for noise in NOISES:
        for seeds in SEEDS:
            for name, (gains, sd) in NOTHING.items():
                rng = np.random.default_rng([seeds, len(name), NOISES.index(noise)])
                wrong = sum(false_yes(made(rng, seeds, noise, gains, sd), gains) for _ in range(FALSE_DRAWS))
                yield Counted("false_yes", name, seeds, FALSE_DRAWS, wrong, noise)
            yield from _overlapping(noise, seeds)
            yield from _committed(noise, seeds)
    for seeds in SEEDS:
        rng = np.random.default_rng(seeds)
        gains = {"bait": MARGIN}
        wrong = sum(false_yes(crashing(rng, seeds, 0.007), gains) for _ in range(FALSE_DRAWS))
        yield Counted(
            "false_yes", "bait+fish alone crashes, and so loses the margin", seeds, FALSE_DRAWS, wrong, "normal"
        )


def _overlapping(noise: Noise, seeds: int) -> Iterator[Counted]:
    """Equal strategies whose seeds share images, the overlap counted and not."""
    rng = np.random.default_rng([seeds, NOISES.index(noise), 1])
    wrong = dict.fromkeys((OVERLAP, None), 0)
    for _ in range(FALSE_DRAWS):
        curves = made(rng, seeds, noise, EQUAL, 0.007, shared=TEST_SHARE)
        for overlap in wrong:
            wrong[overlap] += false_yes(curves, EQUAL, overlap)
    for overlap, count in wrong.items():
        name = f"equal strategies, splits that overlap{'' if overlap else ', not counted'}"
        yield Counted("false_yes", name, seeds, FALSE_DRAWS, count, noise)


def _committed(noise: Noise, seeds: int) -> Iterator[Counted]:
    """Power and coverage with effects as on the digits."""
    rng = np.random.default_rng([seeds, NOISES.index(noise)])
    yes, despite_overlap = (dict.fromkeys(map(str, FAMILY), 0) for _ in range(2))
    held: dict[str, list[bool]] = {}
    for _ in range(DRAWS):
        curves = made(rng, seeds, noise, COMMITTED)
        for each in judged(curves):
            yes[str(each.question)] += each.verdict == "yes"
        for each in judged(curves, OVERLAP):
            despite_overlap[str(each.question)] += each.verdict == "yes"
        for of, inside in covered(curves, COMMITTED, noise):
            held.setdefault(of, []).append(inside)
    for shown, splits in ((yes, ""), (despite_overlap, ", splits that overlap")):
        for question, count in shown.items():
            first, _, second = question.split()
            gain = COMMITTED[first] - COMMITTED.get(second, 0.0)
            yield Counted("power", f"{question}: {gain:+.4f}{splits}", seeds, DRAWS, count, noise)
    for of, inside in held.items():
        yield counted("coverage", of, seeds, inside, noise)


if __name__ == "__main__":
    write("compare", counts())
