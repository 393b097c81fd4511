"""One round that ``fbench memory`` measures, by its sizes: the method, the pool, the network. Letters as in MATH."""

from __future__ import annotations

from dataclasses import dataclass

from fbench.errors import UnknownNameError, UsageError
from fbench.fisher.planning.fitting import CHUNKED
from fbench.fisher.planning.plan import StepCounts
from fbench.fisher.planning.shapes import Shape

ENGINES = ("incremental", "published", "fused", "factored", "diagonal")
"""Methods of ``bait_select``; each but ``factored`` also on a FISH mask, as ``NAME:mask``."""
PHASES = ("data", "train", "diagonal", "mask", "embed", "fisher", "init", "forward", "backward")
"""Of a round, in order; ``diagonal`` and ``mask`` are of methods on a mask alone."""


@dataclass(frozen=True)
class Method:
    """How a round selects: an engine, on the last layer's weights or on those of a FISH mask."""

    engine: str
    masked: bool

    @property
    def chunked(self) -> bool:
        """Whether scores are made in chunks of candidates, anew for every pick."""
        return self.engine in CHUNKED


def parse_method(text: str) -> Method:
    """``NAME`` or ``NAME:mask``.

    Raises:
        UnknownNameError: another name.
        UsageError: ``factored:mask``.
    """
    engine, colon, on = text.partition(":")
    if engine not in ENGINES or (colon and on != "mask"):
        raise UnknownNameError("method", text, [*ENGINES, *(f"{name}:mask" for name in ENGINES if name != "factored")])
    if text == "factored:mask":
        raise UsageError("--methods factored:mask: a mask's weights have no factors; take fused:mask")
    return Method(engine, bool(colon))


@dataclass(frozen=True)
class Spec:
    """One round, by its sizes.

    Attributes:
        method: how it selects.
        n: candidates; n_L = ``labelled`` of them have their labels.
        k: classes.
        d: weights considered.
        h: features that enter the network's last layer.
        batch: B.
        oversample: forward picks over B.
        chunk_size: candidates of a chunk.
        dtype: of the selection.
        model: of the registry, or ``auto``: a ResNet-18 of the width h.
        image: channels and side.
        train_batch, fisher_samples: images of a training step, and behind the diagonal.
        picks: forward picks, and removals, that a method which scores anew takes; memory does not depend on more.
        seed: of images, network and selection.
    """

    method: Method
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
    def counts(self) -> StepCounts:
        """Picks, removals and chunk of a whole selection."""
        return StepCounts.of(self.batch, self.oversample, self.n - self.labelled, self.chunk_size)

    @property
    def shape(self) -> Shape:
        """Of the embedding that the selection gets: V built where it scores anew, a last layer's factors else."""
        if self.method.masked:
            return Shape(self.n, self.k - 1, self.d)
        if self.method.engine == "published":
            return Shape(self.n, self.k, self.d)
        return Shape(self.n, self.k - 1, self.d, 0 if self.method.engine == "fused" else self.k)
