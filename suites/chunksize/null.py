"""A null run: every size does the same work, so that whatever is claimed of sizes is false. How often is that, here?

The run itself is one sample. The same readings, their sizes shuffled within every block, are as many more as are asked
for: they have this machine's noise, its states and its far values, and no effect of size. Blocks are drawn from those
of the run, 5 and 10 among the numbers of them, as real runs have.

In the same draws the times of one kernel are then made to fall evenly from its smallest size to its largest, as real
ones do, by more and more until the suite would say that size matters: the power, without which few false claims may be
those of a suite that finds nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fbench.harness.contract import Answer, Table
from fbench.measure.arrays import Floats
from fbench.measure.interleaved import friedman, knee_between, simultaneous
from fbench.measure.power import NULL_BLOCKS, POWER
from fbench.measure.statistics import holm
from fbench.units import format_percent

from .judged import LEVEL, Judged
from .wording import short_percent
from .worth import MATERIAL, common_blocks, logarithms

QUESTION = "Does the suite claim an effect of size where there is none?"
NULL_LEAD = {
    "no": "No effect of size is claimed where there is none",
    "yes": "An effect of size is claimed where there is none",
    "too few": "Too little was timed to tell false claims",
}
"""How a null run's first line begins, by the verdict."""
_DRAWS, _POWER_DRAWS = 400, 100
_SLOWER = (*np.arange(1.05, 1.5, 0.01), *np.arange(1.5, 3.05, 0.1))
"""How many times the largest size's time the smallest is made to take, the least first."""


class FalseRates(NamedTuple):
    """Shares of shuffled runs: with any false claim of size, and of their kernels those whose knee is put too high.

    ``detectable`` is, by kernel, how many times the largest size's time the smallest must take for the fall between
    them to be found in 80 % of them; infinity where that is more than 3.
    """

    blocks: int
    draws: int
    claims: float
    knees: float
    detectable: dict[str, float]


def all_rates(kernels: Sequence[Judged], seed: int) -> list[FalseRates]:
    """The rates of a null run by the number of blocks, as many of ``NULL_BLOCKS`` as some kernel has."""
    return [rates for blocks in NULL_BLOCKS if (rates := false_rates(kernels, seed, blocks)) is not None]


def false_rates(kernels: Sequence[Judged], seed: int, blocks: int) -> FalseRates | None:
    """The rates of runs of so many blocks; None where no kernel has as many."""
    known = [one for one in kernels if one.worth and one.blocks >= blocks]
    if not known:
        return None
    draws = np.random.default_rng([seed, blocks])
    logs = [_logs(one) for one in known]
    claimed, late, least = 0, 0, list[list[float]]()
    for number in range(_DRAWS):
        shuffled = [draws.permuted(draws.choice(one, blocks, replace=False), axis=1) for one in logs]
        claimed += _claims(shuffled)
        late += sum(_is_late(one, readings) for one, readings in zip(known, shuffled, strict=True))
        if number < _POWER_DRAWS:
            least.append([_least_found(readings, len(kernels)) for readings in shuffled])
    detectable = np.quantile(least, POWER, axis=0, method="higher")
    of_kernels = dict(zip((one.label for one in known), detectable.tolist(), strict=True))
    return FalseRates(blocks, _DRAWS, claimed / _DRAWS, late / _DRAWS / len(known), of_kernels)


def _least_found(logs: Floats, family: int) -> float:
    """How many times as slow the smallest size must be for its kernel to be said to matter, alone of its family."""
    fall = np.linspace(1.0, 0.0, logs.shape[1])

    def is_found(times: float) -> bool:
        slower = logs + math.log(times) * fall
        return _material(slower) and family * friedman(slower) <= LEVEL

    at = bisect_left(_SLOWER, True, key=is_found)  # what is found stays found where it is slower yet
    return float(_SLOWER[at]) if at < len(_SLOWER) else math.inf


def rates_table(rates: Sequence[FalseRates]) -> Table:
    """False claims and power, by the number of blocks."""
    rows = [
        [f"{one.blocks}", f"{one.draws:,}", short_percent(one.claims), short_percent(one.knees), _range(one.detectable)]
        for one in rates
    ]
    note = (
        "Draws: blocks of this run with their sizes shuffled. False claims: that size matters with any kernel; 5 % is "
        "allowed. Knees too high: above the smallest size. Found: how many times the largest size's time the smallest "
        f"must take, with an even fall between, for a yes in {format_percent(POWER)} of {_POWER_DRAWS} draws, of the "
        "steadiest kernel and the least steady."
    )
    columns = ("blocks", "draws", "false claims", "knees too high", "found")
    return Table("False claims and power", columns, rows, note)


def null_lead(answer: Answer, rates: Sequence[FalseRates]) -> tuple[str, str, str]:
    """The three lines: what is claimed, what would be found, what to do."""
    first = f"{NULL_LEAD[answer.verdict]}; every size did the same work."
    if not rates:
        return first, answer.sentence, answer.advice
    most = rates[-1]
    power = (
        f"With {most.blocks} blocks, {format_percent(POWER)} of draws find a fall from the smallest size to the "
        f"largest of {_range(most.detectable)}."
    )
    return first, power, answer.advice


def _range(detectable: Mapping[str, float]) -> str:
    """``1.10 times (published) to 2.00 (incremental)``: the steadiest kernel and the least steady one."""
    least, most = min(detectable, key=detectable.__getitem__), max(detectable, key=detectable.__getitem__)
    if least == most:
        return f"{_times(detectable[least])} times"
    return f"{_times(detectable[least])} times ({least}) to {_times(detectable[most])} ({most})"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if math.isfinite(ratio) else f"over {_SLOWER[-1]:.0f}"


def null_answer(kernels: Sequence[Judged], rates: Sequence[FalseRates]) -> Answer:
    """What the run claims, and how often such runs do, at the number of blocks where they do it most."""
    if not rates:
        return Answer(
            QUESTION, "too few", "The sizes of a kernel have fewer than 4 blocks in common.", "Give more time."
        )
    claiming, draws = sum(one.matters for one in kernels), rates[0].draws
    most, knees = max(one.claims for one in rates), max(one.knees for one in rates)
    sentence = (
        f"Size is claimed to matter with {claiming} of {len(kernels)} kernels; of {draws} runs with shuffled "
        f"readings, {short_percent(most)} claim it at most, and {short_percent(knees)} of knees are too high."
    )
    trusted = not claiming and most < 2 * LEVEL
    advice = (
        "Believe a yes on this machine; a no rules out only falls larger than those it finds."
        if trusted
        else "Do not believe a yes on this machine."
    )
    return Answer(QUESTION, "yes" if claiming else "no", sentence, advice)


def _logs(one: Judged) -> Floats:
    blocks = common_blocks(one.sweep)
    return logarithms({size: one.sweep.points[size].seconds for size in one.sweep.sizes}, blocks)


def _claims(logs: Sequence[Floats]) -> bool:
    """Whether any kernel's sizes would be said to matter, all kernels corrected together."""
    adjusted = holm([friedman(readings) for readings in logs])
    return any(p <= LEVEL and _material(readings) for p, readings in zip(adjusted, logs, strict=True))


def _material(logs: Floats) -> bool:
    times = simultaneous(logs)
    return float(np.ptp(times.means)) > max(times.half_width, math.log1p(MATERIAL))


def _is_late(one: Judged, logs: Floats) -> bool:
    """Whether the interval of the knee leaves out the smallest size, which is as fast as all others."""
    return knee_between(one.sweep.sizes, simultaneous(logs), MATERIAL).low > one.sweep.sizes[0]
