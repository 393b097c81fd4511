"""One round that ``fbench memory`` measures, by its sizes: the method, the pool, the network.

Letters are those of fbench/fisher/MATH.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fbench.errors import UnknownNameError, UsageError
from fbench.fisher.planning.fitting import CHUNKED
from fbench.fisher.planning.plan import StepCounts
from fbench.fisher.planning.shapes import Shape

ENGINES = ("incremental", "published", "fused", "factored", "diagonal")
"""Methods of ``bait_select``; each but ``factored`` also on a FISH mask, as ``NAME:mask``."""
ROUND_PHASES = ("data", "train", "diagonal", "mask", "embed", "fisher", "init", "forward", "backward")
"""The phases of a round as they follow each other; only methods on a mask have ``diagonal`` and ``mask``."""
PREDICTED_QUANTITIES = {"cuda": ("torch", "allocated"), "cpu": ("rss", "used")}
"""By type of device, the source and quantity that predictions are of; a GPU's come first."""


@dataclass(frozen=True)
class RoundMethod:
    """How a round selects: an engine, on the last layer's weights or on those of a FISH mask."""

    engine: str
    masked: bool

    @property
    def chunked(self) -> bool:
        """Whether scores are made in chunks of candidates, anew for every pick."""
        return self.engine in CHUNKED


def parse_round_method(text: str) -> RoundMethod:
    """Read ``NAME`` or ``NAME:mask``.

    Raises:
        UnknownNameError: the name is not one of these.
        UsageError: ``factored:mask``, which cannot be.
    """
    engine, colon, on = text.partition(":")
    if engine not in ENGINES or (colon and on != "mask"):
        raise UnknownNameError("method", text, [*ENGINES, *(f"{name}:mask" for name in ENGINES if name != "factored")])
    if text == "factored:mask":
        raise UsageError("--methods factored:mask: a mask's weights have no factors; take fused:mask")
    return RoundMethod(engine, bool(colon))


class NetworkKey(NamedTuple):
    """What a round's network depends on: the model, its features h, an image's channels and side, the classes k.

    ``model`` is a name of the registry, or ``auto``: a ResNet-18 whose last layer gets ``features`` features. A
    registered model has features of its own, whatever stands here.
    """

    model: str
    features: int
    image: tuple[int, int]
    classes: int

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """An image's shape, channels first."""
        channels, side = self.image
        return channels, side, side


@dataclass(frozen=True)
class Spec:
    """One round, by its sizes.

    Attributes:
        method: how it selects.
        n: how many candidates there are; n_L = ``labelled`` of them have their labels.
        k: how many classes there are.
        d: how many weights are considered.
        h: how many features enter the network's last layer.
        batch: B, how many labels are bought.
        oversample: how many forward picks are made for each label bought.
        chunk_size: how many candidates a chunk has.
        dtype: the dtype of the selection.
        model: a name of the registry, or ``auto``: a ResNet-18 of the width h.
        image: an image's channels and side.
        labelled: n_L, how many candidates have their labels.
        train_batch: how many images a training step takes.
        fisher_samples: how many images are behind the diagonal.
        picks: forward picks, and removals, that a method which scores anew takes; memory does not depend on more.
        seed: the seed of images, network and selection.
    """

    method: RoundMethod
    n: int
    k: int
    d: int
    h: int
    batch: int
    oversample: float
    chunk_size: int
    dtype: str
    model: str
    image: tuple[int, int]
    labelled: int
    train_batch: int
    fisher_samples: int
    picks: int
    seed: int

    @property
    def network(self) -> NetworkKey:
        """What the round's network depends on."""
        return NetworkKey(self.model, self.h, self.image, self.k)

    @property
    def counts(self) -> StepCounts:
        """Picks, removals and chunk of a whole selection."""
        return StepCounts.of(self.batch, self.oversample, self.n - self.labelled, self.chunk_size, self.labelled)

    @property
    def shape(self) -> Shape:
        """The shape of the embedding that the selection gets.

        ``published``, ``fused`` and all methods on a mask get V built; the others get the factors of the last layer.
        """
        if self.method.masked:
            return Shape(self.n, self.k - 1, self.d)
        if self.method.engine == "published":
            return Shape(self.n, self.k, self.d)
        return Shape(self.n, self.k - 1, self.d, 0 if self.method.engine == "fused" else self.k)
