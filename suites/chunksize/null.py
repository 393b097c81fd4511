"""A null run: every size does the same work, so that whatever is claimed of sizes is false. How often is that, here?

The run itself is one sample. The same readings, their sizes shuffled within every block, are as many more as are asked
for: they have this machine's noise, its states and its far values, and no effect of size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fbench.harness.contract import Answer
from fbench.measure.arrays import Floats
from fbench.measure.interleaved import friedman, knee_between, simultaneous
from fbench.measure.statistics import holm

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
_DRAWS = 400


class FalseRates(NamedTuple):
    """Shares of shuffled runs: with any false claim of size, and of their kernels those whose knee is put too high."""

    draws: int
    claims: float
    knees: float


def false_rates(kernels: Sequence[Judged], seed: int) -> FalseRates | None:
    """The rates of a null run; None where no kernel has blocks enough."""
    known = [one for one in kernels if one.worth]
    if not known:
        return None
    draws = np.random.default_rng(seed)
    logs = [_logs(one) for one in known]
    claimed, late = 0, 0
    for _ in range(_DRAWS):
        shuffled = [draws.permuted(readings, axis=1) for readings in logs]
        claimed += _claims(shuffled)
        late += sum(_is_late(one, readings) for one, readings in zip(known, shuffled, strict=True))
    return FalseRates(_DRAWS, claimed / _DRAWS, late / _DRAWS / len(known))


def null_answer(kernels: Sequence[Judged], seed: int) -> Answer:
    """What the run claims, and how often such runs do."""
    rates = false_rates(kernels, seed)
    if rates is None:
        return Answer(
            QUESTION, "too few", "The sizes of a kernel have fewer than 4 blocks in common.", "Give more time."
        )
    claiming = sum(one.matters for one in kernels)
    claims, knees = short_percent(rates.claims), short_percent(rates.knees)
    sentence = (
        f"Size is claimed to matter with {claiming} of {len(kernels)} kernels; of {rates.draws} runs with shuffled "
        f"readings, {claims} claim it, and {knees} of knees are too high."
    )
    trusted = not claiming and rates.claims < 2 * LEVEL
    advice = "Believe a yes on this machine." if trusted else "Do not believe a yes on this machine."
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
