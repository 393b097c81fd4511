"""What code changes for its whole process is put back after it, and every case has a state of its own."""
# ruff: noqa: NPY002  (numpy's global generator is what is looked at)

from __future__ import annotations

import os
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from fbench.harness.global_state import Worlds, isolated

CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "dtype": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.autograd.set_detect_anomaly(True)),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
    "determinism": (torch.are_deterministic_algorithms_enabled, lambda: torch.use_deterministic_algorithms(True)),
    "cudnn": (lambda: torch.backends.cudnn.benchmark, lambda: setattr(torch.backends.cudnn, "benchmark", True)),
    "numpy's errors": (np.geterr, lambda: np.seterr(all="raise")),
    "the folder": (os.getcwd, lambda: os.chdir("/")),
    "torch's numbers": (lambda: torch.get_rng_state().tolist(), lambda: torch.rand(1)),
    "numpy's numbers": (lambda: np.random.get_state()[1].tolist(), lambda: np.random.seed(7)),
    "Python's numbers": (random.getstate, lambda: random.seed(7)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_is_put_back(name):
    look, change = CHANGES[name]
    before = look()
    with isolated(0):
        inside = look()
        change()
        assert look() != inside, "the change must be one that can be seen"
    assert look() == before


def test_all_is_put_back_after_an_error():
    def fails():
        with isolated(0):
            torch.set_default_dtype(torch.float64)
            torch.rand(3)
            raise ZeroDivisionError

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.get_default_dtype() is torch.float32
    assert torch.equal(torch.get_rng_state(), before)


def drawn() -> tuple[float, float, float]:
    return torch.rand(1).item(), np.random.rand(), random.random()


def test_numbers_depend_on_the_seed_alone():
    with isolated(1):
        first = drawn()
    drawn()
    with isolated(1):
        assert drawn() == first
    with isolated(2):
        assert not set(drawn()) & set(first)


def case_of(worlds: Worlds, case: str) -> tuple[object, ...]:
    """A turn of a case that draws, and that takes its own dtype at its first turn and keeps it."""
    with worlds.of(case):
        numbers = drawn()
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64 if case == "a" else torch.float16)
        return *numbers, before


def test_cases_by_turns_are_as_cases_alone():
    """Numbers go on where the case left them, and so do settings."""
    alone = Worlds()
    expected = {case: [case_of(alone, case) for _ in range(3)] for case in "ab"}
    turns = Worlds()
    mixed: dict[str, list[tuple[object, ...]]] = {"a": [], "b": []}
    for case in "abbaba":
        mixed[case].append(case_of(turns, case))
    assert mixed == expected
    assert [turn[3] for turn in mixed["a"]] == [torch.float32, torch.float64, torch.float64]
    assert len({turn[:3] for turns_of in mixed.values() for turn in turns_of}) == 6
    assert torch.get_default_dtype() is torch.float32


def test_a_case_that_ended_begins_afresh():
    worlds = Worlds()
    first = case_of(worlds, "a")
    worlds.end("a")
    assert case_of(worlds, "a") == first
    worlds.end("never begun")
