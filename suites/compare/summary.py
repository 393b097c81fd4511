"""What ``fbench compare`` says of its learning curves: tables, findings and a figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbench.harness.contract import Figure, Panel, Row, Series, Summary, Table
from fbench.learning.seed_groups import every_seed
from fbench.measure.arrays import Floats
from fbench.measure.curves import label_saving, penalty_matrix
from fbench.measure.statistics import Mean, mean_interval, paired
from fbench.results.findings import number, p_value, plus_minus

from .answers import exploratory, sequence
from .curves import Curves, count_seeds, read_curves
from .options import Options
from .questions import parse_questions

BASELINE = "random"
_PENALTY_SEEDS = 5
"""With fewer seeds, a paired t test of accuracies hardly ever wins, and the matrix is a table of zeros."""


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """Everything that ``fbench compare`` says at the end."""
    curves = read_curves(rows, options.strategies, options.rounds, len(every_seed(options.seeds)))
    if curves is None:
        return Summary(
            findings=("No seed was finished by every strategy, so nothing can be compared: see the rows' reasons.",)
        )
    tables = [_table(curves), *_penalties(curves)]
    return Summary(tables=tables, findings=_findings(curves, options), figures=(_figure(curves, options),))


def _table(curves: Curves) -> Table:
    """Area, final accuracy, their difference to the baseline and seconds, a row a strategy."""
    columns = ["strategy", "AULC", "final accuracy"]
    against = BASELINE in curves.accuracy and len(curves.accuracy) > 1
    columns += [f"Δ AULC to {BASELINE}", "p"] if against else []
    rows = []
    for name, area in curves.areas.items():
        cells = [name, plus_minus(mean_interval(area)), plus_minus(mean_interval(curves.accuracy[name][:, -1]))]
        seconds = [number(value, 3) for value in curves.seconds[name]]
        rows.append(cells + (_difference(curves, name) if against else []) + seconds)
    paired_or_not = ", paired" if curves.seeds > 1 else ""
    note = (
        f"{count_seeds(curves.seeds)}{paired_or_not}; {curves.labels[0]:.0f} to {curves.labels[-1]:.0f} labels. "
        "AULC: accuracy averaged over labels. ±: 95 % t interval over seeds; p: paired t, not corrected. "
        "Seconds: mean of a seed and round, cases side by side; arms train alike: train s shows the machine's noise."
    )
    return Table("Strategies", [*columns, "train s", "select s"], rows, note)


def _difference(curves: Curves, name: str) -> list[str]:
    """Two cells: the difference of the areas to the baseline's, and its p; empty for the baseline itself."""
    if name == BASELINE:
        return ["", ""]
    gain = paired(curves.areas[name], curves.areas[BASELINE])
    p = p_value(gain.p).removeprefix("p = ").removeprefix("p ")
    return [plus_minus(Mean(gain.n, gain.difference, gain.sd, *gain.interval()), signed=True), p]


def _penalties(curves: Curves) -> list[Table]:
    """The pairwise penalty matrix (Ash et al. 2020), where there are seeds and checkpoints enough for one."""
    if BASELINE not in curves.accuracy or len(curves.accuracy) < 2 or curves.seeds < _PENALTY_SEEDS:
        return []
    penalties = penalty_matrix(curves.labels, curves.accuracy, BASELINE)
    if not penalties.checkpoints:
        return []
    rows = [
        [f"{name} beats", *(number(v, 2) for v in values)]
        for name, values in zip(penalties.names, penalties.matrix, strict=True)
    ]
    rows.append(["column mean (lower is better)", *(number(v, 2) for v in penalties.columns)])
    points = ", ".join(map(str, penalties.checkpoints))
    note = (
        f"Share of the checkpoints ({points} labels) won at p < .05, uncorrected. Equal arms show an entry above 0 in "
        f"{_bound(penalties.nonzero_share)} of sign-flipped data; 95 % of those have no entry above "
        f"{penalties.band_entry:.2f} and no column mean above {penalties.band_column:.2f}."
    )
    return [Table("Pairwise penalties", ["", *penalties.names], rows, note)]


