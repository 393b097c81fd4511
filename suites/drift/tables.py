"""Tables of ``fbench drift``: overlaps beside their baselines, the tests behind, and the poster's claim."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Table
from fbench.measure.arrays import Floats
from fbench.measure.shares import share_interval
from fbench.measure.statistics import Paired, paired
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds
from fbench.units import format_percent

from .baselines import LEAST_SEEDS, BaselineName, Compared
from .falls import NEARLY_ZERO, STEEP, THIRD
from .measured import Drift, Variant
from .names import HEADS, in_common, in_words, seeds_text, variant_cells, varying_fields
from .verdicts import Verdicts
from .wording import in_percent, mean_with_interval, part_with_interval, percent_with_interval

TAKEN = "part new labels take"
"""Head of the column of the main number."""


def overlap_table(drift: Drift, verdicts: Verdicts) -> Table:
    """The main table: a row for every variant."""
    compared = list(verdicts.compared.values())
    columns = {
        **_variant_columns(drift.variants),
        "neighbours": [_overlap(one, "previous") for one in compared],
        "retrained": [_overlap(one, "retrain") for one in compared],
        "redrawn": [_overlap(one, "redraw") for one in compared],
        "chance": [_overlap(one, "chance") for one in compared],
        TAKEN: [_taken(one) for one in compared],
        "drift?": [str(verdicts.drifts[variant]) for variant in drift.variants],
    }
    note = (
        f"Overlap J of two masks, the weights that both keep over those that either keeps: mean over "
        f"{compared_rounds(compared)} and {seeds_text(drift)}. {how_kept(drift.variants)} Neighbours: of neighbouring "
        "rounds. Retrained and redrawn: of one round, trained again on the same labels, or with other images; mean of "
        "both rounds. Chance: random masks with as many weights in every layer. "
        f"{_taken_note(drift, columns[TAKEN])}Drift: yes, where neighbours lie below both baselines, corrected by "
        f"Holm; no, where that part is shown to be below {in_percent(verdicts.margin)} %."
    )
    return table(f"Overlap of masks: {in_common(drift.variants)}", columns, note, optional=("chance", "redrawn"))


def how_kept(variants: Sequence[Variant], *, redraws: bool = True) -> str:
    """Say what the names of variants stand for; ``redraws``: R among them."""
    kept = any(variant.classifier == "kept" for variant in variants)
    classifier = "; classifier kept: always, and left out here" if kept else ""
    pairs = "; R: pairs of draws" if redraws else ""
    return f"Kept: fraction of all weights; N: images behind a mask{pairs}{classifier}."


def _taken_note(drift: Drift, cells: Sequence[str]) -> str:
    """Explain the column of what new labels take, and why a cell has no interval; empty where the column is."""
    if not any(cells):
        return ""
    few = len(drift.seeds) < LEAST_SEEDS
    bare = few and any(cell and "(" not in cell for cell in cells)
    notes = [
        "Part new labels take: (retrained − neighbours) / (retrained − chance), with its 95 % interval, uncorrected.",
        "No room: retrained not shown above chance." if "no room" in cells else "",
        f"Without interval: {_none_of_use(len(drift.seeds))}." if bare else "",
        f"Intervals are for orientation: verdicts need {LEAST_SEEDS} seeds." if few else "",
    ]
    return " ".join(filter(None, notes)) + " "


def _none_of_use(seeds: int) -> str:
    return f"{count_seeds(seeds)} {'leaves' if seeds == 1 else 'leave'} none of use"


def compared_rounds(compared: Sequence[Compared]) -> str:
    """Name the rounds that are compared with the one before."""
    rounds = sorted({number for one in compared for number in one.rounds})
    if not rounds:
        return "no round"
    return f"round {rounds[0]}" if len(rounds) == 1 else f"rounds {rounds[0]} to {rounds[-1]}"


def interval_table(drift: Drift, verdicts: Verdicts) -> Table:
    """Every overlap with its interval, and that of the last round with the first."""
    compared = list(verdicts.compared.values())
    firsts = [drift.masks(variant).first[:, -1] for variant in drift.variants]
    columns = {
        **_variant_columns(drift.variants),
        **{
            head: [_share(one.values.get(name)) for one in compared]
            for head, name in (
                ("neighbours", "previous"), ("retrained", "retrain"), ("redrawn", "redraw"), ("chance", "chance"),
            )
        },
        "first and last round": [_share(first[np.isfinite(first)]) for first in firsts],
    }  # fmt: skip
    note = (
        f"J over {seeds_text(drift)}; 95 % t intervals on the logit scale, which end inside 0 and 1; they cover 93 % "
        "where one training in twenty fails."
    )
    return table("Overlaps with their intervals", columns, note, optional=("chance", "first and last round"))


def tests_table(drift: Drift, verdicts: Verdicts) -> Table | None:
    """The tests behind the verdicts; None where nothing can be tested."""
    rows = {variant: one for variant, one in verdicts.compared.items() if one.seeds > 1 and one.retrained}
    if not rows:
        return None
    variants, retrain, redraw = list(rows), _paired(rows, "retrain"), _paired(rows, "redraw")
    columns = {
        **_variant_columns(variants),
        "retrained − neighbours": [_difference(gap.difference, gap.low, gap.high) for gap in retrain],
        "p": [_p(gap.p) for gap in retrain],
        "sign-flip p": [_p(gap.sign_flip_p) for gap in retrain],
        "d_z": [_plain(gap.d_z) for gap in retrain],
        "g": [_plain(gap.hedges_g) for gap in retrain],
        "redrawn − neighbours": [_difference(gap.difference, gap.low, gap.high) for gap in redraw],
        "p of both, Holm": [_p(verdicts.p[variant]) for variant in variants],
    }
    note = (
        "Paired over seeds, 95 % t intervals. p: t test, two-sided, uncorrected; sign-flip p is exact up to 20 seeds. "
        "p of both: the larger of two, 1 where neighbours overlap more; Holm: over all rows."
    )
    return table("Tests", columns, note, optional=("g", "d_z", "redrawn − neighbours", "sign-flip p"))


def claim_table(verdicts: Verdicts) -> Table | None:
    """The poster's claim, a row a fraction; None where no share could be read."""
    read = [fall for fall in verdicts.falls if not fall.reason]
    if not read:
        return None
    parts = [verdicts.parts[fall.variant] for fall in read]
    columns = {
        "kept": [format_percent(fall.variant.fraction) for fall in read],
        "halved by depth": [mean_with_interval(fall.place, 3) or "nowhere" for fall in read],
        "at a third?": [str(part.at_a_third) for part in parts],
        "width": [mean_with_interval(fall.width, 3) or "not all seeds" for fall in read],
        "steep?": [str(part.steep) for part in parts],
        "left": [percent_with_interval(fall.remnant) for fall in read],
        "nearly zero?": [str(part.nearly_to_zero) for part in parts],
    }
    seeds = len(read[0].places)
    bare = "it rounds to the mean" if seeds >= LEAST_SEEDS else f"it rounds to the mean, or {_none_of_use(seeds)}"
    note = (
        f"{how_kept([read[0].variant], redraws=False)} Share: part of a layer's weights that is kept. Depth 0: first "
        "layer, 1: last. A non-increasing fit to each seed's shares is read. Halved by depth: where half of its "
        "highest share is left; width: the depth from 90 to 10 % of that share; left: of that share at the end. Mean "
        f"over {count_seeds(seeds)} with 95 % interval; without: {bare}. At a third: depth {number(THIRD[0], 2)} to "
        f"{number(THIRD[1], 2)}; steep: width below {STEEP:g}; nearly zero: below {format_percent(NEARLY_ZERO)}. "
        "Intervals are uncorrected; yes needs Holm's correction over the table, so that an interval inside the limit "
        "may still read not shown. No: all of the interval beyond."
    )
    variant = read[0].variant
    title = in_words(variant, set(Variant._fields) - {"fraction", "redraws"})
    return table(f"The fall of the share kept: {title}", columns, note, optional=("width", "left"))


