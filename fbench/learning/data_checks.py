"""What a user's data set must give, checked once where it comes in: before a run's folder exists.

What is harmlessly another is converted (numpy arrays to tensors, float64 images to float32, int32 targets to int64);
everything else is refused by the value, the rule and the remedy.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbench.harness import guard
from fbench.harness.guard import Refuse
from fbench.harness.registry import Dataset
from fbench.learning.data import Images

_LAYOUT = "networks take images [n, channels, height, width]"


def accepted_images(dataset: Dataset, images: Any) -> Images:
    """A data set's images and targets as tensors of the right types.

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
        clean[f"{prefix}images"] = _pictures(refuse, f"{prefix}images", values)
        clean[f"{prefix}targets"] = _targets(refuse, f"{prefix}targets", targets, int(k))
        n, labels = len(clean[f"{prefix}images"]), len(clean[f"{prefix}targets"])
        if n != labels:
            refuse(f"{prefix}targets has {labels:,} entries, {prefix}images {n:,}; give one target an image")
    if "test_images" in clean and clean["test_images"].shape[1:] != clean["images"].shape[1:]:
        shapes = [list(clean[name].shape[1:]) for name in ("test_images", "images")]
        refuse(f"test_images are {shapes[0]}, images {shapes[1]}; give both in one shape")
    return replace(images, **clean)


def _pictures(refuse: Refuse, name: str, values: Any) -> Tensor:
    x = _tensor(refuse, name, values)
    if not x.is_floating_point():
        refuse(f"{name} are {dtype_name(x)}; give float32, such as {name}.float() / 255 of bytes")
    if x.dim() != 4:
        shape = list(x.shape)
        how = f"{name}.reshape(n, {shape[1]}, 1, 1)" if x.dim() == 2 else f"{name}[:, None]" if x.dim() == 3 else ""
        refuse(f"{name} have shape {shape}; {_LAYOUT}{': ' if how else ''}{how}")
    if 0 in x.shape:
        refuse(f"{name} have shape {list(x.shape)}, which holds none; {_LAYOUT}")
    x = x.to(torch.float32)
    bad = (~torch.isfinite(x.flatten(1)).all(1)).nonzero().flatten()
    if len(bad):
        refuse(f"{name} hold NaN or infinity in {len(bad):,} of {len(x):,}, first in {int(bad[0])}; drop or mend them")
    return x


def _targets(refuse: Refuse, name: str, values: Any, classes: int) -> Tensor:
    y = _tensor(refuse, name, values)
    if y.dim() != 1:
        how = f"{name}.argmax(1)" if y.dim() == 2 and y.shape[1] == classes else f"{name}.flatten()"
        refuse(f"{name} have shape {list(y.shape)}; give one class number an image, [n]: {how}")
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
            f"data set {images.name!r}: no image is of class {shown}; are there {images.classes} classes?", stacklevel=2
        )


def dtype_name(x: Tensor) -> str:
    """A tensor's dtype as one says it.

    Example:
        >>> dtype_name(torch.zeros(1))
        'float32'
    """
    return str(x.dtype).removeprefix("torch.")
