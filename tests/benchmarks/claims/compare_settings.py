"""How often ``fbench compare`` claims over several settings what is not so, and what is.

    python tests/benchmarks/claims/compare_settings.py

Writes ``reports/reference/claims/compare-settings.csv``: shares of draws with their 95 % intervals (Clopper and
Pearson), on two data sets at three λ, for normal and crash-type noise at 8 and 20 seeds. About twenty minutes. Where
splits overlap, a fifth of a strategy's variance is that of the images, drawn anew with every draw, common to all λ.

- false_claim: any answer over all settings that is untrue: a *yes* where one setting has no gain, a *no* where none has
  a loss.
- false_mean: anything shown of the mean over settings that is untrue.
- false_cell: any answer of any setting that is untrue.
- power: each question's *yes* over all settings, with effects and noise as 24 seeds of the digits have them.
- power_in_the_mean: what the mean shows where five settings have these effects and one has none.
- contradicted: *no* where one setting of six has the opposite effect.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from claim_rows import Counted, write  # noqa: E402
from compare_curves import NAMES, Noise, made  # noqa: E402

from fbench.learning.data import TEST_SHARE  # noqa: E402
from fbench.suites.compare.curves import Curves  # noqa: E402
from fbench.suites.compare.everywhere import AtSetting, Claim, claims_over, judge_settings  # noqa: E402
from fbench.suites.compare.options import QUESTIONS  # noqa: E402
from fbench.suites.compare.questions import Question, parse_questions  # noqa: E402
from fbench.suites.compare.settings import CompareSetting  # noqa: E402

DRAWS, SEEDS, MARGIN, SD = 1000, (8, 20), 0.005, 0.007
NOISES: tuple[Noise, ...] = ("normal", "crash")
FAMILY = parse_questions(QUESTIONS)
REGULARISED = frozenset({"bait", "bait+fish", "bait+random-mask"})
SETTINGS = [CompareSetting(name, lambda_) for name in ("one", "other") for lambda_ in ("1", "0.1", "0.01")]
Gains = Mapping[str, float]
EQUAL: Gains = {}
DIGITS: Gains = {"bait": 0.0240, "bait+random-mask": 0.0430, "bait+fish": 0.0455}
AT_THE_MARGIN: Gains = {"bait": MARGIN}
OPPOSITE: Gains = {"bait+fish": -0.0455, "bait": -0.0240, "bait+random-mask": -0.0430}
CONDITIONS: dict[str, Sequence[Gains]] = {
    "equal at every setting": [EQUAL] * 6,
    "as the digits at five settings, equal at one": [DIGITS] * 5 + [EQUAL],
    "as the digits at five settings, bait+fish worse than bait by the margin at one": [DIGITS] * 5 + [AT_THE_MARGIN],
    "as the digits at three settings, the opposite at three": [DIGITS, OPPOSITE] * 3,
}


def drawn(
    rng: np.random.Generator, seeds: int, noise: Noise, gains: Sequence[Gains], *, overlapping: bool = False
) -> list[AtSetting]:
    """Every setting judged; what knows no λ is the same at all λ of a data set."""
    measured: list[tuple[CompareSetting, Curves, float | None]] = []
    plain: dict[str, Curves] = {}
    share = TEST_SHARE if overlapping else 0.0
    images = {setting.dataset: rng.normal(0, SD * share**0.5, size=len(NAMES)) for setting in SETTINGS}
    for setting, of_setting in zip(SETTINGS, gains, strict=True):
        seen = {
            name: of_setting.get(name, 0.0) + float(effect)
            for name, effect in zip(NAMES, images[setting.dataset], strict=True)
        }
        curves = made(rng, seeds, noise, seen, SD * (1 - share) ** 0.5)
        first = plain.setdefault(setting.dataset, curves)
        shared = {**curves.values, "random": first.values["random"]}
        overlap = TEST_SHARE / (1 - TEST_SHARE) if overlapping else None
        measured.append((setting, replace(curves, values=shared, numbers=tuple(range(seeds))), overlap))
    return judge_settings(measured, FAMILY, (), MARGIN, REGULARISED)


def difference(question: Question, gains: Gains) -> float:
    """How much better the first strategy really is."""
    return gains.get(question.first, 0.0) - gains.get(question.second, 0.0)


def is_so(question: Question, gains: Gains) -> bool:
    """Whether a question is to be answered yes at a setting."""
    return difference(question, gains) > (-MARGIN if question.relation == ">=" else 0.0) + 1e-12


def untrue(claim: Claim, gains: Sequence[Gains]) -> bool:
    """Whether an answer over all settings claims what is not so."""
    so = all(is_so(claim.question, of_setting) for of_setting in gains)
    worse = any(difference(claim.question, of_setting) < 0 for of_setting in gains)
    return (claim.verdict == "yes" and not so) or (claim.verdict == "no" and not worse)


def untrue_mean(claim: Claim, gains: Sequence[Gains]) -> bool:
    """Whether the mean over settings is claimed to show what is not so."""
    mean = float(np.mean([difference(claim.question, of_setting) for of_setting in gains]))
    return claim.in_the_mean and mean <= (-MARGIN if claim.question.relation == ">=" else 0.0) + 1e-12


def untrue_cells(places: Sequence[AtSetting], gains: Sequence[Gains]) -> bool:
    """Whether any answer of a setting claims what is not so."""
    return any(
        (test.verdict == "yes" and not is_so(test.question, of_setting))
        or (test.verdict == "no" and difference(test.question, of_setting) >= 0)
        for place, of_setting in zip(places, gains, strict=True)
        for test in place.judged
    )


def counts() -> Iterator[Counted]:
    """All that is counted."""
    for noise in NOISES:
        for seeds in SEEDS:
            for (name, gains), overlapping in itertools.product(CONDITIONS.items(), (False, True)):
                rng = np.random.default_rng([seeds, len(name), NOISES.index(noise), overlapping])
                wrong, means, cells = 0, 0, 0
                for _ in range(DRAWS):
                    places = drawn(rng, seeds, noise, gains, overlapping=overlapping)
                    claims = claims_over(places, FAMILY, REGULARISED)
                    wrong += any(untrue(claim, gains) for claim in claims)
                    means += any(untrue_mean(claim, gains) for claim in claims)
                    cells += untrue_cells(places, gains)
                told = name + (", splits that overlap" if overlapping else "")
                yield Counted("false_claim", told, seeds, DRAWS, wrong, noise)
                yield Counted("false_mean", told, seeds, DRAWS, means, noise)
                yield Counted("false_cell", told, seeds, DRAWS, cells, noise)
            yield from _shown(noise, seeds)


def _shown(noise: Noise, seeds: int) -> Iterator[Counted]:
    """What is there and is claimed."""
    rng = np.random.default_rng([seeds, NOISES.index(noise)])
    yes, mean, no = (dict.fromkeys(map(str, FAMILY), 0) for _ in range(3))
    for _ in range(DRAWS):
        for claim in claims_over(drawn(rng, seeds, noise, [DIGITS] * 6), FAMILY, REGULARISED):
            yes[str(claim.question)] += claim.verdict == "yes"
        for claim in claims_over(drawn(rng, seeds, noise, [DIGITS] * 5 + [EQUAL]), FAMILY, REGULARISED):
            mean[str(claim.question)] += claim.in_the_mean
        for claim in claims_over(drawn(rng, seeds, noise, [DIGITS] * 5 + [OPPOSITE]), FAMILY, REGULARISED):
            no[str(claim.question)] += claim.verdict == "no"
    for question in FAMILY:
        there, opposite = difference(question, DIGITS), difference(question, OPPOSITE)
        yield Counted("power", f"{question}: {there:+.4f}", seeds, DRAWS, yes[str(question)], noise)
        told = f"{question}: {there:+.4f} at five of six, 0 at one"
        yield Counted("power_in_the_mean", told, seeds, DRAWS, mean[str(question)], noise)
        if opposite < 0:
            told = f"{question}: {opposite:+.4f} at one of six"
            yield Counted("contradicted", told, seeds, DRAWS, no[str(question)], noise)


if __name__ == "__main__":
    write("compare-settings", counts())
