"""What select and fisher answer of times that were drawn, not measured: false claims, power, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from claim_rows import REPETITIONS, Counted
from selection_rows import EQUAL, row
from two_states import MACHINES, Machine, block_times

from fbench.results.faster import TimeComparison
from fbench.suites.fisher import answers as fisher
from fbench.suites.fisher.rows import MeasuredMethod
from fbench.suites.select import answers as select
from fbench.suites.select.cases import measured_selections
from fbench.suites.select.comparisons import comparisons

Works = Mapping[str, float]
"""Seconds that each way takes in the fast state."""
Draw = Callable[[Machine, Works, int, np.random.Generator], tuple[int, Mapping[str, TimeComparison]]]
"""False claims of one draw where all ways are equal, and its comparisons by the way that is compared."""

_PHASES = {"setup": 0.3, "forward": 0.7}
SELECT = ("published", "incremental", "top2", "binary", "pca")
SELECT_AS_COMMITTED = {"published": 5.5, "incremental": 0.121, "top2": 0.0827, "binary": 0.0368, "pca": 0.0799}
"""Seconds in reports/reference/select-approximations."""
FISHER = ("loop", "vmap", "backpack", "batched")
FISHER_AS_COMMITTED = {"loop": 1.74, "vmap": 0.258, "backpack": 2.09, "batched": 2.28}
"""Seconds of a pass in reports/reference/fisher; samples that these are of: ``_SAMPLES``."""
_SAMPLES = {"loop": 1, "vmap": 8, "backpack": 64, "batched": 128}


def draw_select(
    machine: Machine, works: Works, blocks: int, generator: np.random.Generator
) -> tuple[int, Mapping[str, TimeComparison]]:
    """A run of select: equal picks, equal objectives, peaks that differ by 2 %."""
    times = block_times(machine, list(works.values()), blocks, generator)
    rows = []
    for place, method in enumerate(works):
        agreed = {**EQUAL, "objective": 2.0}
        rows += [
            row(method, "agreement", **agreed),
            row(method, "memory", peak_bytes=int(1e8 * generator.normal(1, 0.02))),
        ]
        for block in range(blocks):
            for phase, share in _PHASES.items():
                rows.append(row(method, phase, block, picks=1, picks_total=1, time_s=share * times[block, place]))
    cases = measured_selections(rows)
    compared = comparisons(cases)
    said = select.select_answers(cases, compared)
    false = sum(answer.verdict in ("yes", "no") for answer in said if "same batch" not in answer.question)
    return false, {c.case.method: c.result for c in compared}


def draw_fisher(
    machine: Machine, works: Works, blocks: int, generator: np.random.Generator
) -> tuple[int, Mapping[str, TimeComparison]]:
    """A run of fisher: one quantity, a pass of every way a block; without a floor, which equal ways do not have."""
    times = block_times(machine, list(works.values()), blocks, generator)
    cases = []
    for place, method in enumerate(works):
        samples = 1 if len(set(works.values())) == 1 else _SAMPLES[method]
        seconds = {block: times[block, place] / samples for block in range(blocks)}
        cases.append(MeasuredMethod("diagonal", method, 128, seconds, 128, 32, None, 2e-6))
    groups = fisher.largest_groups(cases)
    judged = fisher.family(groups)
    said = fisher.fisher_answers(groups, judged, "float32")
    false = sum(answer.verdict in ("yes", "no") for answer in said if "right" not in answer.question)
    return false, {method: result for (_, method), result in judged.items()}


def false_claims(
    draw: Draw, ways: Sequence[str], work_s: float, draws: int, machines: Sequence[Machine] = MACHINES
) -> Iterator[Counted]:
    """Draws in which equal ways are told apart, and those whose first interval holds the true ratio of 1."""
    works = dict.fromkeys(ways, work_s)
    for machine in machines:
        for blocks in REPETITIONS:
            generator = np.random.default_rng([blocks, round(machine.dwell_s), len(machine.noise)])
            outcomes = [draw(machine, works, blocks, generator) for _ in range(draws)]
            claims = sum(false > 0 for false, _ in outcomes)
            held = sum(_holds(next(iter(results.values())), 1.0) for _, results in outcomes)
            condition = f"{len(ways)} equal ways of {work_s:g} s; {machine.name}"
            yield Counted("false_yes", condition, blocks, draws, claims)
            yield Counted("coverage", condition, blocks, draws, held)


def power(
    draw: Draw, works: Works, true: Mapping[str, float], draws: int, machines: Sequence[Machine]
) -> Iterator[Counted]:
    """Draws in which differences as large as the committed ones are shown, and whose intervals hold the true ratio."""
    for machine in machines:
        for blocks in REPETITIONS:
            generator = np.random.default_rng([blocks, round(machine.dwell_s), 7])
            outcomes = [results for _, results in (draw(machine, works, blocks, generator) for _ in range(draws))]
            for way, ratio in true.items():
                condition = f"{way}, {ratio:.3g} times, as committed; {machine.name}"
                shown = sum(results[way].verdict == "yes" for results in outcomes)
                yield Counted("power", condition, blocks, draws, shown)
                yield Counted("coverage", condition, blocks, draws, sum(_holds(r[way], ratio) for r in outcomes))


def _holds(result: TimeComparison, ratio: float) -> bool:
    return result.times.low <= ratio <= result.times.high
