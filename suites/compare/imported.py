"""Curves of others beside the run's: paired by seed where the user says that seeds are the same, else by Welch's test.

Areas are taken at the run's rounds, over the labels that both sides have. Between a file's label counts its values are
interpolated linearly; beyond them nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fbench.harness.contract import Row, VerdictWord
from fbench.learning.seed_groups import every_seed
from fbench.measure.arrays import Floats
from fbench.measure.curves import aulc
from fbench.measure.statistics import holm
from fbench.measure.unpaired import Unpaired, unpaired

from .curve_files import SeedCurves, run_labels
from .curves import Curves
from .family import ALPHA, FEWEST, MOST_COLLAPSED
from .options import Options
from .questions import Question, parse_questions

ImportedCurves = Mapping[str, SeedCurves]
"""Values by strategy, seed and labels, as ``curve_files.kept_curves`` gives them."""


@dataclass(frozen=True)
class UnpairedTest:
    """One question of which a side is of a file, with what both sides' seeds say of it.

    ``comparison`` is of gains: where ``lower`` areas are better, of the second's less the first's. ``p`` is its own,
    ``corrected`` after Holm over the ``family`` of so many, nan for a question asked ``later``. ``labels`` are those
    that areas are taken over. ``collapsed``: whether trainings of the run's side collapsed too often.
    """

    question: Question
    comparison: Unpaired
    margin: float
    p: float
    corrected: float
    family: int
    later: bool
    labels: Floats
    collapsed: bool
    lower: bool

    @property
    def meets(self) -> bool:
        """Whether both sides have label counts of the run in common, without which nothing was compared."""
        return len(self.labels) > 1

    @property
    def apart(self) -> float:
        """How far the first's area lies above the second's."""
        return -self.comparison.difference if self.lower else self.comparison.difference

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of ``apart``."""
        low, high = self.comparison.low, self.comparison.high
        return (-high, -low) if self.lower else (low, high)

    @property
    def verdict(self) -> VerdictWord:
        """The answer; of a question asked later ``not shown`` at best."""
        if min(self.comparison.sizes) < FEWEST:
            return "too few"
        if self.collapsed:
            return "unreliable"
        if self.later or not self.corrected <= ALPHA:
            return "not shown"
        above = self.comparison.difference > (-self.margin if self.question.relation == ">=" else 0)
        return "yes" if above else "no"


def common_labels(grid: Floats, *sides: SeedCurves) -> Floats:
    """The run's label counts that lie within what every seed of the sides has.

    Example:
        >>> common_labels(np.array([20.0, 40.0, 60.0]), {0: {30: 0.5, 90: 0.7}})
        array([40., 60.])
    """
    curves = [curve for side in sides for curve in side.values()]
    low, high = max(min(curve) for curve in curves), min(max(curve) for curve in curves)
    return grid[(grid >= low) & (grid <= high)]


def values_at(side: SeedCurves, labels: Floats) -> Floats:
    """A file's values at label counts within its own [seeds, labels], interpolated linearly.

    Example:
        >>> values_at({0: {20: 0.25, 40: 0.75}, 3: {20: 0.5, 30: 1.0, 40: 1.0}}, np.array([20.0, 30.0]))
        array([[0.25, 0.5 ],
               [0.5 , 1.  ]])
    """
    return np.array([np.interp(labels, list(curve), list(curve.values())) for curve in side.values()])


def paired_beside(
    rows: Sequence[Row], options: Options, imported: ImportedCurves
) -> tuple[Sequence[Row], Options, ImportedCurves]:
    """The run's rows and options with the files' strategies as arms, and nothing left over, where seeds are paired."""
    if not options.paired_curves or not imported:
        return rows, options, imported
    labels, column = run_labels(options), options.metric.replace("-", "_")
    grid = np.array(labels, dtype=float)
    added = [
        {"case": "", "status": "ok", "reason": "", "strategy": name, "seed": seed, "round": index}
        | {"labels": labels[index], column: float(value)}
        for name, seeds in imported.items()
        for seed in every_seed(options.seeds)
        for index, value in enumerate(values_at({seed: seeds[seed]}, grid)[0])
    ]
    return [*rows, *added], replace(options, strategies=(*options.strategies, *imported)), {}


def judge_unpaired(
    curves: Curves, options: Options, imported: ImportedCurves, overlap: float | None
) -> list[UnpairedTest]:
    """Every question of which a side is of a file, corrected together; those asked later stand last.

    ``overlap`` is test images over the others, where the test sets of the run's seeds share images: it is counted on
    both sides, since the files do not say.
    """
    asked = [q for q in parse_questions(options.questions) if _is_known(q, curves, imported)]
    later = parse_questions(options.later)
    planned = [question for question in asked if question not in later]
    judged = [*planned, *(question for question in asked if question in later)]
    compared = [_compared(question, curves, imported, overlap or 0.0) for question in judged]
    p = [c.p_margin(options.margin) if q.relation == ">=" else c.p for q, (c, _) in zip(judged, compared, strict=True)]
    corrected = [*holm(p[: len(planned)]), *[math.nan] * (len(judged) - len(planned))]
    return [
        UnpairedTest(
            question=question,
            comparison=comparison,
            margin=options.margin,
            p=p[i],
            corrected=float(corrected[i]),
            family=len(planned),
            later=i >= len(planned),
            labels=labels,
            collapsed=_is_collapsed(question, curves),
            lower=curves.lower,
        )
        for i, (question, (comparison, labels)) in enumerate(zip(judged, compared, strict=True))
    ]


def _is_known(question: Question, curves: Curves, imported: ImportedCurves) -> bool:
    names = {question.first, question.second}
    return bool(names & set(imported)) and names <= {*imported, *curves.values}


def _compared(question: Question, curves: Curves, imported: ImportedCurves, ratio: float) -> tuple[Unpaired, Floats]:
    """The question's two sides over the labels that both have, and these; negated where less is better."""
    names = (question.first, question.second)
    labels = common_labels(curves.labels, *(imported[name] for name in names if name in imported))
    sign = -1 if curves.lower else 1
    if len(labels) < 2:  # two files that meet the run, and not each other
        return unpaired([0.0], [0.0]), labels
    first, second = (sign * aulc(labels, _side(name, curves, imported, labels)) for name in names)
    return unpaired(first, second, ratio), labels


def _side(name: str, curves: Curves, imported: ImportedCurves, labels: Floats) -> Floats:
    if name in imported:
        return values_at(imported[name], labels)
    return curves.values[name][:, np.isin(curves.labels, labels)]


def _is_collapsed(question: Question, curves: Curves) -> bool:
    fallen = [curves.collapsed.get(name, 0) for name in (question.first, question.second)]
    return max(fallen) > MOST_COLLAPSED * curves.seeds
