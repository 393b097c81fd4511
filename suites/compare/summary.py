"""Learning curves of several strategies, paired by seed, to a table, findings and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fbench.harness.contract import Figure, Panel, Row, Series, Summary, Table
from fbench.measure.curves import aulc, label_saving, penalty_matrix
from fbench.measure.statistics import Mean, mean_interval, paired
from fbench.results.findings import number, p_value, plus_minus

from .answers import exploratory, sequence
from .options import Options
from .questions import parse_questions

BASELINE = "random"
_PENALTY_SEEDS = 5
"""With fewer, a paired t test of accuracies hardly ever wins, and the matrix is a table of zeros."""
_MEASURED = ["train_s", "select_s", "d_eff", "dim"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """Accuracies [seeds, rounds] by strategy, the seeds those that every arm finished.

    ``seconds`` are mean training and selection times, ``dimensions`` mean d_eff and d, where a strategy has them;
    ``left_out`` says which arms and seeds are missing, and why.
    """

    labels: Floats
    accuracy: dict[str, Floats]
    seconds: dict[str, tuple[float, float]]
    dimensions: dict[str, tuple[float, float]]
    seeds: int
    left_out: list[str]

    @property
    def areas(self) -> dict[str, Floats]:
        """AULC [seeds] by strategy."""
        return {name: aulc(self.labels, values) for name, values in self.accuracy.items()}


def read_curves(rows: Sequence[Row], strategies: Sequence[str], rounds: int, seeds: int) -> Curves | None:
    """The complete, paired part of a run's rows; None where no seed was finished by every arm."""
    frame = pd.DataFrame([row for row in rows if row["status"] == "ok"])
    frame = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *_MEASURED])))  # a strategy may lack some
    if frame.empty:
        return None
    tables = {
        name: part.pivot(index="seed", columns="round", values="accuracy") for name, part in frame.groupby("strategy")
    }
    whole = {
        name: set(tables[name].dropna().index) if name in tables and len(tables[name].columns) == rounds + 1 else set()
        for name in strategies
    }
    arms = [name for name in strategies if whole[name]]
    common = sorted(set.intersection(*(whole[name] for name in arms))) if arms else []
    if not common:
        return None
    frame = frame[frame["seed"].isin(common)].astype(dict.fromkeys(_MEASURED, float))
    means = frame.groupby("strategy")[_MEASURED].mean()
    embedded = [name for name in arms if not np.isnan(means.d_eff[name])]
    return Curves(
        labels=frame.groupby("round")["labels"].first().to_numpy(float),
        accuracy={name: tables[name].loc[common].to_numpy(float) for name in arms},
        seconds={name: (float(means.train_s[name]), float(means.select_s[name])) for name in arms},
        dimensions={name: (float(means.d_eff[name]), float(means.dim[name])) for name in embedded},
        seeds=len(common),
        left_out=_left_out(rows, strategies, arms, seeds - len(common)),
    )


def _left_out(rows: Sequence[Row], strategies: Sequence[str], arms: Sequence[str], seeds: int) -> list[str]:
    """A sentence for every arm that finished no seed, and one for the seeds that some arm did not finish."""
    said = []
    for name in strategies:
        if name not in arms:
            reasons = sorted({row["reason"] for row in rows if row["strategy"] == name and row["status"] != "ok"})
            said.append(f"{name} finished no seed and is left out: {'; '.join(reasons) or 'no rows'}.")
    if seeds:
        said.append(f"{_seeds(seeds)} not finished by every other strategy, left out of all of the above.")
    return said


def _seeds(count: int) -> str:
    return f"{count} seed" if count == 1 else f"{count} seeds"


def summary(rows: Sequence[Row], options: Options) -> Summary:
    """Everything that ``fbench compare`` says at the end."""
    curves = read_curves(rows, options.strategies, options.rounds, options.seeds)
    if curves is None:
        return Summary(
            findings=("No seed was finished by every strategy, so nothing can be compared: see the rows' reasons.",)
        )
    tables = [_table(curves), *_penalties(curves)]
    return Summary(tables=tables, findings=_findings(curves, options), figures=(_figure(curves, options),))


def _table(curves: Curves) -> Table:
    columns = ["strategy", "AULC", "final accuracy"]
    against = BASELINE in curves.accuracy and len(curves.accuracy) > 1
    columns += [f"Δ AULC to {BASELINE}", "p"] if against else []
    rows = []
    for name, area in curves.areas.items():
        cells = [name, plus_minus(mean_interval(area)), plus_minus(mean_interval(curves.accuracy[name][:, -1]))]
        rows.append(cells + (_difference(curves, name) if against else []) + _seconds(curves.seconds[name]))
    paired_or_not = ", paired" if curves.seeds > 1 else ""
    note = (
        f"{_seeds(curves.seeds)}{paired_or_not}; {curves.labels[0]:.0f} to {curves.labels[-1]:.0f} labels. "
        "AULC: accuracy averaged over labels. ±: 95 % t interval over seeds; p: paired t, not corrected. "
        "Seconds: mean of a seed and round, cases side by side; arms train alike: train s shows the machine's noise."
    )
    return Table("Strategies", [*columns, "train s", "select s"], rows, note)


