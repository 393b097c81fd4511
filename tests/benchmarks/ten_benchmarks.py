"""Ten cheap benchmarks in the manner of tests/benchmarks, whose code can be slowed: what verdict_rates.py records.

Every call is followed by a spin for ``SHARE`` of what the call itself took, as the file ``share`` beside this one says;
0 where there is none. So the slowed code does the same work on the same data, and is slower by a known share whatever
the machine does. Both are counted on the thread's own clock of CPU time: by the wall's, a spin on a busy machine lasts
until the thread is given the processor again, and a quarter would be a half.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import thread_time
from typing import Any

import pytest
import torch

import fbench
from fbench.fisher.embeddings import FactoredEmbedding
from fbench.fisher.row_gram import gram_of_rows
from fbench.fisher.selection.trace import prepare_kernel, scores_of
from fbench.harness.contract import Column
from fbench.harness.registry import MODELS
from fbench.harness.sweep import parse_sweep
from fbench.results import table

CLASSES, WEIGHTS = 10, 160
_SHARE = Path(__file__).with_name("share")
SHARE = float(_SHARE.read_text()) if _SHARE.is_file() else 0.0
COLUMNS = (Column("case", "str", "", "the case"), Column("time_s", "float", "s", "of the pass"))
torch.set_num_threads(1)


def slowed(f: Callable[[], Any], share: float = SHARE) -> Callable[[], Any]:
    """A call of f, and a spin for a share of what it took, in CPU time."""

    def call() -> Any:
        start = thread_time()
        value = f()
        end = thread_time()
        until = end + share * (end - start)
        while thread_time() < until:
            pass
        return value

    return call


@cache
def last_layer(n: int) -> FactoredEmbedding:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(n, CLASSES, generator=generator)
    return fbench.last_layer_embedding(logits, torch.randn(n, WEIGHTS // CLASSES, generator=generator))


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("kernel", ["published", "fused", "factored", "incremental"])
def test_trace(benchmark, kernel):
    V = last_layer(128)
    F = V.gram() / V.n
    held, prepared = prepare_kernel(kernel, V, torch.linalg.inv(F + torch.eye(WEIGHTS)), F)
    benchmark(slowed(lambda: scores_of(held, prepared, slice(0, 64), True)))


def test_row_gram(benchmark):
    V = last_layer(40)
    benchmark(slowed(lambda: gram_of_rows(V)))


def test_diagonal(benchmark):
    torch.manual_seed(0)
    network = MODELS.get("mlp").build(1, (1, 8, 8), CLASSES).eval()
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    benchmark(slowed(lambda: len(fbench.fisher_diagonal(network, images))))


def test_top_mask(benchmark):
    diagonal = {"a": torch.rand(50_000, generator=torch.Generator().manual_seed(0))}
    benchmark(slowed(lambda: fbench.top_mask(diagonal, fraction=0.01).size))


def test_overlap(benchmark):
    kept = [torch.rand(500_000, generator=torch.Generator().manual_seed(seed)) < 0.01 for seed in (0, 1)]
    first, second = (fbench.Mask({"a": values}) for values in kept)
    benchmark(slowed(lambda: first.jaccard(second)))


def test_parse_sweep(benchmark):
    benchmark(slowed(lambda: len([parse_sweep("16..1000:+16,2^10,4Ki") for _ in range(5)])))


def test_write_rows(benchmark):
    rows = [{"case": "kernel=fused", "time_s": (i + 1) / 7} for i in range(100)]
    benchmark(slowed(lambda: len(table.text(COLUMNS, rows))))
