"""How often ``fbench drift`` says yes where there is nothing, and where there is something; what its intervals cover.

    python tests/benchmarks/claims/drift.py

Writes ``reports/reference/claims/drift.csv``: a share of the draws with its 95 % interval (Clopper and Pearson), for
normal, t₃ and crash-type noise at 4, 8 and 20 seeds. About ten minutes.

- false_yes: any yes of the whole set of answers, or of the table of the poster's claim, that is untrue.
- power: "new labels change the mask", where they take what they take in a committed run.
- coverage: of the 95 % intervals that are printed, all fractions together.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from claim_rows import Counted, counted, write  # noqa: E402
from drift_draws import NOISES, Noise, World, draw, true_falls, true_previous  # noqa: E402

from fbench.measure.shares import share_interval  # noqa: E402
from fbench.suites.drift.falls import NEARLY_ZERO, STEEP, THIRD  # noqa: E402
from fbench.suites.drift.measured import Drift  # noqa: E402
from fbench.suites.drift.verdicts import Verdicts, judge  # noqa: E402

DRAWS, SEEDS, MARGIN = 1000, (4, 8, 20), 0.2
NOTHING = {
    "baseline rises as with 1 % kept on the digits": World(rise=0.0085),
    "baseline rises four times as fast": World(rise=0.034),
    "poster's claim just missed at every fraction": World(places=(0.291,) * 5, steepness=18.5),
}
COMMITTED = {
    "20 % kept on the digits: 2.5 % taken, sd of the difference 0.0013": World(
        baseline=(0.524,) * 5, chance=(0.365,) * 5, taken=0.025, rise=0.0, sd=0.0021
    ),
    "5 % kept on cifar10-small: 32 % taken, sd of the difference 0.007": World(
        baseline=(0.396,) * 5, chance=(0.349,) * 5, taken=0.32, rise=0.0, sd=0.011
    ),
}
"""The gaps of the committed runs, and the spread of the seeds' differences: sd · √(rounds/2) is an overlap's noise."""


def false_yes(verdicts: Verdicts, truth: np.ndarray) -> bool:
    """Whether anything is called true that is not; nothing drifts in these worlds."""
    if verdicts.drifting():
        return True
    zones = (THIRD, (0.0, STEEP), (0.0, NEARLY_ZERO))
    holds = np.array([[low <= value <= high for value, (low, high) in zip(row, zones, strict=True)] for row in truth])
    said = np.array([[word == "yes" for word in parts] for parts in verdicts.parts.values()])
    return bool((said & ~holds).any()) or (verdicts.claim == "yes" and not holds[:, 0].all())


def covered(drift: Drift, verdicts: Verdicts, world: World, truth: np.ndarray, noise: Noise) -> dict[str, list[bool]]:
    """Which intervals hold their truth, by what they are of."""
    held: dict[str, list[bool]] = {name: [] for name in ("new labels take", "overlap", "place", "width", "left")}
    for compared, overlap in zip(verdicts.compared.values(), true_previous(world, noise), strict=True):
        if compared.taken.low == compared.taken.low:
            held["new labels take"].append(compared.taken.low <= world.taken <= compared.taken.high)
        interval = share_interval(compared.values["previous"])
        held["overlap"].append(bool(interval.low <= overlap <= interval.high))
    for fall, (place, width, left) in zip(verdicts.falls, truth, strict=True):
        for name, mean, value in (("place", fall.place, place), ("width", fall.width, width),
                                  ("left", fall.remnant, left)):  # fmt: skip
            if mean is not None:
                held[name].append(bool(mean.low <= value <= mean.high))
    return held


def rows() -> Iterator[Counted]:
    """False claims and power."""
    for noise in NOISES:
        for seeds in SEEDS:
            for name, world in NOTHING.items():
                yield from _nothing(name, world, noise, seeds)
            for name, world in COMMITTED.items():
                rng = np.random.default_rng([seeds, len(name), NOISES.index(noise)])
                shown = sum(judge(draw(world, seeds, noise, rng), MARGIN).drift == "yes" for _ in range(DRAWS))
                yield Counted("power", name, seeds, DRAWS, shown, noise)


def skewed() -> Iterator[Counted]:
    """Give how often the interval of a share covers the mean of skewed ones, which are Beta's."""
    for mean, sd in ((0.05, 0.03), (0.02, 0.02), (0.9, 0.06)):
        both = mean * (1 - mean) / sd**2 - 1
        for seeds in SEEDS:
            values = np.random.default_rng(seeds).beta(mean * both, (1 - mean) * both, (20 * DRAWS, seeds))
            intervals = [share_interval(row) for row in values]
            held = sum(interval.low <= mean <= interval.high for interval in intervals)
            yield Counted("coverage: a share", f"mean {mean:g}, sd {sd:g}", seeds, len(values), held, "beta")


def _nothing(name: str, world: World, noise: Noise, seeds: int) -> Iterator[Counted]:
    rng = np.random.default_rng([seeds, len(name), NOISES.index(noise)])
    truth, wrong = true_falls(world, noise, rng), 0
    held: dict[str, list[bool]] = {}
    for _ in range(DRAWS):
        drift = draw(world, seeds, noise, rng)
        verdicts = judge(drift, MARGIN)
        wrong += false_yes(verdicts, truth)
        for of, inside in covered(drift, verdicts, world, truth, noise).items():
            held.setdefault(of, []).extend(inside)
    yield Counted("false_yes", name, seeds, DRAWS, wrong, noise)
    for of, inside in held.items():
        if inside:
            yield counted(f"coverage: {of}", name, seeds, inside, noise)


if __name__ == "__main__":
    write("drift", itertools.chain(rows(), skewed()))
