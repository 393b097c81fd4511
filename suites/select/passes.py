"""One pass of a way over a problem: how long its phases take, by how much memory grows, and what it chooses.

A timed pass begins with the logits and features on the device and makes the embedding itself. Its phases:

- ``setup``: the embedding, F, M and the first scores.
- ``forward``: the forward picks.
- ``first_removal``: what removals need set up, and the first removal.
- ``backward``: the other removals.

A way that makes every score anew for every pick, such as the published order, may have its pass cut short: it makes a
few forward picks, then a few removals from the forward picks of the incremental update.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch

from fbench.fisher.selection.bait import Search
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import Elapsed, elapsed

from .crew import crew_of
from .problem import PoolSelection, Prepared, guide, outputs, picked, prepare_embedding, search
from .ways import SelectionProblem, Way


@dataclass(frozen=True)
class TimedPhase:
    """A phase of a pass: the ``seconds`` that ``picks`` of its ``picks_total`` picks or removals took."""

    name: str
    picks: int
    picks_total: int
    seconds: float


@dataclass(frozen=True)
class Steps:
    """How many forward picks and removals a pass makes; fewer than the selection has where it is cut short."""

    forward: int
    backward: int

    @classmethod
    def of(cls, way: Way, problem: SelectionProblem, extrapolate: int) -> Steps:
        """Steps of a way's pass: at most ``extrapolate`` of each kind where the way makes every score anew, else all.

        An ``extrapolate`` of 0 takes all.
        """
        if not way.anew or not extrapolate:
            return cls(problem.picks, problem.removals)
        return cls(min(extrapolate, problem.picks), min(extrapolate, problem.removals))

    def whole(self, problem: SelectionProblem) -> bool:
        """Whether a pass of these steps ends with a batch."""
        return self.forward == problem.picks and self.backward == problem.removals


class _Watch:
    """A stopwatch of one phase after another, on several devices at once; ``together`` all ranks begin a phase."""

    def __init__(self, devices: Sequence[str], together: bool = False) -> None:
        self._devices, self._open, self._together = devices, ExitStack(), together
        self.phases: dict[str, Elapsed] = {}

    def start(self, phase: str) -> None:
        """End the phase before and begin this one."""
        self.stop()
        if self._together and phase != "backward":  # removals are made by each rank for itself
            torch.distributed.barrier()
        timers = [self._open.enter_context(elapsed(device)) for device in dict.fromkeys(self._devices)]
        self.phases[phase] = timers[0]  # the outermost: it reads the clock after all the others have finished

    def stop(self) -> None:
        """End the phase that runs."""
        self._open.close()

    def removed(self, phase: str, done: int, total: int) -> None:
        """Begin another phase after the first removal, which alone carries what removals need set up."""
        if (phase, done) == ("backward", 1):
            self.start("backward")


def timed_pass(
    way: Way,
    problem: SelectionProblem,
    dtype: torch.dtype,
    devices: tuple[str, ...],
    steps: Steps,
    *,
    keep: bool = False,
) -> tuple[list[TimedPhase], PoolSelection | None]:
    """One pass: its phases and, with ``keep``, what it chose: a batch, or of a pass cut short some forward picks."""
    if way.ranks > 1:
        of_rank_0: tuple[list[TimedPhase], PoolSelection | None]
        of_rank_0 = crew_of(way.ranks, devices).run(_rank_pass, way, problem, dtype, steps, keep)
        return of_rank_0
    return _pass(way, problem, dtype, devices, steps, keep)


def _rank_pass(
    device: str, way: Way, problem: SelectionProblem, dtype: torch.dtype, steps: Steps, keep: bool
) -> tuple[list[TimedPhase], PoolSelection | None]:
    """One rank's part of a pass."""
    return _pass(way, problem, dtype, (device,), steps, keep)


def _pass(
    way: Way, problem: SelectionProblem, dtype: torch.dtype, devices: tuple[str, ...], steps: Steps, keep: bool
) -> tuple[list[TimedPhase], PoolSelection | None]:
    pool, watch = outputs(problem, dtype, devices[0]), _Watch(devices, together=way.ranks > 1)
    adopted = None if steps.whole(problem) else torch.tensor(guide(problem, dtype, devices))
    chosen = None
    watch.start("setup")
    prepared = prepare_embedding(way, problem, pool)
    running = search(way, problem, prepared, dtype, devices, watch.removed)
    running.set_up()
    watch.start("forward")
    running.forward(steps.forward)
    watch.stop()
    if adopted is not None:
        chosen = _first_picks(prepared, running) if keep else None
        running.adopt(adopted)
    watch.start("first_removal")
    running.backward(steps.backward)
    watch.stop()
    if adopted is None and keep:
        chosen = picked(prepared, running.finish())
    return _phases(watch, problem, steps), chosen


def _first_picks(prepared: Prepared, running: Search) -> PoolSelection:
    """The forward picks so far, as a selection that ended here."""
    running.backward(0)
    return picked(prepared, running.finish())


def _phases(watch: _Watch, problem: SelectionProblem, steps: Steps) -> list[TimedPhase]:
    counts = {
        "setup": (0, 0),
        "forward": (steps.forward, problem.picks),
        "first_removal": (min(1, steps.backward), min(1, problem.removals)),
        "backward": (max(0, steps.backward - 1), max(0, problem.removals - 1)),
    }
    return [
        TimedPhase(name, *counts[name], clock.seconds)
        for name, clock in watch.phases.items()
        if name == "setup" or counts[name][0]
    ]


def memory_pass(
    way: Way, problem: SelectionProblem, dtype: torch.dtype, devices: tuple[str, ...], steps: Steps
) -> int | None:
    """Peak growth of memory in a pass, in bytes, beyond logits and features; None where the device does not tell."""
    outputs(problem, dtype, devices[0])
    if not steps.whole(problem):
        guide(problem, dtype, devices)
    with peak_growth(devices[0]) as growth:
        timed_pass(way, problem, dtype, devices, steps)
    return growth.peak_bytes


def warm_up_way(way: Way, problem: SelectionProblem, dtype: torch.dtype, devices: tuple[str, ...]) -> None:
    """Run the way on a tiny pool, so that what is compiled, loaded or started at first use is not measured later."""
    tiny = replace(problem, n=160, d=problem.k * min(problem.h, 8), batch=2, labelled=16)
    small = replace(way, number=min(way.number, 4)) if way.embedding in ("pca", "subsample") else way
    timed_pass(small, tiny, dtype, devices, Steps(tiny.picks, tiny.removals))
