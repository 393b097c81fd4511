"""What memory answers of rounds that were drawn, not measured: false claims, power, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from claim_rows import Counted

from fbench.measure.leaks import leak
from fbench.suites.memory.answers import memory_answers
from fbench.suites.memory.leaks import JudgedSeries
from fbench.suites.memory.peaks import CaseMemory, GaugeProfile, PhaseGrowth
from fbench.suites.memory.rows import Gauge, RoundSizes

MIB = 2**20
CASES = 4
ROUNDS = (4, 8, 20)
GAUGE = Gauge("cpu", "rss", "used")
Held = Callable[[int, np.random.Generator], np.ndarray]
"""MiB held at the ends of so many rounds."""


def walk(drift: float = 0.0, sd: float = 2.0) -> Held:
    """What wanders from round to round, and drifts by so much."""
    return lambda rounds, generator: np.cumsum(drift + sd * generator.standard_normal(rounds))


def heavy_walk(sd: float = 2.0) -> Held:
    """A walk with steps of Student's t, three degrees of freedom."""
    return lambda rounds, generator: np.cumsum(sd * generator.standard_t(3, rounds) / np.sqrt(3))


def noise(sd: float = 2.0) -> Held:
    """What scatters about a level."""
    return lambda rounds, generator: sd * generator.standard_normal(rounds)


def steps(size: float = 50.0) -> Held:
    """One jump at a random round."""
    return lambda rounds, generator: (
        size * (np.arange(rounds) >= generator.integers(1, rounds)) + 0.1 * (generator.standard_normal(rounds))
    )


def cache(size: float, tau: float = 2.0, sd: float = 0.1) -> Held:
    """A cache that fills with a time constant of ``tau`` rounds."""
    return lambda rounds, generator: (
        size * (1 - np.exp(-np.arange(rounds) / tau)) + sd * (generator.standard_normal(rounds))
    )


NO_LEAKS: Mapping[str, Held] = {
    "walk": walk(),
    "walk, t3 steps": heavy_walk(),
    "scatter": noise(),
    "one step of 50 MiB": steps(),
    "cache of 30 MiB, tau 2 rounds": cache(30.0),
    "cache of 300 MiB, tau 2 rounds": cache(300.0),
}
LEAKS: Mapping[str, Held] = {
    "leak of 2 MiB a round, walk of 0.5 MiB": walk(2.0, 0.5),
    "leak of 10 MiB a round, walk of 2 MiB": walk(10.0, 2.0),
}


def draw(held: Held, rounds: int, generator: np.random.Generator) -> tuple[int, list[JudgedSeries]]:
    """False claims of a run of four methods whose phases hold the same, and the judged ends of its rounds."""
    cases = [_case(f"m{number}", rounds, generator) for number in range(CASES)]
    series = [
        JudgedSeries(
            case.case, GAUGE, leak((MIB * (1000 + held(rounds, generator))).astype(int).tolist(), family=CASES)
        )
        for case in cases
    ]
    series.sort(key=lambda one: one.leak.verdict != "leak")
    said = {answer.question: answer.verdict for answer in memory_answers(cases, [], series)}
    peak = said["Is the selection the largest phase of every method?"] in ("yes", "no")
    return peak + (said["Does memory leak from round to round?"] == "yes"), series


def _case(name: str, rounds: int, generator: np.random.Generator) -> CaseMemory:
    """A case whose four phases, two of them of the selection, all hold 200 MiB and wander by 3."""
    phases = []
    for phase in ("train", "embed", "init", "forward"):
        growth = {number: float(MIB * generator.normal(200, 3)) for number in range(rounds)}
        phases.append(PhaseGrowth(phase, growth, {}, None))
    profile = GaugeProfile(GAUGE, "process", 0.0, phases)
    return CaseMemory(name, name, RoundSizes(1000, 10, 1280, 20, "float32", None), {GAUGE: profile})


def false_claims(draws: int) -> Iterator[Counted]:
    """Draws with any false claim, where nothing leaks and no phase holds more than another."""
    for name, held in NO_LEAKS.items():
        for rounds in ROUNDS:
            generator = np.random.default_rng([rounds, len(name)])
            claims = sum(draw(held, rounds, generator)[0] > 0 for _ in range(draws))
            yield Counted("false_yes", f"{CASES} methods, equal phases; {name}", rounds, draws, claims)


def power(draws: int) -> Iterator[Counted]:
    """Draws in which a leak is found, and in which the interval of a walk's drift holds it."""
    for name, held in LEAKS.items():
        for rounds in ROUNDS:
            generator = np.random.default_rng([rounds, len(name)])
            shown = sum(any(s.leak.verdict == "leak" for s in draw(held, rounds, generator)[1]) for _ in range(draws))
            yield Counted("power", f"{CASES} methods; {name}", rounds, draws, shown)
    for drift in (0.0, 2.0):
        for rounds in ROUNDS[1:]:
            generator = np.random.default_rng([rounds, int(drift)])
            held = walk(drift)
            ends = ((MIB * (1000 + held(rounds, generator))).astype(int).tolist() for _ in range(draws))
            judged = [leak(sizes).growth for sizes in ends]
            held_in = sum(low <= MIB * drift <= high for low, high in judged)
            yield Counted("coverage", f"growth of a walk that drifts by {drift:g} MiB", rounds, draws, held_in)
