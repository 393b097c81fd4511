"""Hold a finished `fbench compare` on the digits to logistic regression on random's own final labels.

    python tests/benchmarks/baseline_digits.py RUN-FOLDER

Reads the run's `selections.csv`, fits scikit-learn's logistic regression on exactly the labels that the random arm had
at the end, tests it on the same images, and writes `logistic_regression.json` beside the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from fbench.learning.data import digits, split


def main(folder: Path) -> None:
    """Write the comparison into ``folder`` and print it."""
    bought = pd.read_csv(folder / "selections.csv").query("strategy == 'random'")
    rows = pd.read_csv(folder / "results.csv").query("strategy == 'random'")
    final = rows[rows["round"] == rows["round"].max()].set_index("seed")["accuracy"]
    images, scores = digits(None, False), []
    for seed in final.index:
        pool = split(images, seed)
        chosen = bought[bought["seed"] == seed]["index"].to_numpy()
        model = LogisticRegression(max_iter=5000)
        model.fit(images.images[chosen].flatten(1).numpy(), images.targets[chosen].numpy())
        scores.append(model.score(pool.test_images.flatten(1).numpy(), pool.test_targets.numpy()))
    better = int(np.sum(final.to_numpy() > np.array(scores)))
    found = {
        "seeds": len(scores),
        "random_final_accuracy": float(final.mean()),
        "logistic_regression_accuracy": float(np.mean(scores)),
        "seeds_where_random_is_better": better,
    }
    (folder / "logistic_regression.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
