"""Small rounds of ``fbench memory``, by their sizes."""

from __future__ import annotations

from typing import Any

from fbench.suites.memory.spec import Spec, parse_round_method

METHODS = (
    *("incremental", "published", "fused", "factored", "diagonal"),
    *("incremental:mask", "published:mask", "fused:mask"),
)
SIZES: dict[str, Any] = {
    "n": 400,
    "k": 5,
    "d": 200,
    "h": 40,
    "batch": 6,
    "oversample": 2.0,
    "chunk_size": 100,
    "dtype": "float32",
    "model": "auto",
    "image": (1, 8),
    "labelled": 30,
    "train_batch": 12,
    "fisher_samples": 30,
    "picks": 1,
    "seed": 0,
}


def sizes(method: str, **more: Any) -> Spec:
    return Spec(method=parse_round_method(method), **{**SIZES, **more})
