"""What a round of a drift run takes, by what is done in it, and the share of the Fisher diagonals."""

from __future__ import annotations

import numpy as np

from fbench.harness.contract import Table
from fbench.measure.arrays import Floats
from fbench.measure.statistics import Mean, mean_interval
from fbench.units import format_percent, format_seconds

from .measured import Drift
from .names import percent, rounds_text, seeds_text

PARTS = ("train", "retrain", "select", "diagonals", "masks and overlaps")
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
            format_percent(_share(seconds).mean),
        ]
        for strategy, seconds in timed.items()
    ]
    note = (
        f"Mean over {_over(drift)}, for one seed of a block that is trained as one. Diagonals: all of a round, of both "
        "draws and of the network trained again; their share is of the round's total as this run measures it."
    )
    return [Table("Time of a round", ["strategy", *parts, "total", "diagonals' share"], lines, note)]


def time_sentences(drift: Drift, strategy: str) -> list[str]:
    """Say what the diagonals take of a round; nothing where they were not timed."""
    seconds = mean_seconds(drift, strategy)
    if "diagonals" not in seconds:
        return []
    share, diagonals, total = _share(seconds), float(seconds["diagonals"].mean()), float(_total(seconds).mean())
    parts = ", ".join(f"{name} {_cell(values)}" for name, values in seconds.items())
    low, high = percent(share.low).removesuffix(" %"), percent(share.high)
    ends = f"95 % interval {low} to {high}, " if share.n > 1 else ""
    return [
        f"All Fisher diagonals of a round take {format_seconds(diagonals)} of the {format_seconds(total)} that a round "
        f"takes ({parts}), which is {format_percent(share.mean)} ({ends}mean over {_over(drift)})."
    ]


def _total(seconds: dict[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(seconds.values()), axis=0), dtype=np.float64)


def _share(seconds: dict[str, Floats]) -> Mean:
    """The share of the diagonals in the whole round, over seeds."""
    return mean_interval(seconds["diagonals"] / _total(seconds))


def _cell(values: Floats | None) -> str:
    return "" if values is None else format_seconds(float(values.mean()))


def _over(drift: Drift) -> str:
    return f"{rounds_text(drift)} and {seeds_text(drift)}"
