"""The options of ``fbench fisher``, and the points of its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.harness.contract import Option, typed
from fbench.harness.parsing import CLASSES, PASSES, one_of, some_of, sweep_union, union
from fbench.harness.sweep import parse_sweep

QUANTITIES = ("diagonal", "masked-embedding")
METHOD_NAMES = ("loop", "vmap", "backpack", "batched", "backward")
"""The names of ``baselines.BASELINES``, which cannot be read without importing torch."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of ``fbench fisher``."""

    quantities: Annotated[
        tuple[str, ...],
        Option(
            "comma-separated: diagonal, masked-embedding",
            parse=some_of("--quantities", *QUANTITIES),
            grows=union,
            axis="quantity",
        ),
    ] = typed(",".join(QUANTITIES))
    methods: Annotated[
        tuple[str, ...],
        Option(
            f"comma-separated: {', '.join(METHOD_NAMES)}",
            parse=some_of("--methods", *METHOD_NAMES),
            grows=union,
            axis="method",
        ),
    ] = typed(",".join(METHOD_NAMES))
    samples: Annotated[
        tuple[int, ...],
        Option(
            "images, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            axis="samples",
        ),
    ] = typed("128")
    model: Annotated[str, Option("see `fbench list models`")] = "thin-resnet18"
    channels: Annotated[int, Option("of an image", minimum=1, maximum=4096)] = 3
    size: Annotated[int, Option("an image's height and width", minimum=1, maximum=4096)] = 32
    classes: Annotated[int, CLASSES] = 10
    weights: Annotated[int, Option("kept by the mask, the classifier first", minimum=1)] = 1402
    batch_size: Annotated[int, Option("images of a pass; 0 takes each way's own, the loop's is 128", minimum=0)] = 0
    dtype: Annotated[str, Option("float32 or float64", parse=one_of("--dtype", "float32", "float64"))] = "float32"
    loop_samples: Annotated[int, Option("images of its batch that the published loop is timed on", minimum=1)] = 1
    passes: Annotated[int, PASSES] = 5
    seed: Annotated[int, Option("of the weights and the images", minimum=0, maximum=2**31 - 1)] = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """An image's shape, channels first."""
        return self.channels, self.size, self.size


class Point(NamedTuple):
    """A case: one method for one of the two quantities, on so many images."""

    quantity: str
    method: str
    samples: int
