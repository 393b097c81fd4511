"""The tables of ``fbench compare``: strategies, the family of questions, every pair, labels saved, penalties."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Table
from fbench.learning.strategies.sketched import SKETCH
from fbench.measure.curves import penalty_matrix
from fbench.measure.savings import LabelSaving, label_saving
from fbench.measure.split_overlap import corrected_interval, corrected_p
from fbench.measure.statistics import Paired, holm, paired
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds, listed

from .curves import Curves
from .family import FEWEST, JudgedQuestion
from .metrics import SCORES
from .wording import ends, whole_percent, with_sign

BASELINE = "random"
_PENALTY_SEEDS = 5
"""With fewer seeds, a paired t test of accuracies hardly ever wins, and the matrix is a table of zeros."""


def strategies(curves: Curves, regularisation: str) -> Table:
    """A row a strategy: area, last accuracy, the area's difference to the baseline, what λ left, times."""
    columns: dict[str, list[str]] = {"strategy": list(curves.values)}
    areas = curves.areas
    columns["AULC"] = [number(float(area.mean())) for area in areas.values()]
    columns["final"] = [number(float(values[:, -1].mean())) for values in curves.values.values()]
    if BASELINE in areas:
        gains = {name: paired(area, areas[BASELINE]) for name, area in areas.items() if name != BASELINE}
        columns[f"Δ to {BASELINE}"] = [with_sign(gains[n].difference) if n in gains else "" for n in areas]
        columns["95 % interval"] = [_interval(gains[n]) if n in gains else "" for n in areas]
    collapsed = curves.collapsed
    columns["collapsed"] = [str(collapsed.get(name, "")) for name in areas] if any(collapsed.values()) else []
    columns["sd of AULC"] = [number(float(area.std(ddof=1))) if curves.seeds > 1 else "" for area in areas.values()]
    columns["d_eff"] = [_dimension(curves, name) for name in areas]
    columns["train s"] = [_seconds(curves.seconds[name][0]) for name in areas]
    columns["select s"] = ["" if name in curves.whole else _seconds(curves.seconds[name][1]) for name in areas]
    note = (
        f"{count_seeds(curves.seeds)}; {curves.labels[0]:.0f} to {curves.labels[-1]:.0f} labels. AULC: {curves.metric} "
        f"averaged over labels{_lower(curves)}; sd over seeds; Δ: of AULC, paired by seed, each row's t interval by "
        f"itself. Final: {curves.metric} with the most labels. "
        f"{_dimension_note(curves, regularisation)}Seconds: mean of a round; arms train alike, so train s shows the "
        "machine's noise."
    )
    if curves.whole:
        note += f" {listed(sorted(curves.whole))}: every label from the start, trained once; that stands in all rounds."
    if columns["collapsed"]:
        note += " collapsed: seeds in which a training ended below half of its round's median accuracy."
    order = ["train s", "sd of AULC", "d_eff", "final", "select s"]
    return _table("Strategies", columns, note, order)


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else number(value, 3)


def _lower(curves: Curves) -> str:
    """Which way is better, where that is not up."""
    return ", lower is better" if curves.lower else ""


def _dimension_note(curves: Curves, regularisation: str) -> str:
    """λ, and what it left; nothing where no arm has it."""
    if not curves.dimensions:
        return ""
    kind, _, number = regularisation.rpartition(":")
    sketched = any(name.partition("@")[0] == SKETCH for name in curves.dimensions)
    hashed = f" (of {SKETCH}: of the numbers that all weights are hashed to)" if sketched else ""
    at = {"": f"λ = {number}", "rel": f"λ = {number} · tr F/d", "deff": f"the λ that makes it {number}"}[kind]
    return f"d_eff: effective dimension tr F(F + λI)⁻¹ at {at}, of the weights that the strategy considers{hashed}. "


def _dimension(curves: Curves, name: str) -> str:
    if name not in curves.dimensions:
        return ""
    d_eff, dim = curves.dimensions[name]
    return f"{d_eff:.1f} of {dim:.0f}"


