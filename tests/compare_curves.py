"""Learning curves made up for the tests of ``fbench compare``: known means, known noise, trainings that collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from fbench.suites.compare.curves import Curves

LABELS = np.arange(20.0, 221.0, 20.0)
RISE = np.array([0.34, 0.60, 0.71, 0.81, 0.84, 0.88, 0.90, 0.91, 0.915, 0.92, 0.925])
"""Random's mean curve, much as on the digits."""
NAMES = ("random", "bait", "bait+fish", "bait+random-mask")
Noise = Literal["normal", "t3", "crash"]
NOISES: tuple[Noise, ...] = ("normal", "t3", "crash")
CRASHES, COST = 0.12, 0.1
"""Share of an arm's seeds that crash, where noise is of the crash type, and what a crash costs in AULC."""
_AFTER_START = 0.95
"""What the rounds after the start set weigh in the area; all arms share the start set."""


def noise(rng: np.random.Generator, kind: Noise, shape: tuple[int, ...], sd: float) -> np.ndarray:
    """An arm's noise in AULC, [arms, seeds]; its mean is ``mean_noise``."""
    if kind == "t3":
        return sd * rng.standard_t(3, size=shape) / np.sqrt(3)
    spread = rng.normal(0, sd, size=shape)
    return spread - COST * (rng.random(shape) < CRASHES) if kind == "crash" else spread


def mean_noise(kind: Noise) -> float:
    return -COST * CRASHES if kind == "crash" else 0.0


def mean_curve(gain: float | np.ndarray) -> np.ndarray:
    """The curve [..., rounds] of an arm whose area lies so much above random's."""
    return RISE + (np.arange(len(LABELS)) > 0) * np.asarray(gain)[..., None] / _AFTER_START


def made(
    rng: np.random.Generator,
    seeds: int,
    kind: Noise = "normal",
    gains: Mapping[str, float] | None = None,
    sd: float = 0.007,
    shared: float = 0.0,
) -> Curves:
    """Curves of four arms that share a seed's level, each with its own noise and, if any, its gain in AULC.

    So large a share of an arm's variance is ``shared`` by its seeds: that of the images, where splits overlap.
    """
    level = rng.normal(0, 0.015, size=(seeds, 1))
    own = noise(rng, kind, (len(NAMES), seeds), sd * np.sqrt(1 - shared))
    if shared:
        own = own + rng.normal(0, sd * np.sqrt(shared), size=(len(NAMES), 1))
    wiggle = rng.normal(0, 1.5 * sd, size=(len(NAMES), seeds, len(LABELS)))
    wiggle[:, :, 0] = 0.0
    accuracy = {}
    for name, each, rounds in zip(NAMES, own, wiggle, strict=True):
        gain = (gains or {}).get(name, 0.0)
        accuracy[name] = level + rounds + mean_curve(gain + each)
    return curves_of(accuracy)


def curves_of(accuracy: Mapping[str, np.ndarray], labels: np.ndarray = LABELS) -> Curves:
    """Curves of these accuracies [seeds, rounds] by arm, with times and dimensions."""
    seconds = {name: (0.1, 0.0 if name == "random" else 1.0) for name in accuracy}
    dimensions = {name: (12.0, 328.0) for name in accuracy if name != "random"}
    seeds = len(next(iter(accuracy.values())))
    return Curves(labels, dict(accuracy), seconds, dimensions, seeds, [])
