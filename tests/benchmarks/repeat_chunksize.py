"""Hold runs of the same `fbench chunksize` to the repeat intervals that the run before each of them stated.

    python tests/benchmarks/repeat_chunksize.py FOLDER RUN RUN [RUN …]

Runs come in the order in which they were made. Writes FOLDER/repeat.csv, a row a point and pair, with the earlier run's
interval and the later one's median; prints how many lie inside. Points without an interval (under six blocks) are
counted apart.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd

KEY = ["kernel", "device", "gpus", "dtype", "candidates", "classes", "dim", "chunk_size", "phase"]
STATED = [*KEY, "median_s", "repeat_low_s", "repeat_high_s", "converged"]


def repeated(first: Path, second: Path) -> pd.DataFrame:
    """The points of two runs, a row each: what the first stated, what the second gave, and whether it lies inside."""
    stated = pd.read_csv(first / "points.csv")[STATED]
    again = pd.read_csv(second / "points.csv")[[*KEY, "median_s"]]
    both = stated.merge(again, on=KEY, suffixes=("", "_again"), validate="one_to_one")
    inside = both["median_s_again"].between(both["repeat_low_s"], both["repeat_high_s"])
    both["inside"] = inside.where(both["repeat_low_s"].notna())
    return both


def main(folder: Path, *runs: Path) -> None:
    """Compare every run's points with those of the run before it."""
    pairs = [repeated(first, second).assign(pair=number) for number, (first, second) in enumerate(pairwise(runs))]
    every = pd.concat(pairs, ignore_index=True)
    every.to_csv(folder / "repeat.csv", index=False, float_format="%.6g")
    for name, points in [*((f"pair {number}", pair) for number, pair in enumerate(pairs)), ("all", every)]:
        told = points.dropna(subset=["inside"])
        half = ((told["repeat_high_s"] - told["repeat_low_s"]) / 2 / told["median_s"]).median()
        ratio = (points["median_s_again"] / points["median_s"]).median()
        print(
            f"{name}: {int(told['inside'].sum())} of {len(told)} inside ({told['inside'].mean():.1%}), "
            f"{len(points) - len(told)} without an interval; half an interval is {half:.1%} of its median; "
            f"later medians are {ratio:.3f} of the earlier, at the median"
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
