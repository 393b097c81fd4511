"""Learning curves made up for the tests of ``fbench compare``: known means, known noise, trainings that collapse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fbench.suites.compare.curves import Curves

LABELS = np.arange(20.0, 221.0, 20.0)
RISE = np.array([0.34, 0.60, 0.71, 0.81, 0.84, 0.88, 0.90, 0.91, 0.915, 0.92, 0.925])
"""Random's mean curve, much as on the digits."""
NAMES = ("random", "bait", "bait+fish", "bait+random-mask")
NOISE = ("normal", "t3", "crash")
CRASHES = 0.12
"""Share of an arm's seeds whose trainings collapse, where noise is of the crash type."""


def noise(rng: np.random.Generator, kind: str, shape: tuple[int, ...], sd: float) -> np.ndarray:
    """Noise [arms, seeds] of mean 0 in every pair's difference; ``crash`` costs a tenth, in any arm alike."""
    if kind == "t3":
        return sd * rng.standard_t(3, size=shape) / np.sqrt(3)
    spread = rng.normal(0, sd, size=shape)
    return spread - 0.1 * (rng.random(shape) < CRASHES) if kind == "crash" else spread


def made(
    rng: np.random.Generator,
    seeds: int,
    kind: str = "normal",
    gains: Mapping[str, float] | None = None,
    sd: float = 0.007,
) -> Curves:
    """Curves of four arms that share a seed's level, each with its own noise and, if any, its gain in AULC."""
    level = rng.normal(0, 0.015, size=(1, seeds, 1))
    wiggle = rng.normal(0, 0.01, size=(len(NAMES), seeds, len(LABELS)))
    own = noise(rng, kind, (len(NAMES), seeds), sd)[..., None]
    gain = np.array([(gains or {}).get(name, 0.0) for name in NAMES])[:, None, None]
    # what follows the start set, which all arms share, holds .95 of the area
    curves = RISE + level + (np.arange(len(LABELS)) > 0) * (own + gain + wiggle) / 0.95
    curves[:, :, 0] = curves[:1, :, 0]
    return curves_of(dict(zip(NAMES, curves, strict=True)))


def curves_of(accuracy: Mapping[str, np.ndarray], labels: np.ndarray = LABELS) -> Curves:
    """Curves of these accuracies [seeds, rounds] by arm, with times and dimensions."""
    seconds = {name: (0.1, 0.0 if name == "random" else 1.0) for name in accuracy}
    dimensions = {name: (12.0, 328.0) for name in accuracy if name != "random"}
    seeds = len(next(iter(accuracy.values())))
    return Curves(labels, dict(accuracy), seconds, dimensions, seeds, [])
