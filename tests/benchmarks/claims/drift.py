"""How often ``fbench drift`` says yes where there is nothing, and where there is something; what its intervals cover.

    python tests/benchmarks/claims/drift.py

Writes ``reports/reference/claims/drift.csv``: a share of the draws with its 95 % interval (Clopper and Pearson), for
normal, t₃ and crash-type noise at 4, 8 and 20 seeds. About ten minutes.

- false_yes: any yes of the whole set of answers, or of the table of the poster's claim, that is untrue.
- power: "new labels change the mask", where they take what they take in a committed run.
- coverage: of the 95 % intervals that are printed, all fractions together.
"""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))

from drift_draws import NOISES, Noise, World, draw, true_falls, true_previous  # noqa: E402

from fbench.measure.proportions import clopper_pearson  # noqa: E402
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
    return bool((said & ~holds).any()) or (verdicts.claim == "yes" and not holds.all())


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


def rows() -> Iterator[tuple[str, str, str, int, int, int]]:
    """Give what was counted: quantity, condition, noise, seeds, draws and how many of them."""
    for noise in NOISES:
        for seeds in SEEDS:
            for name, world in NOTHING.items():
                yield from _nothing(name, world, noise, seeds)
            for name, world in COMMITTED.items():
                rng = np.random.default_rng([seeds, len(name), NOISES.index(noise)])
                found = sum(judge(draw(world, seeds, noise, rng), MARGIN).drift == "yes" for _ in range(DRAWS))
                yield "power", name, noise, seeds, DRAWS, found


def skewed() -> Iterator[tuple[str, str, str, int, int, int]]:
    """Give how often the interval of a share covers the mean of skewed ones, which are Beta's."""
    for mean, sd in ((0.05, 0.03), (0.02, 0.02), (0.9, 0.06)):
        both = mean * (1 - mean) / sd**2 - 1
        for seeds in SEEDS:
            values = np.random.default_rng(seeds).beta(mean * both, (1 - mean) * both, (20 * DRAWS, seeds))
            intervals = [share_interval(row) for row in values]
            held = sum(interval.low <= mean <= interval.high for interval in intervals)
            yield "coverage: a share", f"mean {mean:g}, standard deviation {sd:g}", "beta", seeds, len(values), held


def _nothing(name: str, world: World, noise: Noise, seeds: int) -> Iterator[tuple[str, str, str, int, int, int]]:
    rng = np.random.default_rng([seeds, len(name), NOISES.index(noise)])
    truth, wrong = true_falls(world, noise, rng), 0
    held: dict[str, list[bool]] = {}
    for _ in range(DRAWS):
        drift = draw(world, seeds, noise, rng)
        verdicts = judge(drift, MARGIN)
        wrong += false_yes(verdicts, truth)
        for of, inside in covered(drift, verdicts, world, truth, noise).items():
            held.setdefault(of, []).extend(inside)
    yield "false_yes", name, noise, seeds, DRAWS, wrong
    for of, inside in held.items():
        if inside:
            yield f"coverage: {of}", name, noise, seeds, len(inside), sum(inside)


if __name__ == "__main__":
    path = ROOT / "reports" / "reference" / "claims" / "drift.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["quantity", "condition", "noise", "repetitions", "draws", "share", "low", "high"])
        for quantity, condition, noise, seeds, draws, count in itertools.chain(rows(), skewed()):
            low, high = clopper_pearson(count, draws)
            writer.writerow(
                [quantity, condition, noise, seeds, draws, *(f"{x:.4f}" for x in (count / draws, low, high))]
            )
            file.flush()
