"""What a round of a drift run takes, by what is done in it, and the share of the Fisher diagonals."""

from __future__ import annotations

import numpy as np

from fbench.harness.contract import Table
from fbench.measure.arrays import Floats
from fbench.units import format_percent, format_seconds

from .measured import Drift
from .names import rounds_text, seeds_text

PARTS = ("train", "retrain", "select", "diagonals", "masks")
"""What the parts of a round are called, in the order of the fields of ``RoundSeconds``."""


def mean_seconds(drift: Drift, strategy: str) -> dict[str, Floats]:
    """Take each seed's mean [seeds] over the rounds from 1 on, of every part that was measured in all of these."""
    later = {name: values[:, 1:] for name, values in zip(PARTS, drift.seconds(strategy), strict=True)}
    return {
        name: np.asarray(values.mean(axis=1))
        for name, values in later.items()
        if values.size and np.isfinite(values).all()
    }


def time_table(drift: Drift) -> list[Table]:
    """Give a table with a row for every strategy and a column for every part; none where nothing was timed."""
    by_strategy = {strategy: mean_seconds(drift, strategy) for strategy in drift.strategies}
    timed = {strategy: seconds for strategy, seconds in by_strategy.items() if "diagonals" in seconds}
    if not timed:
        return []
    parts = [name for name in PARTS if any(name in seconds for seconds in timed.values())]
    lines = [
        [
            strategy,
            *(_cell(seconds.get(part)) for part in parts),
            _cell(_total(seconds)),
            format_percent(_share(seconds)),
        ]
        for strategy, seconds in timed.items()
    ]
    note = (
        f"Mean over {_over(drift)}, for one seed of a block that is trained as one. Diagonals: all of a round, of both "
        "draws and of the network trained again; their share is of the round's total as this run measures it. Masks: "
        "with their overlaps."
    )
    return [Table("Time of a round", ["strategy", *parts, "total", "diagonals' share"], lines, note, parts)]


def _total(seconds: dict[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(seconds.values()), axis=0), dtype=np.float64)


def _share(seconds: dict[str, Floats]) -> float:
    """The share of the diagonals in the whole round, mean over seeds."""
    return float((seconds["diagonals"] / _total(seconds)).mean())


def _cell(values: Floats | None) -> str:
    return "" if values is None else format_seconds(float(values.mean()))


def _over(drift: Drift) -> str:
    return f"{rounds_text(drift)} and {seeds_text(drift)}"
