"""Targets as users have them, numbers or names, as classes 0 to k − 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fbench.errors import shorten
from fbench.harness.guard import Refuse
from fbench.learning.data.files.places import Places

Array = np.ndarray[Any, Any]
_AS_THEY_COME = (Places(), Places())


class Coded(NamedTuple):
    """Classes of the samples and of the test set, and what they are called; numbers that stay have no names."""

    targets: Tensor
    test_targets: Tensor | None
    classes: int
    names: tuple[str, ...]


def coded(
    refuse: Refuse, targets: Array, test_targets: Array | None = None, places: Sequence[Places] = _AS_THEY_COME
) -> Coded:
    """Classes from numbers or names.

    Whole numbers that begin at 0 are the classes; all else is mapped to 0, 1, … in sorted order, numbers by their size.

    Args:
        refuse: raises the error that names the file.
        targets: [N] whole numbers, names or booleans; floats only where they are whole.
        test_targets: [M] of the test part.
        places: where the samples of both parts stand.

    Example:
        >>> from fbench.harness.guard import refuser
        >>> coded(refuser(len, "mine.csv"), np.array(["bee", "ant", "bee"])).targets.tolist()
        [1, 0, 1]
    """
    named = [("targets", targets)] + ([("test_targets", test_targets)] if test_targets is not None else [])
    plain = [_plain(refuse, name, part, at) for (name, part), at in zip(named, places, strict=False)]
    values = np.unique(plain[0])
    if len(values) < 2:
        refuse(f"targets hold one class, {shorten(values[0])!r}; there must be at least 2")
    for extra in plain[1:]:
        _check_known(refuse, values, extra)
    if values.dtype.kind == "i" and values[0] == 0:
        k, names = int(values[-1]) + 1, list[str]()
    else:
        k, names = len(values), list(map(str, values.tolist()))
        plain = [np.searchsorted(values, part) for part in plain]
    first, *rest = (torch.from_numpy(part.astype(np.int64)) for part in plain)
    return Coded(first, rest[0] if rest else None, k, tuple(names))


def _plain(refuse: Refuse, name: str, values: Array, places: Places) -> Array:
    """One axis of int64, or of texts."""
    if values.ndim != 1:
        how = f"{name}.argmax(1)" if values.ndim == 2 else f"{name}.ravel()"
        refuse(f"{name} have shape {list(values.shape)}; give one class a sample, [n]: {how}")
    if not len(values):
        refuse(f"{name} are empty; there must be at least one sample")
    kind = values.dtype.kind
    if kind in "OSU":
        return _texts(refuse, name, values, places)
    if kind == "f":
        _check_present(refuse, name, np.isnan(values), places)
        odd = ((values != np.floor(values)) | (np.abs(values) > 2**53)).nonzero()[0]
        if len(odd):
            refuse(f"{name} hold {values[odd[0]]:g} in {places.row(odd[0])}; classes are whole numbers or names")
    elif kind not in "iub":
        refuse(f"{name} are {values.dtype}; classes are whole numbers or names")
    whole = values.astype(np.int64)
    if kind in "if" and whole.min() < 0:
        refuse(
            f"{name} hold {whole.min()}, first in {places.row(int(whole.argmin()))}; classes are numbered from 0, and "
            "a sample without a class must be left out"
        )
    return np.asarray(np.where(values, "True", "False") if kind == "b" else whole)


def _texts(refuse: Refuse, name: str, values: Array, places: Places) -> Array:
    """Names as texts; a table's missing ones are refused."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    listed = values.tolist()
    missing = np.array([value is None or value != value or value == "" for value in listed], dtype=bool)
    _check_present(refuse, name, missing, places)
    return np.array([str(value) for value in listed])


def _check_present(refuse: Refuse, name: str, missing: Array, places: Places) -> None:
    if missing.any():
        rows = missing.nonzero()[0]
        first = places.row(rows[0])
        refuse(f"{name} are missing in {len(rows):,} of {len(missing):,} rows, first in {first}; leave these out")


def _check_known(refuse: Refuse, values: Array, test: Array) -> None:
    if values.dtype.kind != test.dtype.kind:
        refuse(f"targets are {values.dtype}, test_targets {test.dtype}; give both as numbers, or both as names")
    strange = np.setdiff1d(test, values)
    if len(strange):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        refuse(
            f"test_targets have class {shorten(strange[0])!r}{more}, which no training sample is of; move some of it "
            "to the training part, or leave it out of the test part"
        )