def table(title: str, columns: Mapping[str, Sequence[str]], note: str, optional: Sequence[str] = ()) -> Table:
    """Make a table of columns; those without a cell are left out."""
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [list(row) for row in zip(*filled.values(), strict=True)]
    return Table(title, list(filled), rows, note, [name for name in optional if name in filled])


def _variant_columns(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """What tells variants apart; the fraction of one alone."""
    named = [variant_cells(variant) for variant in variants]
    fields = varying_fields(variants) or ["fraction"]
    return {HEADS[name]: [cells[name] for cells in named] for name in fields}


def _paired(rows: Mapping[Variant, Compared], baseline: BaselineName) -> list[Paired]:
    return [paired(one.values[baseline], one.values["previous"]) for one in rows.values()]


def _overlap(compared: Compared, name: str) -> str:
    mean = compared.mean(name)
    return "" if math.isnan(mean) else number(mean)


def _taken(compared: Compared) -> str:
    """What new labels take; where training again leaves no more than chance, there is nothing to take."""
    if compared.retrained and not compared.roomy and compared.seeds >= LEAST_SEEDS:
        return "no room"
    return part_with_interval(compared.taken, compared.seeds)


def _share(values: Floats | None) -> str:
    return "" if values is None or not len(values) else mean_with_interval(share_interval(values), 3)


def _difference(mean: float, low: float, high: float) -> str:
    ends = "" if math.isnan(low) else f" ({number(low, 3)} to {number(high, 3)})"
    return f"{number(mean, 3)}{ends}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else p_value(p).removeprefix("p = ").removeprefix("p ")


def _plain(value: float) -> str:
    return number(value, 2) if math.isfinite(value) else ""
