"""What `fbench chunksize` claims where nothing is there, what it finds where something is, what its intervals cover.

    python tests/benchmarks/claims/chunksize.py [--draws 1000]

Writes reports/reference/claims/chunksize.csv. Block times are drawn, not measured: a machine of two states, one 20 %
slower than the other, that stays in each for an exponential time of a mean ``dwell``; units of 0.22 s in shuffled
rounds, as in the reference run; and noise of Student's t with three degrees of freedom, 2 %. The suite's own judgement
reads them.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import REPETITIONS, Counted, counted, write

from fbench.harness import registry
from fbench.measure.medians import median_interval, repeat_interval
from fbench.suites.chunksize.answers import FASTER, MATTERS, PERIOD, PREDICTED, answered
from fbench.suites.chunksize.control import Control, UnitCondition
from fbench.suites.chunksize.decomposition import needed, predicted_seconds
from fbench.suites.chunksize.judged import Judgement, judge_run
from fbench.suites.chunksize.points import ChunkRun, TimedPoint
from fbench.suites.chunksize.rows import PointKey, ResultRow

OPTIONS = registry.SUITES.get("chunksize").typed()
POOL, UNIT_S, SLOWER, NOISE = 512, 0.22, 0.2, 0.02
SIZES = tuple(16 * 2**i for i in range(6))
DENSE = tuple(range(8, 513, 8))
DWELLS = (3.0, 15.0, 60.0, 300.0)
Law = Callable[[int], float]
"""Seconds of one chunk by its candidates."""


@dataclass(frozen=True)
class Design:
    """What is timed: kernels by name with the law of one chunk, at sizes."""

    kernels: Mapping[str, Law]
    sizes: Sequence[int]

    def cases(self) -> list[tuple[str, str, int, float]]:
        """(kernel, phase, size, seconds) of every case."""
        cases = []
        for kernel, tau in self.kernels.items():
            chunks = sorted(needed(POOL, self.sizes))
            known = {m: tau(m) for m in chunks}
            cases += [(kernel, "sweep", c, predicted_seconds(POOL, c, known) or math.nan) for c in self.sizes]
            cases += [(kernel, "single", m, known[m]) for m in chunks]
        return cases


def equal(m: int) -> float:
    """A law under which all sizes take the same time."""
    return 1e-4 * m


EQUAL = Design({"published": equal, "fused": equal, "factored": equal}, SIZES)
EQUAL_DENSE = Design({"incremental": equal}, DENSE)


def drawn_levels(draws: np.random.Generator, dwell: float, n: int, count: int) -> np.ndarray:
    """Logarithms [n, count] of how slow the machine is when each case has its turn, in n shuffled rounds."""
    span = n * count * UNIT_S
    ends = np.cumsum(draws.exponential(dwell, size=int(3 * span / dwell) + 50))
    state = (np.searchsorted(ends, np.arange(n * count) * UNIT_S) + draws.integers(2)) % 2
    levels = (math.log1p(SLOWER) * state).reshape(n, count)
    return np.stack([row[draws.permutation(count)] for row in levels])


def drawn_run(design: Design, dwell: float, n: int, draws: np.random.Generator) -> ChunkRun:
    """A run as the suite reads it, of n blocks."""
    cases = design.cases()
    levels = drawn_levels(draws, dwell, n, len(cases))
    noise = NOISE / math.sqrt(3) * draws.standard_t(3, size=(2, n, len(cases)))
    seconds = np.exp(levels + noise[0]) * [time_s for *_, time_s in cases]
    controls = 0.006 * np.exp(levels + noise[1])
    conditions = [
        UnitCondition(str(at), block, float(controls[block, at]), None, None, None, None, "", None)
        for at in range(len(cases))
        for block in range(n)
    ]
    results = [_result(str(at), _key(kernel, phase, size)) for at, (kernel, phase, size, _) in enumerate(cases)]
    control = Control(results, conditions)
    points = [_point(row.key, seconds[:, at].tolist(), control) for at, row in enumerate(results)]
    return ChunkRun(_with_predictions(points), [], conditions, control)


def _key(kernel: str, phase: str, size: int) -> PointKey:
    n = size if phase == "single" else POOL
    return PointKey(kernel, "cpu", 1, "float32", n, 10, 1280, size, phase)


def _result(case: str, key: PointKey) -> ResultRow:
    return ResultRow(case, "ok", "", key, 0, 9, None, None, None, None, None)


def _point(key: PointKey, times: Sequence[float], control: Control) -> TimedPoint:
    median = median_interval(times)
    return TimedPoint(
        key=key,
        rows=9,
        chunks=None,
        median=median,
        repeat=repeat_interval(times, control.sd, control.correlation),
        converged=True,
        predicted_s=None,
        flops_per_s=None,
        peak_bytes=None,
        max_rel_error=None,
        flops=None,
        samples=tuple(times),
        seconds=dict(enumerate(times)),
    )


def _with_predictions(points: Sequence[TimedPoint]) -> list[TimedPoint]:
    tau: dict[str, dict[int, float]] = {}
    for point in points:
        if point.key.phase == "single":
            tau.setdefault(point.key.kernel, {})[point.key.chunk_size] = point.median.median
    return [
        replace(point, predicted_s=predicted_seconds(POOL, point.key.chunk_size, tau[point.key.kernel]))
        if point.key.phase == "sweep"
        else point
        for point in points
    ]


def verdicts(judgement: Judgement) -> dict[str, str]:
    """The verdict of every question."""
    return {answer.question: answer.verdict for answer in answered(judgement, OPTIONS).answers}


def is_false(answers: Mapping[str, str]) -> bool:
    """Whether anything is claimed where all kernels and sizes are equal and predictions exact."""
    return "yes" in (answers[MATTERS], answers[PERIOD], answers.get(FASTER)) or answers[PREDICTED] == "no"


def false_claims(draws: int, seed: int = 0) -> Iterator[Counted]:
    """Any false claim of the suite's whole set of answers."""
    for n in REPETITIONS:
        for dwell in DWELLS:
            rng = np.random.default_rng(seed)
            hits = [is_false(verdicts(judge_run(drawn_run(EQUAL, dwell, n, rng), OPTIONS))) for _ in range(draws)]
            yield counted("false_yes", f"equal kernels and sizes, dwell {dwell:g} s", n, hits)
        rng = np.random.default_rng(seed)
        dwells = np.exp(rng.uniform(math.log(DWELLS[0]), math.log(DWELLS[-1]), size=draws))
        hits = [is_false(verdicts(judge_run(drawn_run(EQUAL_DENSE, dwell, n, rng), OPTIONS))) for dwell in dwells]
        yield counted("false_yes", "64 equal sizes of incremental, dwells 3 to 300 s", n, hits)


