"""Hold a second run of the same `fbench chunksize` to the repeat intervals that the first one stated.

    python tests/benchmarks/repeat_chunksize.py FIRST-RUN SECOND-RUN FOLDER

Writes FOLDER/repeat.csv, a row a point with the first run's interval and the second run's median, and prints how many
lie inside; points without an interval (under six blocks) are counted apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

KEY = ["kernel", "device", "gpus", "dtype", "candidates", "classes", "dim", "chunk_size", "phase"]
FIRST = [*KEY, "median_s", "repeat_low_s", "repeat_high_s", "converged"]


def main(first: Path, second: Path, folder: Path) -> None:
    """Compare the two runs' points."""
    stated = pd.read_csv(first / "points.csv")[FIRST]
    again = pd.read_csv(second / "points.csv")[[*KEY, "median_s"]]
    both = stated.merge(again, on=KEY, suffixes=("", "_again"), validate="one_to_one")
    inside = both["median_s_again"].between(both["repeat_low_s"], both["repeat_high_s"])
    both["inside"] = inside.where(both["repeat_low_s"].notna())
    both.to_csv(folder / "repeat.csv", index=False)
    for name, part in [("all", both), ("converged", both[both["converged"]])]:
        told = part["inside"].dropna()
        without = len(part) - len(told)
        print(f"{name}: {int(told.sum())} of {len(told)} inside ({told.mean():.1%}), {without} without an interval")
    ratio = (both["median_s_again"] / both["median_s"]).median()
    print(f"the second run's medians are {ratio:.3f} of the first's, at the median")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
