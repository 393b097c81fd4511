"""What pytest-benchmark writes, and what a gate writes, in small: documents for the tests of comparisons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MACHINE = {
    "node": "here",
    "processor": "x86_64",
    "machine": "x86_64",
    "python_implementation": "CPython",
    "python_version": "3.11.7",
    "release": "6.1",
    "system": "Linux",
    "cpu": {"brand_raw": "a CPU", "count": 2},
}


def samples(seconds: float, n: int = 20, sd: float = 0.01, seed: int = 0) -> list[float]:
    """Times whose logarithms are normal about that of ``seconds``."""
    return (seconds * np.exp(np.random.default_rng(seed).normal(0, sd, n))).tolist()


def benchmark(name: str, data: Sequence[float], **more: Any) -> dict[str, Any]:
    """One benchmark of a JSON file."""
    options = {"disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0, "min_time": 0.000005}
    held = {"group": None, "name": name, "fullname": f"bench.py::{name}", "params": None, "param": None}
    stats = {"median": float(np.median(data)), "iqr": 0.0, "rounds": len(data), "data": list(data)}
    return {**held, "extra_info": {}, "options": options, "stats": stats, **more}


def document(benchmarks: Sequence[Mapping[str, Any]], commit: str = "a" * 40, **more: Any) -> dict[str, Any]:
    """A JSON file of pytest-benchmark."""
    about = {"machine_info": MACHINE, "commit_info": {"id": commit, "dirty": False, "time": "2026-01-01T00:00:00"}}
    return {
        **about,
        "benchmarks": list(benchmarks),
        "datetime": "2026-01-02T00:00:00+00:00",
        "version": "5.1.0",
        **more,
    }


def timed(path: Path, seconds: Mapping[str, float], *, seed: int = 0, commit: str = "a" * 40, **more: Any) -> Path:
    """Write a JSON file with a benchmark of each name."""
    data = {name: samples(value, seed=seed + place) for place, (name, value) in enumerate(seconds.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document([benchmark(name, times) for name, times in data.items()], commit, **more)))
    return path


def pairs(change: float, n: int = 20, sd: float = 0.02, seed: int = 0) -> list[dict[str, Any]]:
    """Pairs of which the new one takes so much longer, the order drawn."""
    rng = np.random.default_rng(seed)
    return [
        {
            "pair": number,
            "first": ["base", "new"][rng.integers(2)],
            "base_s": 0.01,
            "new_s": 0.01 * (1 + change) * math.exp(rng.normal(0, sd)),
        }
        for number in range(n)
    ]


def paired_document(changes: Mapping[str, list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    """A file of pairs."""
    benchmarks = [{"name": name, "pairs": listed} for name, listed in changes.items()]
    return {"fbench_pairs": 1, "base": {"revision": "v1"}, "new": {"revision": "v2"}, "benchmarks": benchmarks, **more}
