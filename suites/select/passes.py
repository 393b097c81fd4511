"""One pass of a way over a problem: how long its phases take, by how much memory grows, and what it chose.

A timed pass begins with the logits and features on the device and makes the embedding itself. Phases: ``setup`` (the
embedding, F, M and the first scores), ``forward``, ``first_removal`` (what removals need set up, and the first of
them), ``backward`` (the others). A pass that makes every score anew for every pick, such as the published order's, may
be cut short: a few forward picks, then a few removals from the forward picks that the incremental update made.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch

from fbench.fisher.selection.bait import Search
from fbench.measure.memory.growth import peak_growth
from fbench.measure.timing import Elapsed, elapsed

from .problem import Picked, Prepared, guide, outputs, picked, prepare, search
from .ways import Problem, Way


@dataclass(frozen=True)
class Phase:
    """Seconds that ``picks`` of the phase's ``picks_total`` took."""

    name: str
    picks: int
    picks_total: int
    seconds: float


@dataclass(frozen=True)
class Steps:
    """How many forward picks and removals a pass takes; fewer than all of them where it is cut short."""

    forward: int
    backward: int

    @classmethod
    def of(cls, way: Way, problem: Problem, extrapolate: int) -> Steps:
        """All of them; ``extrapolate`` each, if that is not 0, where every score is made anew for every pick."""
        if not way.anew or not extrapolate:
            return cls(problem.picks, problem.removals)
        return cls(min(extrapolate, problem.picks), min(extrapolate, problem.removals))

    def whole(self, problem: Problem) -> bool:
        """Whether a batch comes out of it."""
        return self.forward == problem.picks and self.backward == problem.removals


class _Watch:
    """Times one phase after another, on several devices at once."""

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices, self._open = devices, ExitStack()
        self.seconds: dict[str, Elapsed] = {}

    def start(self, phase: str) -> None:
        """End the phase before, begin this one."""
        self.stop()
        timers = [self._open.enter_context(elapsed(device)) for device in dict.fromkeys(self._devices)]
        self.seconds[phase] = timers[0]  # the outermost: it reads the clock after all the others have finished

    def stop(self) -> None:
        """End the phase."""
        self._open.close()

    def removed(self, phase: str, done: int, total: int) -> None:
        """Split the removals after the first: it alone carries what they need set up."""
        if (phase, done) == ("backward", 1):
            self.start("backward")


def timed_pass(
    way: Way, problem: Problem, dtype: torch.dtype, devices: tuple[str, ...], steps: Steps, *, keep: bool = False
) -> tuple[list[Phase], Picked | None]:
    """One pass: its phases and, where it is to ``keep`` it, what it chose: a batch, or some forward picks alone."""
    given, watch = outputs(problem, dtype, devices[0]), _Watch(devices)
    adopted = None if steps.whole(problem) else torch.tensor(guide(problem, dtype, devices))
    chosen = None
    watch.start("setup")
    prepared = prepare(way, problem, given)
    running = search(way, problem, prepared, dtype, devices, watch.removed)
    running.set_up()
    watch.start("forward")
    running.forward(steps.forward)
    watch.stop()
    if adopted is not None:
        chosen = _chosen(prepared, running) if keep else None
        running.adopt(adopted)
    watch.start("first_removal")
    running.backward(steps.backward)
    watch.stop()
    if adopted is None and keep:
        chosen = picked(prepared, running.finish())
    return _phases(watch, problem, steps), chosen


def _chosen(prepared: Prepared, running: Search) -> Picked:
    """The forward picks so far: what a selection would be that ended here."""
    running.backward(0)
    return picked(prepared, running.finish())


def _phases(watch: _Watch, problem: Problem, steps: Steps) -> list[Phase]:
    counts = {
        "setup": (0, 0),
        "forward": (steps.forward, problem.picks),
        "first_removal": (min(1, steps.backward), min(1, problem.removals)),
        "backward": (max(0, steps.backward - 1), max(0, problem.removals - 1)),
    }
    return [
        Phase(name, *counts[name], found.seconds)
        for name, found in watch.seconds.items()
        if name == "setup" or counts[name][0]
    ]


def memory_pass(way: Way, problem: Problem, dtype: torch.dtype, devices: tuple[str, ...], steps: Steps) -> int | None:
    """By how many bytes memory grows at most beyond logits and features; None where nobody tells."""
    outputs(problem, dtype, devices[0])
    if not steps.whole(problem):
        guide(problem, dtype, devices)
    with peak_growth(devices[0]) as growth:
        timed_pass(way, problem, dtype, devices, steps)
    return growth.peak_bytes


def warm_up(way: Way, problem: Problem, dtype: torch.dtype, devices: tuple[str, ...]) -> None:
    """The same on a tiny pool: what is compiled, loaded or started at first use is neither timed nor counted."""
    tiny = replace(problem, n=160, d=problem.k * min(problem.h, 8), batch=2, labelled=16)
    small = replace(way, number=min(way.number, 4)) if way.embedding in ("pca", "subsample") else way
    timed_pass(small, tiny, dtype, devices, Steps(tiny.picks, tiny.removals))
