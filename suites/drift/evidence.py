"""What lies behind the answers of ``fbench drift``: claims, tables and figures, by heading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from fbench.harness.contract import Evidence, Figure, Table
from fbench.measure.arrays import Floats
from fbench.measure.shares import part_of_whole, share_interval
from fbench.measure.statistics import mean_interval, paired
from fbench.results.findings import number
from fbench.units import format_percent

from .baselines import LEAST_SEEDS, Compared, compare, settled_from
from .claim_answer import other_parts
from .falls import fall_variants, share_profile
from .layers import layer_table, layer_verdicts, layers_compared
from .measured import Drift, Variant
from .names import seeds_text
from .round_times import time_table
from .tables import interval_table, table, tests_table
from .verdicts import Verdicts
from .wording import in_percent, mean_with_interval, part_with_interval, percent_with_interval

_VERDICTS = ("yes", "no", "not shown", "too few")


def all_evidence(
    drift: Drift,
    verdicts: Verdicts,
    tables: dict[str, Table],
    figures: dict[str, Figure],
    gaps: Sequence[str],
    *,
    confirmatory: bool,
) -> list[Evidence]:
    """Give every part that has something to say.

    Args:
        drift: what was measured.
        verdicts: as ``judge`` gives them.
        tables: ``overlaps`` and ``claim``, but the main one.
        figures: by name, but the main one.
        gaps: who is left out, and why.
        confirmatory: the options fixed the comparison before the run; a run that compares arms has questions of its
            own, and masks are beside them.
    """
    main = drift.main(drift.strategies[0])
    parts = [
        Evidence(
            "Overlap and its baselines",
            [*_judged(drift, confirmatory=confirmatory), *_lost(verdicts.compared[main])],
            _some(tables.get("overlaps"), interval_table(drift, verdicts), tests_table(drift, verdicts)),
            _named(figures, "overlap_by_round"),
        ),
        Evidence(
            "The fall of the share kept",
            [*other_parts(verdicts), *_reasons(verdicts), *_criteria(drift)],
            _some(tables.get("claim"), _captured(drift)),
            _named(figures, "fall_by_fraction"),
        ),
        Evidence(
            "Round by round",
            [*_first(drift, main), *_settled(drift, main, verdicts.margin), *_ranks(drift, main)],
            figures=_named(figures, "share_by_depth"),
        ),
        Evidence("Layer by layer", _layers(drift, main, verdicts.margin), _some(layer_table(drift, verdicts.margin))),
        Evidence("Time", tables=time_table(drift)),
        Evidence("Left out", gaps),
    ]
    return [part for part in parts if part.claims or part.tables or part.figures]


def _some(*tables: Table | None) -> list[Table]:
    return [table for table in tables if table is not None]


def _named(figures: dict[str, Figure], name: str) -> list[Figure]:
    return [figures[name]] if name in figures else []


def _judged(drift: Drift, *, confirmatory: bool) -> Iterator[str]:
    yield (
        "Masks drift where neighbouring rounds overlap less than both baselines, each in a paired t test over seeds; "
        "the larger p counts, after Holm's correction over all rows."
    )
    if not confirmatory:
        yield "This run was made to compare arms, so that all it says of masks is exploratory."


def _lost(compared: Compared) -> Iterator[str]:
    """Say which part of the overlap lost since the redrawn images is the new labels'."""
    if not compared.seeds or not compared.retrained:
        return
    lost = compared.below("redraw")
    part = part_of_whole(compared.below("retrain"), lost)
    text = part_with_interval(part, compared.seeds)
    if text and lost.mean() > 0:
        yield (
            f"Neighbouring rounds overlap less than redrawn images leave by {number(float(lost.mean()), 2)}; of that "
            f"loss the new labels' part is {text}, and the rest is training noise."
        )


def _reasons(verdicts: Verdicts) -> Iterator[str]:
    for reason in dict.fromkeys(fall.reason for fall in verdicts.falls if fall.reason):
        kept = ", ".join(format_percent(fall.variant.fraction) for fall in verdicts.falls if fall.reason == reason)
        yield f"No fall is read with {kept} kept: {reason}."


def _criteria(drift: Drift) -> Iterator[str]:
    """Compare what masks choose by, mean F_j and w_j²F_j, between the first and the last third of the layers."""
    main = drift.main(drift.strategies[0])
    fisher, layers = drift.fisher_by_layer(main), share_profile(drift, main).layers
    for name, values in {"Mean F_j": fisher.mean, "Mean w_j²F_j": fisher.weighted_mean}.items():
        profiled = values.take(layers, axis=2)
        count = len(layers) // 3
        if not count or not (profiled > 0).all():
            continue
        logs = np.log10(profiled).mean(axis=1)  # [seeds, layers]
        ratio = mean_interval(logs[:, :count].mean(axis=1) - logs[:, -count:].mean(axis=1))
        ends = f", 95 % interval {_times(ratio.low)} to {_times(ratio.high)}" if ratio.n >= LEAST_SEEDS else ""
        yield (
            f"{name} in the first third of the layers is {_times(ratio.mean)} times that in the last third "
            f"(geometric means over {seeds_text(drift)}{ends})."
        )


