"""Times that a machine gives which is now fast and now slow, for tests of what a suite claims from them."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Noise = Literal["normal", "t3", "stalls"]


class Machine(NamedTuple):
    """A machine of two speeds.

    Attributes:
        dwell_s: mean seconds in a state before it changes; 0 for a machine of one speed.
        slow: how many times longer a pass takes in the slow state.
        spread: standard deviation of a pass's logarithm beside that.
        noise: of the logarithm: normal, Student's t of three degrees, or normal with one pass in twenty three times
            as long.
    """

    dwell_s: float = 0.0
    slow: float = 1.5
    spread: float = 0.03
    noise: Noise = "normal"

    @property
    def name(self) -> str:
        """As a row of claims has it."""
        dwell = f"two states, {self.dwell_s:g} s each" if self.dwell_s else "one state"
        return f"{dwell}, {self.noise} noise"


def block_times(machine: Machine, work: list[float], blocks: int, generator: np.random.Generator) -> np.ndarray:
    """Seconds [blocks, cases] of cases that take ``work`` seconds each in the fast state, in shuffled order."""
    order = np.array([generator.permutation(len(work)) for _ in range(blocks)])
    passes = np.array(work)[order]
    ends = _clock(machine, np.concatenate([[0.0], np.cumsum(passes.ravel())]), generator)
    times = np.empty_like(passes)
    np.put_along_axis(times, order, np.diff(ends).reshape(passes.shape), axis=1)
    return np.asarray(times * np.exp(_noise(machine, times.shape, generator)))


def _clock(machine: Machine, done: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """When so much work is done, both in seconds."""
    if not machine.dwell_s:
        return done
    count = int(4 * done[-1] * machine.slow / machine.dwell_s) + 40
    stays = generator.exponential(machine.dwell_s, count)
    speed = np.where((np.arange(count) + generator.integers(2)) % 2 == 0, 1.0, 1 / machine.slow)
    at, worked = (np.concatenate([[0.0], np.cumsum(part)]) for part in (stays, stays * speed))
    return np.interp(done, worked, at)


def _noise(machine: Machine, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    if machine.noise == "t3":
        return machine.spread * generator.standard_t(3, shape) / np.sqrt(3)
    stalled = (generator.random(shape) < 0.05) * np.log(3) if machine.noise == "stalls" else 0.0
    return np.asarray(machine.spread * generator.standard_normal(shape) + stalled)


MACHINES = (
    *(Machine(noise=noise) for noise in ("normal", "t3", "stalls")),
    *(Machine(dwell_s=dwell_s) for dwell_s in (3.0, 15.0, 60.0, 300.0)),
)
