"""How every network of a run is trained: fixed before the run, the same for every arm.

The defaults were chosen by the accuracy of 20 to 220 labels on the rest of the digits' pool (seeds 100 to
115), never by a test image. Batches of 32 at a rate of 0.02 took it from 0.735 to 0.796 at 60 labels, and
from 0.942 to 0.945 at 220, against batches of 64 at 0.01, for a sixth more time; batches of 16 gave 0.808
and 0.950 for two thirds more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fbench.errors import InputError

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: epochs, batches and rates.

    The learning rate rises linearly to ``learning_rate`` over the first ``warmup`` of the steps, then falls
    along a cosine to 0. The optimiser is AdamW. A training to an accuracy (``stop``) has no end that a rate could
    fall towards: there it is ``learning_rate`` at every step, as published (Ash et al. 2021).

    Attributes:
        epochs: passes over the labelled set; with ``stop`` the most of them.
        train_batch: images a step, at most.
        learning_rate: AdamW's.
        weight_decay: AdamW's.
        warmup: share of the steps in which the rate rises.
        stop: accuracy over an epoch's batches, as they are trained on, after which training ends; 0 for never.
        augment: train on flips and crops of the images.

    Raises:
        InputError: a value out of range.
    """

    epochs: int = 30
    train_batch: int = 32
    learning_rate: float = 0.02
    weight_decay: float = 0.01
    warmup: float = 0.2
    stop: float = 0.0
    augment: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs is {self.epochs}; train for at least 1")
        if self.train_batch < 2:
            raise InputError(f"train batch is {self.train_batch}; batch norm needs at least 2 images")
        if not self.learning_rate > 0:
            raise InputError(f"learning rate is {self.learning_rate}; it must be above 0")
        if not self.weight_decay >= 0:
            raise InputError(f"weight decay is {self.weight_decay}; it must be 0 or more")
        if not 0 <= self.warmup < 1:
            raise InputError(f"warm-up is {self.warmup}; it is a fraction of the steps, from 0 to below 1")

        if not 0 <= self.stop <= 1:
            raise InputError(f"stop is {self.stop}; it is a training accuracy, above 0 to 1, or 0 for none")

    def batches(self, samples: int) -> int:
        """Batches an epoch: nearly equal ones, none of a single image unless there is only one."""
        return max(1, min(math.ceil(samples / self.train_batch), samples // 2))

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of ``step``, counted from 0, out of ``steps``."""
        if self.stop:
            return self.learning_rate
        rising = int(self.warmup * steps)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return self.learning_rate * (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2
