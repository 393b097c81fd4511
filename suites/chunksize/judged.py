"""What is said of every kernel of a run: all tests of the run are one family, and are corrected together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from fbench.measure.interleaved import LEAST_BLOCKS, shift
from fbench.measure.spectrum import Period, find_period
from fbench.measure.statistics import holm
from fbench.results.ratios import Ratio, ratio

from .kernels import wrong_scores
from .lanes import FullPacks, lanes_test
from .options import Options
from .points import ChunkRun, TimedPoint
from .prediction import Prediction, prediction
from .rows import ProblemKey
from .sweeps import PROBLEM_LETTERS, Sweep, group_sweeps, published_of, varying_in_sweeps
from .wiggles import Wiggle, pass_wiggle, single_wiggle
from .worth import MATERIAL, Worth, common_blocks, worth

LEVEL = 0.05
"""What the whole run may claim falsely, once in so many."""


@dataclass(frozen=True)
class Searched:
    """A wiggle of t(c) or τ(m) with its strongest period; ``p`` is corrected."""

    of: str
    wiggle: Wiggle
    period: Period | None
    p: float = math.nan

    @property
    def told(self) -> bool:
        """Whether the period is told from red noise."""
        return self.p <= LEVEL

    @property
    def too_short(self) -> bool:
        """Whether a period below two steps would show as this one."""
        return self.period is not None and self.period.period < 3 * self.wiggle.step


@dataclass(frozen=True)
class Judged:
    """A kernel on a problem, and all that its blocks say; every ``p`` is corrected over the run.

    ``less`` is how many times less than the published kernel it takes, each at its knee, and of no block without one;
    ``blocks`` are those that all sizes have in common. ``raw`` are p values before the correction, by test.
    """

    sweep: Sweep
    label: str
    blocks: int
    worth: Worth | None
    lanes: FullPacks | None
    searched: Sequence[Searched]
    prediction: Prediction | None
    less: Ratio
    raw: Mapping[str, float] = field(default_factory=dict)
    worth_p: float = math.nan
    lanes_p: float = math.nan
    less_p: float = math.nan

    @property
    def matters(self) -> bool:
        """Whether chunk size is shown to matter, and by 5 % or more."""
        return self.worth is not None and self.worth_p <= LEVEL and self.worth.material

    @property
    def packs(self) -> bool:
        """Whether sizes that fill the kernel's packs are shown to be faster than those beside them."""
        return self.lanes is not None and self.lanes_p <= LEVEL and self.lanes.beyond.share > 0

    @property
    def beats_published(self) -> bool:
        """Whether it is shown to be faster than the published kernel, by 5 % or more."""
        return self.less_p <= LEVEL and self.less.mean > 1 + MATERIAL

    @property
    def point(self) -> TimedPoint:
        """The point that stands for the kernel: its knee, or its fastest where that is not known."""
        return self.sweep.points[self.worth.reference] if self.worth else self.sweep.best


@dataclass(frozen=True)
class Judgement:
    """All kernels of a run whose scores are the scores, and the sweeps of those whose scores are wrong."""

    run: ChunkRun
    kernels: Sequence[Judged]
    wrong: Sequence[Sweep]

    @cached_property
    def sweeps(self) -> list[Sweep]:
        """The sweeps of the kernels."""
        return [judged.sweep for judged in self.kernels]


def at_the_edge(kernels: Sequence[Judged]) -> dict[str, str]:
    """By kernel, what to try where its chunk is the whole pool or the largest tried: its knee may lie beyond."""
    known = [(one.label, one.sweep, one.worth.knee.size) for one in kernels if one.worth and one.worth.knee]
    return {
        name: f"{size:,} is the whole pool: try more --candidates"
        if size >= sweep.shard
        else f"{size:,} is the largest tried: try larger --sizes"
        for name, sweep, size in known
        if size == sweep.sizes[-1]
    }


def judge_run(run: ChunkRun, options: Options) -> Judgement:
    """Ask every kernel everything, then correct all p values as one family (Holm)."""
    swept = group_sweeps(run.points)
    wrong = [sweep for sweep in swept if is_wrong(sweep)]
    right = [sweep for sweep in swept if sweep not in wrong]
    problems = list(dict.fromkeys(sweep.problem for sweep in right))
    asked = [_asked(sweep, problems, options) for sweep in right]
    return Judgement(run, as_one_family([_against_published(one, asked) for one in asked]), wrong)


def is_wrong(sweep: Sweep) -> bool:
    """Whether the scores of any of its sizes are other numbers than the float64 ones."""
    points = [*sweep.points.values(), *sweep.alone.values()]
    return any(wrong_scores(point.max_rel_error, sweep.problem.dtype) for point in points)


def _asked(sweep: Sweep, problems: Sequence[ProblemKey], options: Options) -> Judged:
    wiggles = {"t(c)": pass_wiggle(sweep), "τ(m)": single_wiggle(sweep)}
    searched = [
        Searched(of, wiggle, find_period(wiggle.values, wiggle.step, seed=options.seed))
        for of, wiggle in wiggles.items()
        if wiggle is not None
    ]
    return Judged(
        sweep,
        label(sweep, problems),
        len(common_blocks(sweep)),
        worth(sweep, options.memory_budget or None),
        lanes_test(sweep),
        searched,
        prediction(sweep),
        ratio({}, {}),
    )


def label(sweep: Sweep, problems: Sequence[ProblemKey]) -> str:
    """The kernel's name, with the sizes that differ over the run's problems: ``fused (d=640)``."""
    sizes = sweep.problem._asdict()
    differing = [
        sizes[name] if name == "dtype" else f"{PROBLEM_LETTERS[name]}={sizes[name]}"
        for name in varying_in_sweeps(problems)
    ]
    return f"{sweep.kernel} ({', '.join(differing)})" if differing else sweep.kernel


def _against_published(one: Judged, others: Sequence[Judged]) -> Judged:
    """The kernel with its ratio to the published one of its variant, and with the p values of all its tests."""
    published = published_of(one.sweep, [other.sweep for other in others])
    raw = {searched.of: searched.period.p for searched in one.searched if searched.period}
    raw |= {"worth": one.worth.p} if one.worth else {}
    raw |= {"lanes": one.lanes.beyond.p} if one.lanes else {}
    if published is None:
        return replace(one, raw=raw)
    base, mine = next(other for other in others if other.sweep is published).point.seconds, one.point.seconds
    logs = [math.log(base[block] / mine[block]) for block in sorted(base.keys() & mine.keys())]
    raw |= {"less": shift(logs).p} if len(logs) >= LEAST_BLOCKS else {}
    return replace(one, less=ratio(base, mine), raw=raw)


def as_one_family(kernels: Sequence[Judged]) -> list[Judged]:
    """The kernels with every p value corrected over all of them."""
    family = {(at, test): p for at, one in enumerate(kernels) for test, p in one.raw.items()}
    adjusted = dict(zip(family, map(float, holm(list(family.values()))), strict=True))

    def p_of(at: int, test: str) -> float:
        return adjusted.get((at, test), math.nan)

    return [
        replace(
            one,
            worth_p=p_of(at, "worth"),
            lanes_p=p_of(at, "lanes"),
            less_p=p_of(at, "less"),
            searched=[replace(searched, p=p_of(at, searched.of)) for searched in one.searched],
        )
        for at, one in enumerate(kernels)
    ]
