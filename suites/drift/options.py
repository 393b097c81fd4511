"""The options of ``fbench drift``: those of every arm, and what is watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Option, typed
from fbench.harness.parsing import parse_auto_sweep, read_fraction, some_of
from fbench.harness.sweep import parse_sweep
from fbench.learning import arm_options as arm


def parse_mask_fractions(text: str) -> tuple[float, ...]:
    """Read comma-separated decimals above 0 and at most 1, in the order typed; none for ``auto``.

    Raises:
        UsageError: an item is no decimal, or out of range.
    """
    if text.strip() == "auto":
        return ()
    fractions = []
    for item in text.split(","):
        fraction = read_fraction(item.strip())
        if fraction is None:
            raise UsageError(
                f"--fractions {shorten(item.strip() or text)!r}: must be above 0 and at most 1, as 0.01,0.05"
            )
        fractions.append(fraction)
    return tuple(dict.fromkeys(fractions))


@dataclass(frozen=True, kw_only=True)
class Options(arm.ArmOptions):
    """Options of ``fbench drift``; ``margin`` is a part of the overlap above chance."""

    strategies: arm.Strategies = typed("random")
    seeds: arm.Seeds = typed("8")
    model: arm.ModelName = "thin-resnet18"
    epochs: arm.Epochs = 20
    fractions: Annotated[
        tuple[float, ...],
        Option(
            "q, weights that a mask keeps, as 0.01,0.05, the one to speak of first; auto is --mask-fraction and "
            "0.01,0.02,0.05,0.2 above it",
            parse=parse_mask_fractions,
        ),
    ] = typed("auto")
    rules: Annotated[
        tuple[str, ...],
        Option(
            "global: the largest over the network; layer: the same fraction of every layer; or both",
            parse=some_of("--rules", "global", "layer"),
        ),
    ] = typed("global")
    classifier: Annotated[
        tuple[str, ...],
        Option(
            "kept whole by every mask, and in no overlap; or free; or both",
            parse=some_of("--classifier", "kept", "free"),
        ),
    ] = typed("kept")
    fisher_samples: Annotated[
        tuple[int, ...],
        Option(
            "N, images behind each of two masks of a network; a sweep; auto is 1,024, or a tenth of what there is",
            parse=parse_auto_sweep,
        ),
    ] = typed("auto")
    redraws: Annotated[
        tuple[int, ...],
        Option("R, pairs of disjoint draws that overlaps are averaged over; a sweep", parse=parse_sweep),
    ] = typed("1")
    retrain: Annotated[
        int,
        Option(
            "1: train every network once more on the same labels, the baseline of training noise; 0: do not",
            minimum=0,
            maximum=1,
        ),
    ] = 1
    margin: Annotated[
        float,
        Option(
            "part of the overlap above chance that counts: masks do not drift where new labels take less",
            above=0,
            maximum=1,
        ),
    ] = 0.2