def family_table(judged: Sequence[JudgedQuestion]) -> Table:
    """A row a question: its test, before and after the correction."""
    side, sign = ("upper", -1) if any(test.lower for test in judged) else ("lower", 1)
    columns: dict[str, list[str]] = {
        "question": [str(test.question) for test in judged],
        "answer": [str(test.verdict) for test in judged],
        "Δ AULC": [with_sign(test.apart) for test in judged],
        "p": [_p(test.p) for test in judged],
        "p, Holm": ["asked later" if test.later else _p(test.corrected) for test in judged],
        f"{side} bound": [_bound(test) for test in judged],
        "d_z": [_finite(sign * test.comparison.d_z) for test in judged],
        "g": [_finite(sign * test.comparison.hedges_g) for test in judged],
    }
    note = (
        "A > B: paired t, two-sided. A >= B: the larger p of t and sign flips against the margin, one-sided; the "
        f"{side} bound at the level at which Holm decided. d_z: mean over sd of the paired differences; g: without its "
        "bias."
    )
    if any(test.overlap is not None for test in judged):
        note += " Every t counts overlapping splits (Nadeau and Bengio 2003)."
    return _table("The family of questions", columns, note, ["g", "d_z", "p"])


def _bound(judged: JudgedQuestion) -> str:
    if judged.bound is None:
        return ""
    if not math.isfinite(judged.bound.value):
        return "none"
    value = -judged.bound.value if judged.lower else judged.bound.value
    return f"{with_sign(value)} ({judged.bound.by})"


def pairs(curves: Curves, overlap: float | None) -> list[Table]:
    """A row for every pair of strategies that buy, p corrected by Holm over all of them; none for one strategy."""
    names, compared = list(curves.pairs), list(curves.pairs.values())
    if not names:
        return []
    corrected = [corrected_p(pair, overlap or 0.0) for pair in compared]
    columns = {
        "pair": [f"{second} − {first}" for first, second in names],
        "Δ AULC": [with_sign(c.difference) for c in compared],
        "95 % interval": [_interval(c) for c in compared],
        "with overlap": [_overlapping(c, overlap) for c in compared],
        "p, Holm": [_p(p) for p in holm(corrected)] if curves.seeds >= FEWEST else [],
        "sign-flip p": [_p(c.sign_flip_p) for c in compared] if curves.seeds >= FEWEST else [],
        "d_z": [_finite(c.d_z) for c in compared] if curves.seeds >= FEWEST else [],
    }
    note = f"{count_seeds(curves.seeds)}, paired."
    if curves.seeds >= FEWEST:
        note += " Intervals: each pair by itself, for more seeds of these images. p: paired t, "
        note += f"Holm's correction for {len(names)} pairs."
    if overlap is not None and curves.seeds >= FEWEST:
        note += (
            " with overlap: the interval for other images of the kind (Nadeau and Bengio 2003), since every seed "
            "redraws its test set from the same ones; p counts that."
        )
    return [_table("Every pair", columns, note, ["d_z", "sign-flip p", "with overlap"])]


def _overlapping(comparison: Paired, overlap: float | None) -> str:
    return "" if overlap is None or comparison.n < FEWEST else ends(*corrected_interval(comparison, overlap))


def _interval(comparison: Paired) -> str:
    return "" if comparison.n < FEWEST else ends(comparison.low, comparison.high)


def savings(curves: Curves) -> list[Table]:
    """A row a strategy: the labels it needs to stand where random stands half way; none without random.

    Not at the end: there the mean of random may not be reached again by half of all samples of seeds.
    """
    others = [name for name in curves.buying if name != BASELINE]
    if BASELINE not in curves.values or not others or len(curves.labels) < 3:
        return []
    half = len(curves.labels) // 2
    base, sign = curves.values[BASELINE], -1 if curves.lower else 1
    saved = {name: label_saving(curves.labels, sign * curves.values[name], sign * base, half) for name in others}
    columns = {
        "strategy": others,
        "labels": ["not reached" if math.isnan(s.labels) else f"{s.labels:.0f}" for s in saved.values()],
        "saving": ["" if math.isnan(s.saving) else whole_percent(s.saving) for s in saved.values()],
        "95 % interval": [_saving_ends(s) for s in saved.values()],
    }
    target = float(base[:, half].mean())
    note = (
        f"Labels until the mean curve stands at {number(target)}, where {BASELINE} stands with "
        f"{curves.labels[half]:.0f}. Interval: where the paired t interval of the curves reaches 0, each row by itself."
    )
    return [_table("Labels saved", columns, note)]


def _saving_ends(saving: LabelSaving) -> str:
    if saving.n < FEWEST or not math.isfinite(saving.high):
        return ""
    if not math.isfinite(saving.low):
        return f"at most {whole_percent(saving.high)}"
    return f"{whole_percent(saving.low)} to {whole_percent(saving.high)}"


