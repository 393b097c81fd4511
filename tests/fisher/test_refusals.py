"""What the public functions say to values that are not what they take."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import fbench
from fbench.errors import InputError

V = fbench.dense_embedding(torch.randn(30, 2, 5, generator=torch.Generator().manual_seed(0)))
MODEL = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))


@pytest.mark.parametrize("batch_size", [5.0, True, "5", None])
def test_a_batch_size_that_is_no_whole_number(batch_size):
    with pytest.raises(InputError, match=f"batch_size {batch_size}: must be a whole number"):
        fbench.bait_select(V, batch_size, labelled=[])


def test_a_batch_size_of_numpy():
    assert len(fbench.bait_select(V, np.int64(5), labelled=[]).indices) == 5


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (3, r"labelled has shape \[\]: give a list of positions"),
        (torch.tensor([[0, 1]]), r"labelled has shape \[1, 2\]"),
        (None, "labelled is a NoneType: give positions"),
        (torch.tensor([True, False]), r"labelled has dtype torch.bool: .*mask.nonzero"),
    ],
)
def test_labelled_that_is_no_list_of_positions(labelled, message):
    with pytest.raises(InputError, match=message):
        fbench.bait_select(V, 2, labelled=labelled)


def test_labelled_may_be_a_set_or_an_array():
    first = fbench.bait_select(V, 3, labelled={4, 2, 9}).indices
    assert fbench.bait_select(V, 3, labelled=np.array([2, 4, 9])).indices.tolist() == first.tolist()


def test_an_embedding_that_is_a_bare_tensor():
    with pytest.raises(InputError, match="embedding is a Tensor: make one by last_layer_embedding"):
        fbench.bait_select(V.values, 2, labelled=[])


def test_embeddings_take_arrays():
    logits, features = np.random.default_rng(0).normal(size=(6, 3)), np.ones((6, 2))
    assert fbench.last_layer_embedding(logits, features).dim == 6
    assert fbench.dense_embedding(np.ones((6, 2, 3))).n == 6


def test_inputs_that_are_no_tensor():
    images = np.ones((2, 4), dtype=np.float32)
    mask = fbench.Mask({name: torch.ones_like(p, dtype=torch.bool) for name, p in MODEL.named_parameters()})
    for call in (lambda: fbench.fisher_diagonal(MODEL, images), lambda: fbench.masked_embedding(MODEL, images, mask)):
        with pytest.raises(InputError, match="inputs are a ndarray: give one tensor"):
            call()


def test_a_sign_that_is_neither():
    with pytest.raises(InputError, match="sign 0: must be 1"):
        fbench.trace(V, torch.eye(5), torch.eye(5), sign=0)


def test_a_mask_says_how_large_it_is():
    assert repr(fbench.Mask({"w": torch.tensor([True, False, True])})) == "Mask(2 of 3 weights, 1 layers)"
