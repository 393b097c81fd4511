"""Our baselines beside scikit-activeml's: seconds of a batch in turns, and by how much memory grows at most.

    python tests/benchmarks/baselines_of_the_field.py FOLDER [ROUNDS]

Every problem is one network's features [n, h] and its last layer; both libraries get the same probabilities and
features. In each round (5 by default) every way goes once, in an order shuffled anew. Ways:

- fbench: ``PoolStrategy.pick`` on float32 tensors.
- scikit-activeml: its ``query`` on float64 arrays, as it takes them, with the network's last layer as classifier.

A way that would build more than ``MOST_BYTES`` is left out. Memory is measured in a process of its own for each way,
from the kernel's high-water mark, after one warm-up batch on a small problem. Writes FOLDER/times.csv,
FOLDER/memory.csv, FOLDER/summary.md and FOLDER/environment.json.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import skactiveml.pool as theirs
import torch
from skactiveml.classifier import SklearnClassifier

from fbench.acquisition.pool_strategies import POOL_STRATEGIES
from fbench.acquisition.views import PoolView
from fbench.learning.network_head import NetworkHead
from fbench.measure.environment import environment
from fbench.measure.memory.growth import peak_growth

MOST_BYTES = 4 << 30
LABELLED = 100
CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "least-confidence": ("UncertaintySampling", {"method": "least_confident"}),
    "margin": ("UncertaintySampling", {"method": "margin_sampling"}),
    "entropy": ("UncertaintySampling", {"method": "entropy"}),
    "coreset": ("CoreSet", {}),
    "badge": ("Badge", {}),
    "typiclust": ("TypiClust", {}),
    "probcover": ("ProbCover", {}),
}


@dataclass(frozen=True)
class Problem:
    """A strategy on n candidates of k classes and h features, and B to choose."""

    strategy: str
    n: int
    k: int
    h: int
    batch: int

    @property
    def built_bytes(self) -> int:
        """What scikit-activeml's way builds at most, beside its inputs."""
        return {"badge": 8 * self.n * self.k * self.h, "probcover": 8 * self.n**2}.get(self.strategy, 0)


PROBLEMS = [
    *(Problem(name, 5000, 10, 64, 100) for name in CLASSES),
    *(Problem("badge", 20_000, 20, 256, batch) for batch in (1, 10, 100)),
    *(Problem("badge", 20_000, 100, 768, batch) for batch in (1, 10, 100)),
]


class Data:
    """The arrays of a problem: a random last layer on random features."""

    def __init__(self, problem: Problem) -> None:
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(problem.n, problem.h)).astype("f4")
        weight = (rng.normal(size=(problem.k, problem.h)) / problem.h**0.5).astype("f4")
        self.logits = torch.from_numpy(self.X @ weight.T)
        self.features = torch.from_numpy(self.X)
        self.labelled = torch.arange(LABELLED)
        y = np.full(problem.n, np.nan)
        y[:LABELLED] = np.arange(LABELLED) % problem.k
        self.y, self.wide = y, self.X.astype(np.float64)
        head = NetworkHead(weight.astype(np.float64), np.zeros(problem.k), self.wide[:LABELLED])
        self.clf = SklearnClassifier(head, classes=list(range(problem.k))).fit(self.wide, y)


def fbench_way(problem: Problem, data: Data) -> Any:
    """Our batch."""
    baseline = POOL_STRATEGIES[problem.strategy]
    generator = torch.Generator().manual_seed(0)
    arrays = {name: getattr(data, name) for name in baseline.needs}
    return baseline.pick(PoolView(problem.n, data.labelled, generator, **arrays), problem.batch).positions


def their_way(problem: Problem, data: Data) -> Any:
    """Theirs; the classifier is fitted already."""
    name, options = CLASSES[problem.strategy]
    strategy = getattr(theirs, name)(random_state=0, **options)
    asks = {"clf": data.clf, "fit_clf": False} if problem.strategy in (*list(CLASSES)[:3], "badge") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return strategy.query(data.wide, data.y, batch_size=problem.batch, **asks)


