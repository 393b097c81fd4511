"""What a user's data must be, checked once where it comes in: before a run's folder exists.

What is harmlessly another is converted (numpy arrays to tensors, float64 images to float32, int32 targets to int64);
everything else is refused by the value, the rule and the remedy.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from fbench.errors import DataError
from fbench.harness import guard
from fbench.harness.guard import Refuse
from fbench.harness.registry import Dataset
from fbench.learning.data.brought import Brought
from fbench.learning.data.images import Images
from fbench.stored_samples import StoredSamples

_LAYOUT = "samples are images [n, channels, height, width], features [n, h], or token ids [n, t]"
_WHOLE = (torch.int64, torch.int32, torch.int16)


def accepted_images(dataset: Dataset, images: Any) -> Images:
    """A data set's samples and targets as tensors of the right types.

    Raises:
        ForeignError: they are no ``Images``, or not such as networks can be trained on.

    Example:
        >>> mine = Dataset("mine", "two images", lambda folder, download: None)
        >>> images = Images("mine", np.zeros((2, 1, 8, 8)), np.array([0, 1]), 2)
        >>> accepted_images(mine, images).images.dtype
        torch.float32
    """
    refuse = guard.refuser(dataset.load, f"data set {dataset.name!r}")
    if not isinstance(images, Images):
        refuse(f"gave a {type(images).__name__}; it must give an Images (fbench.learning.data)")
    return _checked(refuse, images, "images")


def check_brought(brought: Brought, images: Images) -> Images:
    """What a user's files hold, once more as samples that networks can be trained on.

    Raises:
        DataError: they are not; by the file's name.
    """

    def refuse(text: str) -> NoReturn:
        raise DataError(f"{brought.path}: {text}")

    return _checked(refuse, images, brought.name)


def _checked(refuse: Refuse, images: Images, noun: str) -> Images:
    """The samples, which messages call ``noun``, and the targets, held to all that is promised of them."""
    k = images.classes
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        refuse(f"classes is {k!r}; it must be a whole number of at least 2")
    if (images.test_images is None) != (images.test_targets is None):
        refuse("has test_images or test_targets without the other; give both, or neither")
    pairs: dict[str, Any] = {"": (images.images, images.targets)}
    if images.test_images is not None:
        pairs["test_"] = (images.test_images, images.test_targets)
    clean: dict[str, Any] = {"classes": int(k)}
    for prefix, (values, targets) in pairs.items():
        clean[f"{prefix}images"] = _samples(refuse, f"{prefix}{noun}", values)
        clean[f"{prefix}targets"] = _targets(refuse, f"{prefix}targets", targets, int(k))
        n, labels = len(clean[f"{prefix}images"]), len(clean[f"{prefix}targets"])
        if n != labels:
            refuse(f"{prefix}targets has {labels:,} entries, {prefix}{noun} {n:,}; give one target a sample")
    if "test_images" in clean and clean["test_images"].shape[1:] != clean["images"].shape[1:]:
        shapes = [list(clean[name].shape[1:]) for name in ("test_images", "images")]
        refuse(f"test_{noun} are {shapes[0]}, {noun} {shapes[1]}; give both in one shape")
    _check_records(refuse, images, len(clean["targets"]), len(clean.get("test_targets", ())))
    return replace(images, **clean)


def _samples(refuse: Refuse, name: str, values: Any) -> Tensor:
    """Samples along the first axis: floats as float32, or token ids [n, t] as int64."""
    x = _tensor(refuse, name, values)
    if x.dim() < 2:
        refuse(f"{name} have shape {list(x.shape)}; give a sample a row, [n, …], such as {name}.reshape(n, -1)")
    if 0 in x.shape:
        refuse(f"{name} have shape {list(x.shape)}, which holds none; {_LAYOUT}")
    if x.dim() == 2 and x.dtype in _WHOLE:
        return _tokens(refuse, name, x)
    if not x.is_floating_point():
        refuse(f"{name} are {dtype_name(x)}; give float32, such as {name}.float() / 255 of bytes; {_LAYOUT}")
    x = x.to(torch.float32)
    if isinstance(x, StoredSamples):  # its reader has looked at all of it
        return x
    bad = (~torch.isfinite(x.flatten(1)).all(1)).nonzero().flatten()
    if len(bad):
        refuse(f"{name} hold NaN or infinity in {len(bad):,} of {len(x):,}, first in {int(bad[0])}; drop or mend them")
    return x


def _tokens(refuse: Refuse, name: str, x: Tensor) -> Tensor:
    if int(x.min()) < 0:
        refuse(f"{name} are token ids, and the least is {int(x.min())}; they are numbered from 0")
    return x.to(torch.int64)


def _check_records(refuse: Refuse, images: Images, n: int, m: int) -> None:
    """Refuse ids, metadata and names of classes of another length than what they are of: n samples, m for the test."""
    for prefix, records, count in (("", images.records, n), ("test_", images.test_records, m)):
        for name, values in {"ids": records.ids, **records.metadata}.items():
            if len(values) != count and (len(values) or name != "ids"):
                what = f"{count:,} {'test samples' if prefix else 'samples'}"
                refuse(f"{prefix}{name} has {len(values):,} entries, and there are {what}; give one a sample")
    if images.class_names and len(images.class_names) != images.classes:
        refuse(f"class_names has {len(images.class_names)} entries, classes is {images.classes}; give a name a class")


def _targets(refuse: Refuse, name: str, values: Any, classes: int) -> Tensor:
    y = _tensor(refuse, name, values)
    if y.dim() != 1:
        how = f"{name}.argmax(1)" if y.dim() == 2 and y.shape[1] == classes else f"{name}.flatten()"
        refuse(f"{name} have shape {list(y.shape)}; give one class number a sample, [n]: {how}")
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        refuse(f"{name} are {dtype_name(y)}; give class numbers as int64: {name}.long()")
    y = y.to(torch.int64)
    least, most = (int(y.min()), int(y.max())) if len(y) else (0, 0)
    if least < 0 or most >= classes:
        refuse(f"{name} go from {least} to {most}; {classes} classes are 0 to {classes - 1}")
    return y


def _tensor(refuse: Refuse, name: str, values: Any) -> Tensor:
    if isinstance(values, np.ndarray):
        try:
            values = torch.from_numpy(np.ascontiguousarray(values))
        except TypeError:
            refuse(f"{name} is an array of {values.dtype}; give numbers")
    if not isinstance(values, Tensor):
        refuse(f"{name} is a {type(values).__name__}; give a torch.Tensor or a numpy array")
    return values.detach()


def warn_of_empty_classes(images: Images) -> None:
    """Warn of classes that no image is of: a network can only be wrong about them."""
    counts = torch.bincount(images.targets, minlength=images.classes)
    empty = (counts == 0).nonzero().flatten().tolist()
    if empty:
        shown = ", ".join(map(str, empty[:5])) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        warnings.warn(
            f"data set {images.name!r}: no sample is of class {shown}; are there {images.classes} classes?",
            stacklevel=2,
        )


def dtype_name(x: Tensor) -> str:
    """A tensor's dtype as one says it.

    Example:
        >>> dtype_name(torch.zeros(1))
        'float32'
    """
    return str(x.dtype).removeprefix("torch.")