def slower_chunk(factor: float) -> Law:
    """A law whose smallest chunk costs so many times as much."""
    return lambda m: equal(m) * (factor if m == SIZES[0] else 1.0)


def packed(gain: float) -> Law:
    """A law under which multiples of 16 take less."""
    return lambda m: (2e-3 + equal(m)) * (1 - gain * (m % 16 == 0))


def power(draws: int, seed: int = 1) -> Iterator[Counted]:
    """How often effects as large as the committed ones, and a tenth, are found."""
    for n in REPETITIONS:
        for factor in (1.1, 1.3, 1.45):
            design = Design(dict.fromkeys(("published", "fused", "factored"), slower_chunk(factor)), SIZES)
            rng = np.random.default_rng(seed)
            hits = [judge_run(drawn_run(design, 15.0, n, rng), OPTIONS).kernels[0].matters for _ in range(draws)]
            yield counted("power", f"chunk 16 takes {factor} times as long, dwell 15 s", n, hits)
        rng = np.random.default_rng(seed)
        design = Design({"incremental": packed(0.042)}, DENSE)
        hits = [judge_run(drawn_run(design, 15.0, n, rng), OPTIONS).kernels[0].packs for _ in range(draws)]
        yield counted("power", "multiples of 16 take 4.2 % less, 64 sizes, dwell 15 s", n, hits)
        off = Design({"fused": equal}, SIZES)
        rng = np.random.default_rng(seed)
        hits = [_survives(drawn_run(off, 15.0, n, rng)) for _ in range(draws)]
        yield counted("power", "predictions scaled by 1.1 still answered yes, dwell 15 s", n, hits)


def _survives(run: ChunkRun) -> bool:
    """Whether predictions that are a tenth too long are still said to hold."""
    points = [
        replace(
            point,
            predicted_s=1.1 * (point.predicted_s or math.nan),
            seconds={block: time_s / 1.1 for block, time_s in point.seconds.items()},
        )
        if point.key.phase == "sweep"
        else point
        for point in run.points
    ]
    return verdicts(judge_run(run._replace(points=points), OPTIONS))[PREDICTED] == "yes"


def coverage(draws: int, seed: int = 2) -> Iterator[Counted]:
    """How often printed intervals hold what was planted; a repeat's is held to a second run of the same machine."""
    planted = Design({"published": slower_chunk(1.45), "fused": lambda m: slower_chunk(1.45)(m) / 2}, SIZES)
    for n in REPETITIONS:
        for dwell in DWELLS:
            rng = np.random.default_rng(seed)
            held: dict[str, list[bool]] = {}
            for _ in range(draws):
                first, second = (drawn_run(planted, dwell, n, rng) for _ in range(2))
                for name, hit in _held(judge_run(first, OPTIONS), first, second).items():
                    held.setdefault(name, []).append(hit)
            for name, hits in held.items():
                yield counted("coverage", f"{name}, dwell {dwell:g} s", n, hits)


def _held(judgement: Judgement, first: ChunkRun, second: ChunkRun) -> dict[str, bool]:
    one, other = judgement.kernels
    held: dict[str, bool] = {}
    if one.worth is not None and one.worth.knee is not None:
        truth = np.log([1.45 if size == SIZES[0] else 1.0 for size in one.worth.sizes])
        held["costs of all sizes together"] = bool(np.ptp(one.worth.times.means - truth) <= one.worth.times.half_width)
        held["knee"] = one.worth.knee.low <= SIZES[1] <= one.worth.knee.high
    if other.less.n > 1:
        held["ratio to published"] = other.less.low <= 2 <= other.less.high
    if one.prediction is not None:
        held["error of predictions"] = one.prediction.error.low <= 0 <= one.prediction.error.high
    if not math.isnan(first.points[0].repeat.low):
        low, high = first.points[0].repeat
        held["a repeat's median"] = low <= second.points[0].median.median <= high
    return held


def main() -> None:
    """Draw, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    write("chunksize", itertools.chain(false_claims(draws), power(draws // 4), coverage(draws // 2)))


if __name__ == "__main__":
    main()
