"""The rows of ``states.csv``, paired by seed: what every arm's batch leaves of one and the same network's objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbench.harness.contract import Row
from fbench.measure.arrays import Floats
from fbench.measure.chance import ChanceShared, chance_shared
from fbench.measure.shares import PartOfWhole, part_of_whole
from fbench.measure.statistics import mean_interval
from fbench.results.words import count_seeds

BASELINE, FULL = "random", "bait-full"
"""Where the way begins, and where it ends if that arm is in the run."""


@dataclass(frozen=True)
class States:
    """The batches of the arms that were scored, on the seeds that all of these have; every [seeds] is in one order.

    Attributes:
        objective: [seeds] tr(F M⁻¹) with the batch in M, by arm.
        before: [seeds] the same without a batch.
        redundancy: [seeds] by arm; nan where a batch has no pair.
        dims: mean d, by arm; without those that have none.
        batches: what was bought, a set a seed, by arm.
        classes: [seeds] how many classes a batch has, by arm; empty where nothing tells.
        candidates: [seeds] of which a batch is a part.
        samples: the fewest and the most that F is over.
        part: whether that is a part of a pool.
        weights: all of the network's.
        regularisation: the least and the greatest λ.
        left_out: arms and seeds that are missing, each with the reason.
    """

    objective: dict[str, Floats]
    before: Floats
    redundancy: dict[str, Floats]
    dims: dict[str, float]
    batches: dict[str, list[set[int]]]
    classes: dict[str, Floats]
    candidates: list[int]
    samples: tuple[int, int]
    part: bool
    weights: int
    regularisation: tuple[float, float]
    left_out: list[tuple[str, str]]

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.before)

    @property
    def batch(self) -> int:
        """B, what an arm bought."""
        return len(next(iter(self.batches.values()))[0])

    @property
    def way(self) -> bool:
        """Whether ``end`` is shown to leave less than the baseline: without that there is no way to have shares of."""
        if self.end is None or self.seeds < 2:
            return False
        return mean_interval(self.objective[BASELINE] - self.objective[self.end]).low > 0

    @property
    def end(self) -> str | None:
        """Where the way from the baseline ends: at ``bait-full``, or at the arm of the least mean objective.

        None without the baseline, or where no arm does better.
        """
        if BASELINE not in self.objective:
            return None
        best = min(self.objective, key=lambda name: float(self.objective[name].mean()))
        return FULL if FULL in self.objective else best if best != BASELINE else None

    def share(self, arm: str) -> PartOfWhole | None:
        """How much of the way from the baseline's mean objective to ``end``'s an arm's goes; None of these two.

        A ratio of means with Fieller's interval: a seed whose random batch is good by chance has next to no way, and
        would rule a mean of ratios.
        """
        if self.end is None or arm in (BASELINE, self.end):
            return None
        base = self.objective[BASELINE]
        return part_of_whole(base - self.objective[arm], base - self.objective[self.end])

    def shares(self, arm: str) -> Floats:
        """The same seed by seed [seeds], for dots; nan where the seed has no way."""
        assert self.end is not None
        base = self.objective[BASELINE]
        way = base - self.objective[self.end]
        share = np.full(self.seeds, np.nan)
        np.divide(base - self.objective[arm], way, out=share, where=way > 0)
        return share

    def shared(self, one: str, other: str) -> Floats:
        """How many samples two arms' batches have in common [seeds]."""
        return np.array([len(a & b) for a, b in zip(self.batches[one], self.batches[other], strict=True)], float)

    @property
    def chance(self) -> ChanceShared:
        """What two random batches have in common, on average over so many seeds."""
        return chance_shared(self.candidates, self.batch)

    @property
    def families(self) -> dict[str, list[str]]:
        """Arms of two sizes or more, by their name without the size, the smallest first."""
        families: dict[str, list[str]] = {}
        for name in sorted((name for name in self.dims if "@" in name), key=lambda name: self.dims[name]):
            families.setdefault(name.partition("@")[0], []).append(name)
        return {name: sized for name, sized in families.items() if len(sized) > 1}


def read_states(
    states: Sequence[Row], selections: Sequence[Row], classes: Sequence[Row], arms: Sequence[str]
) -> States | None:
    """Read what is paired in the rows of ``states``, ``selections`` and ``classes``; None where no seed is.

    A seed whose network differs between arms is left out: there the batches were not chosen for one state.
    """
    known = {(row["strategy"], row["seed"]): row for row in states if row["strategy"] in arms}
    names = [name for name in arms if any(name == arm for arm, _ in known)]
    every = sorted({seed for _, seed in known})
    common = [seed for seed in every if all((name, seed) in known for name in names)]
    alike = [seed for seed in common if len({known[name, seed]["network"] for name in names}) == 1]
    if not alike:
        return None

    def of(column: str, name: str) -> Floats:
        return np.array([known[name, seed][column] for seed in alike], float)  # an empty cell is nan

    first = [known[names[0], seed] for seed in alike]
    starts = [len(start) for start in _bought(selections, names[:1], alike, 0)[names[0]]]
    lam = [row["regularisation"] for row in first]
    dims = {name: float(of("d", name).mean()) for name in names if not np.isnan(of("d", name)).any()}
    return States(
        objective={name: of("objective", name) for name in names},
        before=of("objective_before", names[0]),
        redundancy={name: of("redundancy", name) for name in names},
        dims=dims,
        batches=_bought(selections, names, alike, 1),
        classes=_classes(classes, names, alike),
        candidates=[row["candidates"] for row in first],
        samples=(min(row["samples"] for row in first), max(row["samples"] for row in first)),
        part=any(row["samples"] < row["candidates"] + start for row, start in zip(first, starts, strict=True)),
        weights=first[0]["weights"],
        regularisation=(min(lam), max(lam)),
        left_out=_left_out(len(every) - len(common), len(common) - len(alike)),
    )


def _bought(
    selections: Sequence[Row], names: Sequence[str], seeds: Sequence[int], number: int
) -> dict[str, list[set[int]]]:
    """What every arm bought in a round, a set a seed."""
    batches: dict[str, list[set[int]]] = {name: [set() for _ in seeds] for name in names}
    place = {seed: i for i, seed in enumerate(seeds)}
    for row in selections:
        if row["round"] == number and row["strategy"] in batches and row["seed"] in place:
            batches[row["strategy"]][place[row["seed"]]].add(row["index"])
    return batches


def _classes(classes: Sequence[Row], names: Sequence[str], seeds: Sequence[int]) -> dict[str, Floats]:
    counted = [(row["strategy"], row["seed"]) for row in classes if row["round"] == 1 and row["bought"]]
    return {name: np.array([counted.count((name, seed)) for seed in seeds], float) for name in names if counted}


def _left_out(unfinished: int, unlike: int) -> list[tuple[str, str]]:
    gaps = [(unfinished, "not finished by every strategy"), (unlike, "its network differs between strategies")]
    return [(count_seeds(count), why) for count, why in gaps if count]
