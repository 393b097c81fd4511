"""What ``fbench drift`` reads, drawn: overlaps and shares of runs whose truth is known.

The numbers are drawn, not measured anew: per seed and round the overlap with the round before, with a network trained
again, with other images and by chance, and per seed the shares of weights kept by layer. A ``World`` is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fbench.measure.falls import fall_of
from fbench.suites.drift.measured import Drift, MaskRounds, Variant
from fbench.suites.drift.places import Place

Noise = Literal["normal", "t3", "crash"]
NOISES: tuple[Noise, ...] = ("normal", "t3", "crash")
FRACTIONS = (0.002, 0.01, 0.02, 0.05, 0.2)
LAYERS = 17
"""As a thin ResNet-18 has without its classifier and its 1×1 convolutions."""
DEPTH = np.linspace(0, 0.95, LAYERS)
ROUNDS = 5
ALIKE = 0.7
"""The correlation of the noise of different fractions, whose masks contain each other."""


@dataclass(frozen=True)
class World:
    """The truth of a run.

    Attributes:
        baseline: the overlap that training again leaves in round 0, by fraction; it rises by ``rise`` a round.
        chance: what chance gives.
        taken: what new labels take of the overlap above chance.
        rise: of the baseline a round.
        sd: of an overlap's noise.
        seed_sd: of what all overlaps of a seed have in common.
        crash: the chance of a training to fail, and what that takes of its overlaps; in the noise "crash" alone.
        places: the depth of the half of the share kept, by fraction, before layers' noise.
        steepness: of the profile's logistic fall.
        layer_sd: of a layer's log odds of being kept, a seed.
    """

    baseline: tuple[float, ...] = (0.30, 0.34, 0.38, 0.38, 0.50)
    chance: tuple[float, ...] = (0.14, 0.22, 0.30, 0.33, 0.37)
    taken: float = 0.0
    rise: float = 0.0085
    sd: float = 0.02
    seed_sd: float = 0.02
    crash: tuple[float, float] = (0.05, 0.15)
    places: tuple[float, ...] = (0.03, 0.10, 0.20, 0.30, 0.55)
    steepness: float = 12.0
    layer_sd: float = 0.1


def variants() -> list[Variant]:
    return [Variant("random", 256, 1, "global", "kept", fraction) for fraction in FRACTIONS]


def draw(world: World, seeds: int, noise: Noise, rng: np.random.Generator) -> Drift:
    """A run of this world: rounds 0 to ``ROUNDS``, all fractions."""
    masks = np.full((len(FRACTIONS), 1 + LAYERS, seeds, ROUNDS + 1, len(MaskRounds._fields)), np.nan)
    columns = {name: place for place, name in enumerate(MaskRounds._fields)}
    for name, values in _overlaps(world, seeds, noise, rng).items():
        masks[:, 0, :, :, columns[name]] = np.clip(values, 0, 1)
    masks[:, 1:, :, :, columns["share"]] = shares(world, seeds, noise, rng).transpose(0, 2, 1)[..., None]
    masks[:, 1:, :, 1:, columns["previous"]] = 0.5
    layers = [Place(f"conv{i}.weight", i, float(depth), "convolution", 1000) for i, depth in enumerate(DEPTH)]
    rounds = list(range(ROUNDS + 1))
    labels = [100 + 100 * number for number in rounds]
    nothing = np.full((1, 1 + LAYERS, seeds, ROUNDS + 1, 5), np.nan)
    return Drift(variants(), list(range(seeds)), rounds, labels, layers, masks, nothing, nothing[:, 0])


def _overlaps(world: World, seeds: int, noise: Noise, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Overlaps [fractions, seeds, rounds] by column."""
    shape = (len(FRACTIONS), seeds, ROUNDS + 1)
    chance = np.broadcast_to(np.array(world.chance)[:, None, None], shape)
    level = (np.array(world.baseline)[:, None] + world.rise * np.arange(ROUNDS + 1))[:, None]
    of_seed = world.seed_sd * rng.standard_normal((seeds, 1))
    now, again = _failed(world, seeds, noise, rng), _failed(world, seeds, noise, rng)
    retrain = level + of_seed + world.sd * _noise(noise, shape, rng) - now - again
    before = np.roll(level, 1, axis=-1)
    pair = (level + before) / 2
    previous = pair - world.taken * (pair - chance) + of_seed + world.sd * _noise(noise, shape, rng)
    previous = previous - now - np.roll(now, 1, axis=-1)
    previous[..., 0] = np.nan
    redraw = 0.85 + of_seed + world.sd * _noise(noise, shape, rng)
    return {"previous": previous, "retrain": retrain, "redraw": redraw, "chance": chance, "first": previous}


def _failed(world: World, seeds: int, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """What failed trainings take of their overlaps [seeds, rounds]."""
    often, loss = world.crash
    return loss * (rng.random((seeds, ROUNDS + 1)) < often) * (noise == "crash")


def _noise(noise: Noise, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Noise of standard deviation 1, correlated over the first axis."""
    parts = [_unit(noise, one, rng) for one in (shape[1:], shape)]
    return np.sqrt(ALIKE) * parts[0] + np.sqrt(1 - ALIKE) * parts[1]


def _unit(noise: Noise, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(3, shape) / np.sqrt(3) if noise == "t3" else rng.standard_normal(shape)


def shares(world: World, seeds: int, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Shares of weights kept [fractions, seeds, layers]: logistic in depth, with noise of every layer and seed."""
    odds = world.steepness * (np.array(world.places)[:, None, None] - DEPTH)
    noisy = odds + world.layer_sd * _unit(noise, (len(FRACTIONS), seeds, LAYERS), rng)
    return 1 / (1 + np.exp(-noisy))


def true_falls(world: World, noise: Noise, rng: np.random.Generator, seeds: int = 2000) -> np.ndarray:
    """The means [fractions, place, width and left] of the falls of very many seeds: what intervals are to cover."""
    drawn = shares(world, seeds, noise, rng)
    return np.array([np.mean([fall_of(DEPTH, one) for one in of_fraction], axis=0) for of_fraction in drawn])


def true_previous(world: World, noise: Noise) -> np.ndarray:
    """The mean overlap [fractions] of neighbouring rounds."""
    level = np.array(world.baseline) + world.rise * ROUNDS / 2
    failed = 2 * world.crash[0] * world.crash[1] * (noise == "crash")
    return level - world.taken * (level - np.array(world.chance)) - failed