def _findings(curves: Curves, options: Options) -> list[str]:
    """The questions answered in their order, every arm against the baseline, savings, dimensions, what is missing."""
    questions = [q for q in parse_questions(options.questions) if {q.first, q.second} <= set(curves.accuracy)]
    sentences = sequence(questions, curves.areas, options.margin, "AULC", parse_questions(options.later))
    asked = {frozenset((q.first, q.second)) for q in questions}
    shown = [(name, BASELINE) for name in curves.accuracy if name != BASELINE and BASELINE in curves.accuracy]
    sentences += exploratory([pair for pair in shown if frozenset(pair) not in asked], curves.areas, "AULC")
    sentences += _savings(curves)
    sentences += _dimensions(curves)
    sentences += curves.left_out
    return sentences


def _savings(curves: Curves) -> list[str]:
    """A sentence on the labels that the best arm saves on the way to where random stands half way.

    Not at the end: in half of the bootstrap's samples random would never get there, and the interval would be open.
    """
    if BASELINE not in curves.accuracy or len(curves.accuracy) < 2 or curves.seeds < 2:
        return []
    areas = {name: float(np.mean(area)) for name, area in curves.areas.items() if name != BASELINE}
    best = max(areas, key=areas.__getitem__)
    half = len(curves.labels) // 2
    target = float(curves.accuracy[BASELINE][:, half].mean())
    if target <= 0:
        return []
    saving = label_saving(curves.labels, curves.accuracy[best], curves.accuracy[BASELINE], target)
    goal = f"the accuracy at which {BASELINE} stands with {curves.labels[half]:.0f} labels ({number(target)})"
    if saving.censored != "no":
        return [f"{best}, the arm of the largest area beside {BASELINE}'s, never reaches {goal}."]
    interval = f"95 % interval {_bound(saving.low)} to {_bound(saving.high)}"
    return [
        f"{best}, the arm of the largest area beside {BASELINE}'s (chosen on these same seeds, which flatters it), "
        f"reaches {goal} with {saving.labels:.0f}, a saving of {_bound(saving.saving)} "
        f"(bootstrap {interval}, too narrow at {count_seeds(curves.seeds)})."
    ]


def _bound(share: float) -> str:
    """A share in per cent; ``no bound`` for an end of an interval that a resample without an arrival leaves open."""
    return f"{100 * share:.0f} %".replace("-", "−") if np.isfinite(share) else "no bound"


def _dimensions(curves: Curves) -> list[str]:
    """A sentence on what λ left of each embedding: λ alone means nothing, since it is measured against F."""
    if not curves.dimensions:
        return []
    arms = [f"{d_eff:.1f} of {dim:.0f} for {name}" for name, (d_eff, dim) in curves.dimensions.items()]
    return [f"Effective dimension tr F(F + λI)⁻¹ of the embeddings, mean over seeds and rounds: {', '.join(arms)}."]


def _figure(curves: Curves, options: Options) -> Figure:
    """Accuracy along labels, and beside it the gain over the baseline, where it is in the run."""
    series = [_series(name, curves.labels, values) for name, values in curves.accuracy.items()]
    ticks = curves.labels.tolist()
    panels = [Panel(series, "labels", "test accuracy", "test accuracy", x_ticks=ticks)]
    if BASELINE in curves.accuracy and len(curves.accuracy) > 1:
        base = curves.accuracy[BASELINE]
        zero = Series(BASELINE, ticks, [0.0] * len(ticks))
        rest = [_series(n, curves.labels, values - base) for n, values in curves.accuracy.items() if n != BASELINE]
        label = f"difference to {BASELINE}, paired by seed"
        panels.append(Panel([zero, *rest], "labels", label, f"gain over {BASELINE}", x_ticks=ticks))
    title = f"Active learning on {options.dataset}, network {options.model}, {count_seeds(curves.seeds)}"
    return Figure("learning_curves", title, panels, "mean, 95 % t interval over seeds, and every seed as a dot")


def _series(name: str, labels: Floats, values: Floats) -> Series:
    """Mean and interval over the seeds of values [seeds, rounds], and every seed as points."""
    means = [mean_interval(column) for column in values.T]
    points = [(float(x), float(y)) for row in values for x, y in zip(labels, row, strict=True)]
    low, high = [m.low for m in means], [m.high for m in means]
    return Series(name, labels.tolist(), [m.mean for m in means], low, high, points)
