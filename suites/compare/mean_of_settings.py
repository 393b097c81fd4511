"""The mean of a difference over settings: its error, where the settings share their images, and what it shows.

Noise of the seeds averages out over settings. What seeds share by overlapping splits does not where settings share
their images, as two λ do, or two variants of one data set: there it is taken to be the same at each of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fbench.learning.data import parse_modified
from fbench.measure.arrays import Floats
from fbench.measure.statistics import Paired, paired, t_quantile

from .family import FEWEST, JudgedQuestion, question_p


@dataclass(frozen=True)
class GainsAt:
    """A question at one setting: the data set, the answer, and the gains of the seeds that all settings have."""

    dataset: str
    test: JudgedQuestion
    gains: Floats


@dataclass(frozen=True)
class MeanOfSettings:
    """Gains of the seeds, averaged over the settings: ``comparison`` with 0, the mean's ``error``, and its ``p``."""

    comparison: Paired
    error: float
    p: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean gain; nan of one seed."""
        if self.comparison.n < 2:
            return math.nan, math.nan
        half = t_quantile(0.975, self.comparison.n) * self.error
        return self.comparison.difference - half, self.comparison.difference + half


def mean_of_settings(parts: Sequence[GainsAt]) -> MeanOfSettings | None:
    """The mean over settings, and what it says of the question; None where these share no seed."""
    if not len(parts[0].gains):
        return None
    gains: Floats = np.mean([part.gains for part in parts], axis=0)
    comparison, test = paired(gains, np.zeros_like(gains)), parts[0].test
    error = error_of_mean(comparison, parts)
    if comparison.n < FEWEST:
        return MeanOfSettings(comparison, error, math.nan)
    p = question_p(test.question.relation, comparison, gains, test.margin, error)
    return MeanOfSettings(comparison, error, p)


def error_of_mean(comparison: Paired, parts: Sequence[GainsAt]) -> float:
    """√(s²/n + Σ_D (Σ_{i in D} s_i √ρ_i / m)²) over data sets D, of m settings i; nan where no spread was measured.

    s is the sd of the seeds' means and s_i that of setting i, whose test images over the others are ρ_i (0 where no
    splits overlap). Of one setting it is the error of Nadeau and Bengio (2003); for settings of one data set it is the
    most that their formula allows.
    """
    if comparison.n < 2 or (comparison.sd == 0 and comparison.difference != 0):
        return math.nan
    shared: dict[str, float] = defaultdict(float)
    for part in parts:
        sd = float(np.std(part.gains, ddof=1))
        shared[parse_modified(part.dataset).name] += sd * math.sqrt(part.test.overlap or 0.0) / len(parts)
    return math.sqrt(comparison.sd**2 / comparison.n + sum(of_dataset**2 for of_dataset in shared.values()))
