"""What a prediction counts, phase by phase, as formulas: a table of the evidence, held to the plan by a test.

The formulas have the terms that decide. Temporaries of a chunk or a batch, which depend on the library, stand there in
words; ``predictions`` and ``fbench/fisher/planning/phases.py`` have all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fbench.harness.contract import Table

from .peaks import CaseMemory

BOTH = {
    "data": "D = 4·n·x + 8·n",
    "train": "D + labelled images + parameters, gradients and activations of a step",
    "fisher": "I + b·d² + products of a chunk",
}
LAST_LAYER = {"embed": "D + N + 4·n·(h + k) + max(4·n·h, 4·n·r·k, a pass)"}
MASKED = {
    "diagonal": "D + N + 4·s·x + 4·p + gradients of a batch",
    "mask": "D + N + 21·p",
    "embed of a mask": "D + N + p + 8·d + 4·n·r·d + gradients of a batch",
}
FORWARD = {
    "published": "I + n·(9 + 4·b) + (3·b + 8)·d² + max(2·b·c·r·d + b·c·r², (16 − 2·b)·d²)",
    "fused": "I + n·(9 + 4·b) + (3·b + 8)·d² + max(b·d² + 2·b·c·r·d + b·c·r², 2·b·d²)",
    "factored": "I + n·(9 + 4·b) + (3·b + 8)·d² + b·d²·(k + 1)/k + b·c·(k² + r·k + 2·r² + d)",
    "incremental": "I + n·(9 + 4·b) + 20·d² + 24·T·d + b·n·r·(r + 1 + k)",
}
"""Bytes of ``forward`` by the method that selects, on a CPU."""
_LETTERS = (
    "The terms that decide; fbench/fisher/planning/phases.py has all. Nothing is fitted. D: images and targets. N: the "
    "network, of p weights. I = D + N + V; V is b·n·(r·k + h), b·n·r·d for published and fused, and on a mask p + "
    "b·n·r·d, where G and H have no k. x: numbers of an image; h: features; r: k − 1 rows, of published k; s: Fisher "
    "samples; c: candidates of a chunk, n at most; b: bytes of a number; T: 512, d at most. incremental is that of "
    "float32, where b = 4. init and backward hold parts of the same, in float64."
)


def formula_tables(cases: Sequence[CaseMemory]) -> Iterator[Table]:
    """A row for every phase and way of this run; nothing where no phase has a prediction."""
    if not any(phase.predicted for case in cases for profile in case.profiles.values() for phase in profile.phases):
        return
    methods = list(dict.fromkeys(case.method for case in cases))
    engines = dict.fromkeys(name.partition(":")[0] for name in methods)
    formulas = {
        **BOTH,
        **(LAST_LAYER if any(not name.endswith(":mask") for name in methods) else {}),
        **(MASKED if any(name.endswith(":mask") for name in methods) else {}),
        **{f"forward, {engine}": FORWARD[engine] for engine in engines if engine in FORWARD},
    }
    order = ("data", "train", "diagonal", "mask", "embed", "fisher", "forward")
    rows = sorted(formulas.items(), key=lambda row: order.index(row[0].split(",")[0].split()[0]))
    yield Table("What a prediction counts", ["phase", "bytes"], [list(row) for row in rows], _LETTERS)