def _difference(curves: Curves, name: str) -> list[str]:
    if name == BASELINE:
        return ["", ""]
    found = paired(curves.areas[name], curves.areas[BASELINE])
    p = p_value(found.p).removeprefix("p = ").removeprefix("p ")
    low, high = found.interval()
    return [plus_minus(Mean(found.n, found.difference, found.sd, low, high), signed=True), p]


def _seconds(seconds: tuple[float, float]) -> list[str]:
    return [number(each, 3) for each in seconds]


def _penalties(curves: Curves) -> list[Table]:
    if BASELINE not in curves.accuracy or len(curves.accuracy) < 2 or curves.seeds < _PENALTY_SEEDS:
        return []
    found = penalty_matrix(curves.labels, curves.accuracy, BASELINE)
    if not found.checkpoints:
        return []
    rows = [
        [f"{name} beats", *(number(v, 2) for v in values)]
        for name, values in zip(found.names, found.matrix, strict=True)
    ]
    rows.append(["column mean (lower is better)", *(number(v, 2) for v in found.columns)])
    points = ", ".join(map(str, found.checkpoints))
    note = (
        f"Share of the checkpoints ({points} labels) won at p < .05, uncorrected. Equal arms show an entry above 0 in "
        f"{_bound(found.nonzero_share)} of sign-flipped data; 95 % of those have no entry above {found.band_entry:.2f} "
        f"and no column mean above {found.band_column:.2f}."
    )
    return [Table("Pairwise penalties", ["", *found.names], rows, note)]


def _findings(curves: Curves, options: Options) -> list[str]:
    questions = [q for q in parse_questions(options.questions) if {q.first, q.second} <= set(curves.accuracy)]
    sentences = sequence(questions, curves.areas, options.margin, "AULC")
    asked = {frozenset((q.first, q.second)) for q in questions}
    shown = [(name, BASELINE) for name in curves.accuracy if name != BASELINE and BASELINE in curves.accuracy]
    sentences += exploratory([pair for pair in shown if frozenset(pair) not in asked], curves.areas, "AULC")
    sentences += _savings(curves)
    sentences += _dimensions(curves)
    sentences += curves.left_out
    return sentences


def _savings(curves: Curves) -> list[str]:
    """Labels that the best arm saves on the way to where random stands half way.

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
    found = label_saving(curves.labels, curves.accuracy[best], curves.accuracy[BASELINE], target)
    goal = f"the accuracy at which {BASELINE} stands with {curves.labels[half]:.0f} labels ({number(target)})"
    if found.censored != "no":
        return [f"{best}, the arm of the largest area beside {BASELINE}'s, never reaches {goal}."]
    ends = f"bootstrap 95 % interval {_bound(found.low)} to {_bound(found.high)}, too narrow at {_seeds(curves.seeds)}"
    return [
        f"{best}, the arm of the largest area beside {BASELINE}'s (chosen on these same seeds, which flatters it), "
        f"reaches {goal} with {found.labels:.0f}, a saving of {_bound(found.saving)} ({ends})."
    ]


def _bound(share: float) -> str:
    """An end of a saving's interval; a resample in which the arm never arrives leaves it open."""
    return f"{100 * share:.0f} %".replace("-", "−") if np.isfinite(share) else "no bound"


def _dimensions(curves: Curves) -> list[str]:
    """What λ left of each embedding: λ alone means nothing, since it is measured against F."""
    if not curves.dimensions:
        return []
    each = [f"{d_eff:.1f} of {dim:.0f} for {name}" for name, (d_eff, dim) in curves.dimensions.items()]
    return [f"Effective dimension tr F(F + λI)⁻¹ of the embeddings, mean over seeds and rounds: {', '.join(each)}."]


def _figure(curves: Curves, options: Options) -> Figure:
    series = [_series(name, curves.labels, values) for name, values in curves.accuracy.items()]
    ticks = curves.labels.tolist()
    panels = [Panel(series, "labels", "test accuracy", "test accuracy", x_ticks=ticks)]
    if BASELINE in curves.accuracy and len(curves.accuracy) > 1:
        base = curves.accuracy[BASELINE]
        zero = Series(BASELINE, ticks, [0.0] * len(ticks))
        rest = [_series(n, curves.labels, values - base) for n, values in curves.accuracy.items() if n != BASELINE]
        label = f"difference to {BASELINE}, paired by seed"
        panels.append(Panel([zero, *rest], "labels", label, f"gain over {BASELINE}", x_ticks=ticks))
    title = f"Active learning on {options.dataset}, network {options.model}, {_seeds(curves.seeds)}"
    return Figure("learning_curves", title, panels, "mean, 95 % t interval over seeds, and every seed as a dot")


def _series(name: str, labels: Floats, values: Floats) -> Series:
    means = [mean_interval(column) for column in values.T]
    points = [(float(x), float(y)) for row in values for x, y in zip(labels, row, strict=True)]
    low, high = [m.low for m in means], [m.high for m in means]
    return Series(name, labels.tolist(), [m.mean for m in means], low, high, points)