def penalties(curves: Curves) -> list[Table]:
    """The pairwise penalty matrix (Ash et al. 2020), where there are seeds and checkpoints enough for one."""
    if BASELINE not in curves.values or len(curves.buying) < 2 or curves.seeds < _PENALTY_SEEDS:
        return []
    sign = -1 if curves.lower else 1
    matrix = penalty_matrix(curves.labels, {name: sign * v for name, v in curves.buying.items()}, BASELINE)
    if not matrix.checkpoints:
        return []
    rows = [
        [f"{name} beats", *(number(v, 2) for v in values)]
        for name, values in zip(matrix.names, matrix.matrix, strict=True)
    ]
    rows.append(["column mean", *(number(v, 2) for v in matrix.columns)])
    points = ", ".join(map(str, matrix.checkpoints))
    note = (
        f"Share of the checkpoints ({points} labels) won at p < .05, uncorrected; a lower column mean is better. Equal "
        f"arms show an entry above 0 in {whole_percent(matrix.nonzero_share)} of all sign flips; 95 % of these have no "
        f"entry above {matrix.band_entry:.2f} and no column mean above {matrix.band_column:.2f}."
    )
    return [Table("Pairwise penalties", ["", *matrix.names], rows, note)]


def every_score(curves: Curves) -> list[Table]:
    """A row a strategy: every score at the end, where the run measured more than accuracy."""
    measured = {
        score.title: [curves.finals[name][column] for name in curves.finals]
        for column, score in SCORES.items()
        if curves.finals and not any(math.isnan(final[column]) for final in curves.finals.values())
    }
    if "balanced accuracy" not in measured:
        return []
    columns = {title: [number(value) for value in values] for title, values in measured.items()}
    note = (
        f"Means of {count_seeds(curves.seeds)} with {curves.labels[-1]:.0f} labels. Worst recall: of the class that is "
        "found least. Calibration error: 15 bins of confidence, equally wide. Train accuracy: on the labelled."
    )
    return [_table("Every score at the end", {"strategy": list(curves.finals), **columns}, note)]


def against_seconds(curves: Curves) -> list[Table]:
    """A row a strategy: its seconds, and where it stood when the fastest had finished."""
    totals = {name: float(spent[:, -1].mean()) for name, spent in curves.elapsed.items()}
    if len(totals) < 2 or any(math.isnan(total) for total in totals.values()):
        return []
    fastest = min(totals, key=lambda name: totals[name])
    then = [_reached(curves, name, totals[fastest]) for name in totals]
    columns = {
        "strategy": list(totals),
        "seconds": [number(total, 3) for total in totals.values()],
        f"final {curves.metric}": [number(float(curves.values[name][:, -1].mean())) for name in totals],
        "when the fastest ends": ["none yet" if math.isnan(value) else number(value) for value in then],
    }
    note = (
        f"Seconds of a seed's trainings and selections on this machine. The fastest, {fastest}, ends after "
        f"{number(totals[fastest], 3)} s; last column: {curves.metric} of the last network that each had by then."
    )
    return [_table("Against seconds", columns, note)]


def _reached(curves: Curves, name: str, seconds: float) -> float:
    """The mean over seeds of the last network's metric after so many seconds; nan where a seed has none yet."""
    finished = (curves.elapsed[name] <= seconds * (1 + 1e-9)).sum(axis=1)
    if (finished == 0).any():
        return math.nan
    return float(curves.values[name][np.arange(len(finished)), finished - 1].mean())


def not_compared(curves: Curves) -> list[Table]:
    """What was not compared, and why."""
    if not curves.left_out:
        return []
    return [Table("Left out", ["what", "why"], [list(row) for row in curves.left_out])]


def _table(title: str, columns: Mapping[str, Sequence[str]], note: str, optional: Sequence[str] = ()) -> Table:
    """A table of columns; those without a cell are left out."""
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    rows = [list(row) for row in zip(*filled.values(), strict=True)]
    return Table(title, list(filled), rows, note, [name for name in optional if name in filled])


def _p(p: float) -> str:
    return "" if math.isnan(p) else p_value(p).removeprefix("p = ").removeprefix("p ")


def _finite(value: float) -> str:
    return number(value, 2) if np.isfinite(value) else ""
