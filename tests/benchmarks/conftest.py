"""How the benchmarks here are timed: every round of ours right after a round of a control that is not ours.

The control does the same kind of work: a matrix product where ours multiplies, a copy where it moves memory, the
standard library where it reads or writes text. What it takes rises and falls with the machine and never with our
code, so that ``fbench diff`` can tell the one from the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

_SECONDS, _FEWEST, _MOST = 0.4, 8, 40
"""Of a benchmark, its controls apart; rounds."""


def _product(size: int) -> Callable[[], object]:
    A = torch.randn(size, size, generator=torch.Generator().manual_seed(0))
    return lambda: A @ A


def _copy(megabytes: int) -> Callable[[], object]:
    source = torch.ones(megabytes * 2**18)
    return source.clone


def _csv() -> object:
    """A thousand cells written and read."""
    file = io.StringIO()
    csv.writer(file).writerows([str(i), repr(i / 7)] for i in range(500))
    return [(int(a), float(b)) for a, b in csv.reader(io.StringIO(file.getvalue()))]


CONTROLS: dict[str, Callable[[], Callable[[], object]]] = {
    "matrix product": lambda: _product(384),
    "copy": lambda: _copy(8),
    "csv module": lambda: _csv,
}


@pytest.fixture
def timed(benchmark) -> Callable[..., Any]:
    """``timed(run, "matrix product", flops=…, moved=…)``: gives the result; once where nothing is timed.

    ``beside`` is a control of the benchmark's own, in the place of the one that has the name. In a gate there is none:
    the other side is.
    """

    def call(
        run: Callable[[], Any],
        control: str,
        *,
        beside: Callable[[], object] | None = None,
        flops: float = 0,
        moved: float = 0,
    ) -> Any:
        if not isinstance(benchmark, BenchmarkFixture):
            return benchmark(run)
        beside = beside or CONTROLS[control]()
        beside()
        if benchmark.disabled:
            return benchmark.pedantic(run)
        run()
        start = perf_counter()
        run()
        rounds = min(max(int(_SECONDS / (perf_counter() - start)), _FEWEST), _MOST)
        seconds: list[float] = []

        def setup() -> None:
            begin = perf_counter()
            beside()
            seconds.append(perf_counter() - begin)

        result = benchmark.pedantic(run, setup=setup, rounds=rounds)
        benchmark.extra_info.update(flops=int(flops), bytes=int(moved), control=control, control_s=seconds[-rounds:])
        return result

    return call


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield
