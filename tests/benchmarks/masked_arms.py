"""Seconds that the masked arms take to choose a batch, of two checkouts of fbench in turn.

    python tests/benchmarks/masked_arms.py FOLDER BEFORE AFTER [ROUNDS]

BEFORE and AFTER are folders of checkouts. Both train the small network of the digits on LABELLED images of its pool
and choose 20 more, with 40 forward picks, masks or sketches of 328 weights, N = 1,024 and λ = 1, in a process of one
thread each. In every round (15 by default) either process chooses once with every arm, one waiting while the other
works, whoever begins drawn at random. Seconds are those of the processor: what else the machine does counts for less.

Writes FOLDER/times.csv, FOLDER/environment.json, and prints the ratio after/before of every arm and state: the median
over rounds, and the quartiles.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

ARMS = ("bait", "bait+fish@328", "bait+random-mask@328", "bait+sketch@328")
LABELLED = (120,)


def serve() -> None:
    """Choose with the arm and the labels of every line that is read; answer with seconds and a hash of the batch."""
    import torch

    from fbench.harness.registry import MODELS, STRATEGIES
    from fbench.learning.data import digits, split
    from fbench.learning.proposals import seen_pool
    from fbench.learning.recipe import Recipe
    from fbench.learning.strategies import Acquisition, LearnerState
    from fbench.learning.training import train_block

    torch.set_num_threads(1)
    pool, networks = split(digits(None, False), 0), {}
    for n in LABELLED:
        few = ([pool.images[:n]], [pool.targets[:n]])
        networks[n] = train_block(MODELS.get("small"), *few, [0], classes=pool.classes, recipe=Recipe(epochs=50))[0]
    for line in sys.stdin:
        arm, number = line.split()
        n = int(number)
        labelled = torch.arange(n)
        state = LearnerState(networks[n], seen_pool(pool, labelled), labelled, 0, 1, Acquisition())
        start = time.process_time()
        batch = STRATEGIES.get(arm).propose(state, 20).positions.tolist()
        print(time.process_time() - start, ",".join(map(str, batch)), flush=True)


def server(checkout: str) -> subprocess.Popen[str]:
    """A process that serves from a checkout."""
    command = [sys.executable, __file__, "--serve"]
    where = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": checkout}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=checkout, env=where)


def ask(process: subprocess.Popen[str], arm: str, labels: int) -> tuple[float, str]:
    """Seconds, and the batch."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{arm} {labels}\n")
    process.stdin.flush()
    seconds, batch = process.stdout.readline().split()
    return float(seconds), batch


def main(folder: Path, checkouts: dict[str, str], rounds: int) -> None:
    """Measure, write and print."""
    from fbench.measure.environment import environment

    servers = {name: server(checkout) for name, checkout in checkouts.items()}
    for arm in ARMS:
        for process in servers.values():
            ask(process, arm, LABELLED[0])  # warm-up
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.json").write_text(json.dumps(environment(("cpu",), 1), indent=2) + "\n", encoding="utf-8")
    table: list[dict[str, Any]] = []
    for block in range(rounds):
        for arm, labels in itertools.product(ARMS, LABELLED):
            for name in random.sample(list(servers), 2):
                seconds, batch = ask(servers[name], arm, labels)
                table.append(
                    {"round": block, "strategy": arm, "labels": labels, "code": name, "cpu_s": f"{seconds:.4f}"}
                    | {"batch": batch}
                )
        write(folder / "times.csv", table)
    for process in servers.values():
        assert process.stdin is not None
        process.stdin.close()
    for arm, labels in itertools.product(ARMS, LABELLED):
        print(told(table, arm, labels))


def write(path: Path, table: list[dict[str, Any]]) -> None:
    """All rows so far."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def told(table: list[dict[str, Any]], arm: str, labels: int) -> str:
    """Seconds before and after, their ratio within rounds with its quartiles, and whether the batches are equal."""
    rows = [row for row in table if (row["strategy"], row["labels"]) == (arm, labels)]
    cpu = {name: [float(row["cpu_s"]) for row in rows if row["code"] == name] for name in ("before", "after")}
    low, middle, high = quantiles((b / a for a, b in zip(cpu["before"], cpu["after"], strict=True)), n=4)
    same = "equal" if len({row["batch"] for row in rows}) == 1 else "other"
    seconds = f"{median(cpu['before']):.3f} -> {median(cpu['after']):.3f} s"
    return f"{arm}, {labels} labels: {seconds}, ratio {middle:.2f} ({low:.2f}-{high:.2f}), {same} batches"


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve()
    else:
        before_after = {"before": sys.argv[2], "after": sys.argv[3]}
        main(Path(sys.argv[1]), before_after, int(sys.argv[4]) if len(sys.argv) > 4 else 15)
