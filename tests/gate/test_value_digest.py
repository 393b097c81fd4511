"""Equal values of two processes have one digest, other values another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from fbench.gate.value_digest import first_letters, value_digest


@dataclass
class Held:
    a: int
    b: object


VALUES = [None, True, 1, 1.0, 2.0, "1", b"1", [1, 2], [2, 1], (1, 2), [[1], 2], {1: 2}, {1: 3}, {1, 2}, Held(1, 2)]
VALUES += [Held(2, 1), np.ones(2), np.ones((1, 2)), np.ones(2, np.float32), torch.ones(2), torch.zeros(2), float("nan")]


def test_other_values_have_other_digests():
    digests = [value_digest(value) for value in VALUES]
    assert "" not in digests
    assert len({*digests}) == len(VALUES)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({3, 1}, {1, 3}), (Held(1, [2]), Held(1, [2])), (np.ones(2), np.ones(2))],
)
def test_equal_values_have_one(one, other):
    assert value_digest(one) == value_digest(other)


def test_what_does_not_tell():
    ring = []
    ring.append(ring)
    for value in (print, object(), ring, iter([])):
        assert value_digest(value) == ""


def test_letters_of_what_cannot_be_shown():
    class Refuses:
        def __repr__(self):
            raise KeyError("no")

    assert first_letters(Refuses()) == "Refuses (KeyError when shown)"
    assert len(first_letters(list(range(100)))) == 61
