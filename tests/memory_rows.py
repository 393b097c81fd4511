"""Rows of ``fbench memory`` as a run gives them, for tests of what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Row

MIB, GIB = 2**20, 2**30
SIZES = {"candidates": 5000, "classes": 10, "dim": 1280, "batch": 100, "dtype": "float32", "chunk_size": None}
NUMBERS = ("peak_bytes", "baseline_bytes", "start_bytes", "predicted_bytes", "start_s", "end_s")
RSS, ALLOCATED = ("cpu", "rss", "used", "process"), ("cuda:0", "torch", "allocated", "process")
NVML, NON_TORCH = ("cuda:0", "nvml", "used", "process"), ("cuda:0", "nvml", "non_torch", "process")

SECONDS = {
    "data": 0.4, "train": 9.6, "diagonal": 1.3, "mask": 0.012, "embed": 0.6, "fisher": 0.05, "init": 0.11,
    "forward": 3.2, "backward": 1.9,
}  # fmt: skip
"""What the phases of a round take."""
PHASE_MIB = {
    "data": (60, 60), "train": (380, 40), "diagonal": (130, 5), "mask": (54, 6), "embed": (290, 250),
    "fisher": (380, 65), "init": (620, 400), "forward": (1290, 160), "backward": (860, 20),
}  # fmt: skip
"""MiB that a phase takes beyond what is there, at its peak and after it."""


def meter(which: tuple[str, str, str, str]) -> Row:
    return dict(zip(("device", "source", "quantity", "scope"), which, strict=True))


def row(method: str, phase: str | None, number: int = 0, which: tuple[str, str, str, str] = RSS, **more: Any) -> Row:
    """A row as it is read again: every column, empty ones as None."""
    point = {"method": method, **SIZES, **{name: value for name, value in more.items() if name in SIZES}}
    case = f"method={method} candidates={point['candidates']} dtype={point['dtype']}"
    begin = {"case": case, "round": number, "phase": phase, **meter(which), **point}
    return {**begin, **dict.fromkeys(NUMBERS), "status": "ok", "reason": "", **more}


def rounds_of(
    method: str,
    peaks: Mapping[str, Sequence[float]],
    predicted: Mapping[str, float] | None = None,
    which: tuple[str, str, str, str] = RSS,
    baseline: float = 400,
    **more: Any,
) -> list[Row]:
    """A row for every round's growth of every phase, in MiB; each began with 10 MiB held."""
    start = {"start_bytes": round((baseline + 10) * MIB), "baseline_bytes": round(baseline * MIB)}
    predictions = {name: round(size * MIB) for name, size in (predicted or {}).items()}
    return [
        row(
            method, phase, number, which,
            peak_bytes=round((baseline + growth) * MIB), predicted_bytes=predictions.get(phase), **start, **more,
        )
        for phase, growths in peaks.items()
        for number, growth in enumerate(growths)
    ]  # fmt: skip


def limit(method: str, **more: Any) -> Row:
    """A row of limits.csv: 8 GiB, of which a tenth stays free."""
    sizes = {name: more.pop(name, value) for name, value in SIZES.items()}
    cells = {
        "device": "cpu", "budget_bytes": 8 * GIB, "margin": 0.1, "predicted_bytes": 2 * GIB, "phase": "forward",
        "matrices_bytes": 50 * MIB, "largest_chunk": None, "largest_pool": 40_000,
    }  # fmt: skip
    return {"case": row(method, "data", **sizes)["case"], "round": 0, "method": method, **sizes, **cells, **more}


def held(
    method: str, mebibytes: Iterable[float | None], which: tuple[str, str, str, str] = RSS, **more: Any
) -> list[Row]:
    """Rows of rounds.csv."""
    case = row(method, "data", **more)["case"]
    cells = {name: value for name, value in meter(which).items() if name != "scope"}
    sizes = [None if size is None else round(size * MIB) for size in mebibytes]
    return [{"case": case, "round": number, **cells, "held_bytes": size} for number, size in enumerate(sizes)]


def reader(method: str, number: int = 0, which: tuple[str, str, str, str] = RSS, **more: Any) -> Row:
    """A row of readers.csv: 200 readings a second for ten seconds."""
    cells = {name: value for name, value in meter(which).items() if name != "quantity"}
    rates = {"period_s": 0.005, "samples": 2000, "missed": 0, "rate_hz": 200.0, "fault": None}
    return {"case": row(method, "data")["case"], "round": number, **cells, **rates, **more}


def tables(*groups: Iterable[Row], **more: Sequence[Row]) -> dict[str, list[Row]]:
    """All tables of a run; ``groups`` are rows of results."""
    results = {"results": [line for group in groups for line in group]}
    names = ("limits", "rounds", "timeline", "readers")
    return {**results, **{name: list(more.get(name, ())) for name in names}}


def whole_round(
    method: str,
    which: tuple[str, str, str, str] = RSS,
    *,
    number: int = 0,
    times: float = 1.0,
    stretch: float = 1.0,
    baseline: float = 420,
    **more: Any,
) -> list[Row]:
    """Every phase of a round in turn: sizes are PHASE_MIB × ``times``, seconds SECONDS × ``stretch``."""
    rows, now, there = [], 0.0, 0.0
    for phase, (peak, left) in PHASE_MIB.items():
        if phase in ("diagonal", "mask") and not method.endswith(":mask"):
            continue
        end, wobble = now + stretch * SECONDS[phase], 1 + 0.01 * ((number * 7 + len(phase)) % 3 - 1)
        start = times * there * wobble
        cells = {
            "start_s": now, "end_s": end, "baseline_bytes": round(baseline * MIB),
            "start_bytes": round((baseline + start) * MIB),
            "peak_bytes": round((baseline + start + times * peak * wobble) * MIB),
        }  # fmt: skip
        rows.append(row(method, phase, number, which, **cells, **more))
        now, there = end, (there + left if phase != "train" else there)
    return rows


def foretold(rows: Sequence[Row], shares: Mapping[str, float]) -> list[Row]:
    """Rows with a prediction: the growth times the phase's share, 1.05 unless said."""
    return [
        {
            **each,
            "predicted_bytes": round((each["peak_bytes"] - each["baseline_bytes"]) * shares.get(each["phase"], 1.05)),
        }
        for each in rows
    ]


def trace(rows: Sequence[Row], most: int = 400) -> list[Row]:
    """Rows of timeline.csv of one round: memory ramps up to each phase's peak, at even times."""
    end = rows[-1]["end_s"]
    points = []
    for i in range(most):
        at = end * i / most
        cells = next(line for line in rows if line["start_s"] <= at < line["end_s"])
        share = (at - cells["start_s"]) / (cells["end_s"] - cells["start_s"])
        saw = 1 - 0.25 * (i % 4 == 3) if cells["phase"] in ("train", "forward", "backward") else 1.0
        height = min(1.0, 6 * share, 12 * (1 - share)) * saw
        size = cells["start_bytes"] + height * (cells["peak_bytes"] - cells["start_bytes"])
        place = {name: cells[name] for name in ("case", "round", "device", "source", "quantity")}
        points.append({**place, "t_s": at, "bytes": round(size)})
    return points
