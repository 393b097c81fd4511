"""The streams of random numbers: the same in every process, never shared by two keys."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from fbench.errors import InputError
from fbench.learning.seeds import FAMILIES, derive, generator


def test_keys_of_a_large_comparison_never_meet() -> None:
    rounds = [(), *((index,) for index in range(16))]
    keys = [(family, seed, *more) for family in FAMILIES for seed in range(64) for more in rounds]
    assert len({derive(*key) for key in keys}) == len(keys)


def test_a_key_is_its_parts_and_not_their_sum_or_their_digits() -> None:
    assert derive("start", 0, 1) != derive("start", 1, 0)
    assert derive("start", 1, 12) != derive("start", 11, 2)
    assert derive("start", 1) != derive("start", 1, 0)


def test_seeds_are_the_same_in_another_process() -> None:
    code = "from fbench.learning.seeds import derive; print(derive('training', 3, 7))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == derive("training", 3, 7)


def test_generators_of_one_key_draw_the_same_and_share_no_state() -> None:
    one, two = generator("strategy", 5, 2), generator("strategy", 5, 2)
    first = torch.randperm(50, generator=one)
    assert torch.equal(first, torch.randperm(50, generator=two))
    assert not torch.equal(first, torch.randperm(50, generator=generator("training", 5, 2)))
    assert one.device.type == "cpu"


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="unknown seed family 'model'; use one of start, training, strategy"):
        generator("model", 0)  # type: ignore[arg-type]
