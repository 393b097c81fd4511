"""What a user's data set may be: samples of any shape, and their types. Refusals: tests/faults/test_foreign.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fbench.errors import ForeignError
from fbench.harness.registry import Dataset
from fbench.learning.data import Images, Records
from fbench.learning.data_checks import accepted_images
from fbench.stored_samples import StoredSamples

MINE = Dataset("mine", "four samples", lambda folder, download: None)


def accepted(samples: Any, **more: Any) -> Images:
    return accepted_images(MINE, Images("mine", samples, np.array([0, 1, 1, 0], np.uint8), 2, **more))


@pytest.mark.parametrize(
    ("samples", "dtype"),
    [
        (np.zeros((4, 3)), torch.float32),
        (torch.zeros(4, 1, 8, 6, dtype=torch.float64), torch.float32),
        (torch.zeros(4, 5, 7), torch.float32),
        (torch.arange(12).view(4, 3), torch.int64),
        (np.zeros((4, 3), np.int32), torch.int64),
    ],
)
def test_samples_of_any_shape(samples: Any, dtype: torch.dtype) -> None:
    images = accepted(samples)
    assert images.images.shape == samples.shape
    assert images.images.dtype == dtype
    assert images.targets.dtype == torch.int64


def test_what_is_stored_stays_stored() -> None:
    kept = StoredSamples(lambda rows: torch.zeros(len(rows), 2), torch.arange(4), (2,), torch.float32)
    assert isinstance(accepted(kept).images, StoredSamples)


def test_names_and_records_go_through() -> None:
    images = accepted(np.zeros((4, 3)), class_names=("a", "b"), records=Records("wxyz", {"site": "1122"}))
    assert images.class_names == ("a", "b")
    assert images.records.of(3) == {"id": "z", "metadata": '{"site": "2"}'}


def test_ids_of_a_test_set_are_held_to_it() -> None:
    both = {"test_images": np.zeros((2, 3)), "test_targets": np.array([0, 1])}
    assert accepted(np.zeros((4, 3)), **both, test_records=Records("ab")).test_records.ids == "ab"
    with pytest.raises(ForeignError, match="test_ids has 3 entries, and there are 2 test samples; give one a sample"):
        accepted(np.zeros((4, 3)), **both, test_records=Records("abc"))
    with pytest.raises(ForeignError, match="test_ids has 3 entries, and there are 0 test samples"):
        accepted(np.zeros((4, 3)), test_records=Records("abc"))
