"""The scores of a network: what they are called, which way is better, and which of them questions can be about."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A column of ``results`` or ``scores``, as tables call it; ``lower`` where less is better.

    ``most`` is what it can be at the most, None where nothing bounds it.
    """

    title: str
    lower: bool = False
    most: float | None = 1.0


SCORES = {
    "accuracy": Metric("accuracy"),
    "balanced_accuracy": Metric("balanced accuracy"),
    "macro_f1": Metric("macro F1"),
    "worst_recall": Metric("worst recall"),
    "nll": Metric("nll", lower=True, most=None),
    "calibration_error": Metric("calibration error", lower=True),
    "train_accuracy": Metric("train accuracy"),
}
"""Every score by its column."""

METRICS = {column.replace("_", "-"): metric for column, metric in SCORES.items() if column != "train_accuracy"}
"""Those that questions can be about, as they are typed: neither more nor less accuracy on what was bought is better."""
