"""The options of ``fbench memory``, and the points of its grid. Letters are those of fbench/fisher/MATH.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Option, typed
from fbench.harness.parsing import (
    OVERSAMPLE,
    one_of,
    parse_auto_sweep,
    parse_budget,
    parse_dtypes,
    sweep_union,
    union,
)
from fbench.harness.registry import MODELS
from fbench.harness.sweep import parse_names, parse_sweep

from .spec import parse_round_method

_IMAGE = re.compile(r"(?P<channels>[1-9][0-9]{0,3})x(?P<size>[1-9][0-9]{0,3})(?:x(?P<other>[1-9][0-9]{0,3}))?")


def parse_methods(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of methods.

    Raises:
        UsageError: a name that is missing, stands twice or is not known.
    """
    names: tuple[str, ...] = parse_names(text, "method")
    for name in names:
        parse_round_method(name)
    return names


def parse_image(text: str) -> tuple[int, int]:
    """Read ``3x32x32`` or ``3x32``: an image's channels and the side of its square.

    Raises:
        UsageError: another form, or two sides that differ.
    """
    match = _IMAGE.fullmatch(text.strip().lower())
    if match is None or (match["other"] or match["size"]) != match["size"]:
        raise UsageError(f"--image {shorten(text)}: must be channels × a square's side, as 3x32x32")
    return int(match["channels"]), int(match["size"])


def spell_image(image: tuple[int, int]) -> str:
    """An image's shape as it is typed.

    Example:
        >>> spell_image((3, 32))
        '3x32x32'
    """
    channels, side = image
    return f"{channels}x{side}x{side}"


def check_model(name: str) -> str:
    """Give the name back if it is ``auto`` or a registered model.

    Raises:
        UnknownNameError: it is neither.
    """
    return name if name == "auto" else MODELS.get(name).name


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may set of ``fbench memory``; a sweep holds every value that is measured."""

    methods: Annotated[
        tuple[str, ...],
        Option(
            "comma-separated: incremental, published, fused, factored, diagonal; NAME:mask is on a FISH mask",
            parse=parse_methods,
            grows=union,
        ),
    ] = typed("published,fused,incremental,incremental:mask")
    candidates: Annotated[
        tuple[int, ...],
        Option(
            "n, a sweep; auto suits the device",
            parse=parse_auto_sweep,
            grows=sweep_union,
        ),
    ] = typed("auto")
    classes: Annotated[
        tuple[int, ...],
        Option(
            "k, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
            minimum=2,
            maximum=10**6,
        ),
    ] = typed("10")
    dim: Annotated[
        tuple[int, ...],
        Option(
            "d, a sweep; auto is classes × features, for a mask too",
            parse=parse_auto_sweep,
            grows=sweep_union,
            maximum=10**7,
        ),
    ] = typed("auto")
    batch: Annotated[tuple[int, ...], Option("B, a sweep", parse=parse_sweep, grows=sweep_union)] = typed("20")
    chunk_size: Annotated[
        tuple[int, ...],
        Option(
            "candidates of a chunk, a sweep",
            parse=parse_sweep,
            grows=sweep_union,
        ),
    ] = typed("1024")
    dtype: Annotated[
        tuple[str, ...],
        Option(
            "of the selection: float32, float64, or both",
            parse=parse_dtypes,
            grows=union,
        ),
    ] = typed("float32")
    model: Annotated[
        str,
        Option("see `fbench list models`; auto is a ResNet-18 as wide as classes × features = d", parse=check_model),
    ] = "auto"
    features: Annotated[
        int,
        Option("h of the automatic network under a mask, and where --dim is auto; 0 is 128", minimum=0, maximum=10**6),
    ] = 0
    image: Annotated[
        tuple[int, int], Option("channels × side × side of a pool's image", parse=parse_image, spell=spell_image)
    ] = typed("3x32x32")
    labelled: Annotated[int, Option("n_L, candidates that have their labels", minimum=2)] = 100
    train_batch: Annotated[int, Option("images in an optimiser's step", minimum=2)] = 32
    fisher_samples: Annotated[int, Option("N, images behind the FISH diagonal", minimum=1)] = 128
    oversample: Annotated[float, OVERSAMPLE] = 2.0
    picks: Annotated[
        int, Option("picks and removals that published, fused and factored take: more need no more memory", minimum=1)
    ] = 1
    rounds: Annotated[
        int,
        Option(
            "of every case: what is left of one shows in the next; 8 tell a leak",
            minimum=1,
            maximum=1000,
            grows=max,
        ),
    ] = 8
    memory_budget: Annotated[
        int | None,
        Option("what a round may hold, such as 8GiB; what is free where not given", parse=parse_budget, maximum=2**63),
    ] = typed("")
    malloc: Annotated[
        str,
        Option(
            "on a CPU: returning gives freed blocks back at once, so that resident memory follows what is held; system "
            "leaves the C library as it is, which keeps many",
            parse=one_of("--malloc", "system", "returning"),
        ),
    ] = "returning"
    seed: Annotated[int, Option("of images, network and selection", minimum=0, maximum=2**31 - 1)] = 0


class Point(NamedTuple):
    """A case: one method at one size; ``chunk_size`` is None where scores are not made in chunks."""

    method: str
    dtype: str
    candidates: int
    classes: int
    dim: int
    batch: int
    chunk_size: int | None = None