def _times(log: float) -> str:
    return f"{float(f'{10**log:.2g}'):,g}"


def _captured(drift: Drift) -> Table | None:
    """The share of the Fisher information that masks hold, by fraction."""
    captured = {variant: _by_seed(drift.masks(variant).captured) for variant in fall_variants(drift)}
    known = {variant: values for variant, values in captured.items() if np.isfinite(values).all()}
    if not known:
        return None
    columns = {
        "kept": [format_percent(variant.fraction) for variant in known],
        "of the Fisher information": [percent_with_interval(share_interval(values)) for values in known.values()],
    }
    note = f"The part of the sum of all F_j in the mask's weights; mean over all rounds and {seeds_text(drift)}."
    return table("What masks capture", columns, note)


def _by_seed(values: Floats) -> Floats:
    return np.asarray(np.clip(values.mean(axis=1), 0.0, 1.0))


def _first(drift: Drift, variant: Variant) -> Iterator[str]:
    """Say how the last round's mask overlaps with that of round 0, beside that with the round before."""
    masks = drift.masks(variant)
    first, previous = masks.first[:, -1], masks.previous[:, -1]
    known = np.isfinite(first) & np.isfinite(previous)
    if len(drift.rounds) < 3 or not known.any():
        return
    gap = paired(previous[known], first[known])
    ends = f" ({number(gap.low, 3)} to {number(gap.high, 3)})" if gap.n >= LEAST_SEEDS and gap.sd else ""
    added = ", so that changes add up" if gap.n >= LEAST_SEEDS and gap.low > 0 else ""
    yield (
        f"The last round's mask ({drift.labels[-1]:,} labels) overlaps that of round 0 ({drift.labels[0]:,}) by "
        f"{mean_with_interval(share_interval(first[known]))}; its overlap with the round before is larger by "
        f"{number(gap.difference, 3)}{ends}{added}."
    )


def _settled(drift: Drift, variant: Variant, margin: float) -> Iterator[str]:
    """Say from which round on new labels are shown to take less than the margin."""
    retrained = np.isfinite(drift.masks(variant).retrain).any()
    if len(drift.rounds) < 2 or len(drift.seeds) < LEAST_SEEDS or not retrained:
        return
    since, less = settled_from(drift, variant, margin), f"less than {in_percent(margin)} % is shown to be taken"
    if since is None:
        yield f"In no round up to the last is the mask shown to have settled: {less} in none."
    elif since == drift.rounds[-1]:
        yield f"Only in the last round is the mask shown to have settled: {less} there."
    else:
        labels = drift.labels[drift.rounds.index(since)]
        yield f"From round {since} on ({labels:,} labels) the mask is shown to have settled: {less} in each."


def _ranks(drift: Drift, variant: Variant) -> Iterator[str]:
    """Say how the ranks of all Fisher values, which know no mask and no fraction, correlate beside their baselines."""
    compared = compare(drift.fisher(variant), drift.rounds)
    if not compared.seeds:
        return
    again = f", {number(compared.mean('retrain'), 3)} after training again" if compared.retrained else ""
    gap = mean_interval(compared.below("retrain" if compared.retrained else "redraw"))
    ends = f" ({number(gap.low, 3)} to {number(gap.high, 3)})" if gap.n >= LEAST_SEEDS else ""
    yield (
        "The ranks of all F_j, which no mask cuts, correlate (Spearman) at "
        f"{number(compared.mean('previous'), 3)} between neighbouring rounds, {number(compared.mean('redraw'), 3)} "
        f"after redrawing the images{again}; neighbours lie below the last by {number(gap.mean, 3)}{ends}."
    )


def _layers(drift: Drift, variant: Variant, margin: float) -> list[str]:
    """Count the layers by verdict, and those that have no overlap."""
    compared = layers_compared(drift, variant)
    if not compared:
        return []
    counts = Counter(layer_verdicts(compared, margin).values())
    counted = ", ".join(f"{word}: {counts[word]}" for word in _VERDICTS if counts[word])
    bare = len(drift.layers) - len(compared)
    none = f" {bare} more have no overlap: they are always kept, or never." if bare else ""
    return [f"Drift in {len(compared)} layers, each for itself, corrected by Holm: {counted}.{none}"]