WAYS: dict[str, Callable[[Problem, Data], Any]] = {"fbench": fbench_way, "scikit-activeml": their_way}


def ways_of(problem: Problem) -> list[str]:
    """Those that fit."""
    return [way for way in WAYS if way == "fbench" or problem.built_bytes <= MOST_BYTES]


def timed(rounds: int) -> list[dict[str, Any]]:
    """A row a problem, way and round."""
    rows = []
    for problem in PROBLEMS:
        data, order = Data(problem), random.Random(0)
        for block in range(-1, rounds):  # the first is a warm-up
            ways = ways_of(problem)
            order.shuffle(ways)
            for way in ways:
                start = time.perf_counter()
                WAYS[way](problem, data)
                seconds = time.perf_counter() - start
                if block >= 0:
                    rows.append({**asdict(problem), "way": way, "round": block, "time_s": seconds})
        print(problem, {way: median(r["time_s"] for r in rows[-rounds * 2 :] if r["way"] == way) for way in ways})
    return rows


def growth(problem: Problem, way: str) -> int | None:
    """The peak growth of one batch, in this process."""
    small = Problem(problem.strategy, 200, problem.k, problem.h, 2)
    WAYS[way](small, Data(small))
    data = Data(problem)
    with peak_growth() as grown:
        WAYS[way](problem, data)
    return grown.peak_bytes


def measured() -> list[dict[str, Any]]:
    """A row a problem and way, each in a process of its own."""
    rows = []
    for number, problem in enumerate(PROBLEMS):
        for way in ways_of(problem):
            command = [sys.executable, __file__, "--growth", str(number), way]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            rows.append({**asdict(problem), "way": way, "peak_bytes": json.loads(done.stdout.splitlines()[-1])})
    return rows


def summary(times: list[dict[str, Any]], memory: list[dict[str, Any]]) -> str:
    """A table of medians."""
    lines = ["| strategy | n | k | h | B | fbench s | scikit-activeml s | times | fbench MB | scikit-activeml MB |"]
    lines.append("| --- " * 10 + "|")
    for problem in PROBLEMS:
        spent = {w: median(r["time_s"] for r in times if is_of(r, problem, w)) for w in ways_of(problem)}
        held = {w: next(r["peak_bytes"] for r in memory if is_of(r, problem, w)) for w in ways_of(problem)}
        other = "scikit-activeml" in spent
        cells = [problem.strategy, *map(str, (problem.n, problem.k, problem.h, problem.batch))]
        cells += [f"{spent['fbench']:.4f}", f"{spent['scikit-activeml']:.3f}" if other else ""]
        cells += [f"{spent['scikit-activeml'] / spent['fbench']:.0f}" if other else ""]
        cells += [f"{held[w] / 1e6:.0f}" if w in held else "" for w in WAYS]
        lines.append(f"| {' | '.join(cells)} |")
    gib = MOST_BYTES // (1 << 30)
    note = (
        f"Medians over {max(r['round'] for r in times) + 1} rounds in turns; CPU threads: {torch.get_num_threads()}; "
        f"scikit-activeml {version('scikit-activeml')}, which is left out where it would build more than {gib} GiB. "
        "MB: the most that resident memory grew during one batch, the inputs left out."
    )
    return "\n".join(["# Baselines beside scikit-activeml's", "", *lines, "", note, ""])


def is_of(row: dict[str, Any], problem: Problem, way: str) -> bool:
    """Whether a row is of a problem and way."""
    return row["way"] == way and all(row[name] == value for name, value in asdict(problem).items())


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """The rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path, rounds: int) -> None:
    """Measure, and write into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    times, memory = timed(rounds), measured()
    write(folder / "times.csv", times)
    write(folder / "memory.csv", memory)
    (folder / "summary.md").write_text(summary(times, memory))
    (folder / "environment.json").write_text(
        json.dumps(environment(("cpu",), torch.get_num_threads()), indent=2) + "\n"
    )


if __name__ == "__main__":
    if sys.argv[1] == "--growth":
        print(json.dumps(growth(PROBLEMS[int(sys.argv[2])], sys.argv[3])))
    else:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)
