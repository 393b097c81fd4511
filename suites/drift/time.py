"""What a round of a drift run takes, by what is done in it, and the share of the Fisher diagonals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbench.harness.contract import Row, Table
from fbench.measure.statistics import Mean, mean_interval
from fbench.units import format_percent, format_seconds

from .names import percent, rounds_said, seeds_said
from .rows import Drift, Floats

PARTS = {
    "train_s": "train",
    "retrain_s": "retrain",
    "select_s": "select",
    "diagonal_s": "diagonals",
    "masks_s": "masks and overlaps",
}
"""Columns of the table ``rounds``, and what they are called."""


def seconds(drift: Drift, rows: Sequence[Row], strategy: str) -> dict[str, Floats]:
    """Each seed's mean over the rounds from 1 on [seeds] of every part that was measured in all of these."""
    own = {(row["seed"], row["round"]): row for row in rows if row["strategy"] == strategy}
    found = {}
    for column, name in PARTS.items():
        cells = [[own.get((seed, r), {}).get(column) for r in drift.rounds if r > 0] for seed in drift.seeds]
        values = np.array(cells, dtype=np.float64)
        if values.size and np.isfinite(values).all():
            found[name] = np.asarray(values.mean(axis=1))
    return found


def table(drift: Drift, rows: Sequence[Row]) -> list[Table]:
    """A row a strategy; a column a part."""
    found = {strategy: seconds(drift, rows, strategy) for strategy in drift.strategies}
    found = {strategy: own for strategy, own in found.items() if "diagonals" in own}
    if not found:
        return []
    parts = [name for name in PARTS.values() if any(name in own for own in found.values())]
    lines = [
        [strategy, *(_cell(own.get(part)) for part in parts), _cell(_total(own)), format_percent(_share(own).mean)]
        for strategy, own in found.items()
    ]
    note = (
        f"Mean over {_over(drift)}, for one seed of a block that is trained as one. Diagonals: all of a round, of both "
        "draws and of the network trained again; their share is of the round's total as this run measures it."
    )
    return [Table("Time of a round", ["strategy", *parts, "total", "diagonals' share"], lines, note)]


def finding(drift: Drift, rows: Sequence[Row], strategy: str) -> list[str]:
    """What the diagonals take of a round."""
    own = seconds(drift, rows, strategy)
    if "diagonals" not in own:
        return []
    share, diagonals, total = _share(own), float(own["diagonals"].mean()), float(_total(own).mean())
    low, high = percent(share.low).removesuffix(" %"), percent(share.high)
    ends = f"95 % interval {low} to {high}, " if share.n > 1 else ""
    return [
        f"All Fisher diagonals of a round take {format_seconds(diagonals)} of the {format_seconds(total)} that a round "
        f"takes ({_listed_parts(own)}), which is {format_percent(share.mean)} ({ends}mean over {_over(drift)})."
    ]


def _listed_parts(own: dict[str, Floats]) -> str:
    return ", ".join(f"{name} {format_seconds(float(values.mean()))}" for name, values in own.items())


def _total(own: dict[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(own.values()), axis=0), dtype=np.float64)


def _share(own: dict[str, Floats]) -> Mean:
    return mean_interval(own["diagonals"] / _total(own))


def _cell(values: Floats | None) -> str:
    return "" if values is None else format_seconds(float(values.mean()))


def _over(drift: Drift) -> str:
    return f"{rounds_said(drift)} and {seeds_said(drift)}"
