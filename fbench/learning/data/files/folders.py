"""A folder of images as a data set, ``--images FOLDER``: a folder a class, or those in ``train`` and ``test``.

Pixels become (value/255 − mean) / deviation per channel; both are those of ``_SAMPLED`` training images, spread
evenly, so that they do not depend on whether the images are held in memory or read when they are used.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fbench.errors import DataError
from fbench.learning.data.brought import Brought
from fbench.learning.data.files import stored
from fbench.learning.data.files.contents import names_and_sizes
from fbench.learning.data.images import NO_RECORDS, Images, Records
from fbench.learning.data.published import channel_moments
from fbench.stored_samples import StoredSamples

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
"""Files that are read; others may lie beside them."""
_SAMPLED = 2000
_GREY, _COLOUR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr", "PA")
"""Pillow's modes of at most 8 bits a channel, without and with colour."""


class Filed(NamedTuple):
    """Images by path, with the number of their class."""

    paths: list[Path]
    targets: list[int]


class Format(NamedTuple):
    """What every image becomes: Pillow's mode, and height and width."""

    mode: str
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return (1 if self.mode == "L" else 3, *self.size)


def read_image_folder(brought: Brought) -> Images:
    """The data set of a folder; every image is opened once before anything is made of it.

    Raises:
        DataError: no such folder, fewer than two classes, an empty one, one of the test part alone, an image that
            cannot be read, or is of another size than the first where none is asked for.
    """
    folder = brought.path
    if not folder.is_dir():
        raise DataError(f"--images {folder}: {'is a file' if folder.exists() else 'no such folder'}; give a folder")
    train, test, names = _listed(folder)
    everything = [*train.paths, *(test.paths if test else [])]
    readable, made = _examined(everything, brought)
    train, test = _kept(train, readable), _kept(test, readable) if test else None
    _check_left(folder, train, names)
    sampled = train.paths[:: max(1, len(train.paths) // _SAMPLED)][:_SAMPLED]
    moments = channel_moments(torch.stack([_pixels(path, made) for path in sampled]))

    def samples(paths: Sequence[Path]) -> Tensor:
        return _samples(paths, made, moments)

    return Images(
        name="images",
        images=samples(train.paths),
        targets=torch.tensor(train.targets),
        classes=len(names),
        test_images=samples(test.paths) if test else None,
        test_targets=torch.tensor(test.targets) if test else None,
        class_names=tuple(names),
        left_out=tuple(path.relative_to(folder).as_posix() for path in everything if path not in readable),
        records=_records(folder, train),
        test_records=_records(folder, test) if test else NO_RECORDS,
        contents=names_and_sizes(folder, everything),
    )


def _records(folder: Path, filed: Filed) -> Records:
    """An image's path in the folder is its id."""
    return Records([path.relative_to(folder).as_posix() for path in filed.paths])


def _listed(folder: Path) -> tuple[Filed, Filed | None, list[str]]:
    """Images for training and for the test, and the names of the classes."""
    names = _classes(folder)
    if "train" in names:
        if set(names) - {"train", "test"}:
            others = ", ".join(name for name in names if name not in ("train", "test"))
            raise DataError(f"{folder}: has {others} beside train; give a folder a class, or train and test alone")
        classes = _classes(folder / "train")
        test = _filed(folder / "test", classes, every=False) if "test" in names else None
        if test and not test.paths:
            raise DataError(f"{folder / 'test'}: holds no image; fill it, or delete it")
        return _filed(folder / "train", classes), test, classes
    return _filed(folder, names), None, names


def _classes(folder: Path) -> list[str]:
    """The folders in a folder, sorted; hidden ones are none."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror or error}; allow it to be read") from error


def _filed(folder: Path, classes: Sequence[str], *, every: bool = True) -> Filed:
    """The images of a folder by class; ``every`` class must have some."""
    strange = [name for name in _classes(folder) if name not in classes]
    if strange:
        raise DataError(
            f"{folder / strange[0]}: is of a class that train has no folder of; move some of its images to train, or "
            "leave it out"
        )
    if len(classes) < 2:
        raise DataError(f"{folder}: has {len(classes)} folders of images; give one for each of at least 2 classes")
    paths, targets = [], []
    for number, name in enumerate(classes):
        inside = sorted(
            path for path in (folder / name).rglob("*") if path.suffix.lower() in ENDINGS and path.is_file()
        )
        if every and not inside:
            raise DataError(f"{folder / name}: holds no image; fill it, or delete it")
        paths += inside
        targets += [number] * len(inside)
    return Filed(paths, targets)


def _examined(paths: Sequence[Path], brought: Brought) -> tuple[set[Path], Format]:
    """The images that can be read, and what all of them become: grey only where all are."""
    readable, modes, first = set(), set(), None
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
                mode, size = image.mode, (image.height, image.width)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            _corrupt(path, error, brought.skip_corrupt)
            continue
        if mode not in (*_GREY, *_COLOUR):
            raise DataError(f"{path}: is of Pillow's mode {mode}; save it with 8 bits a channel")
        first = first or (path, size)
        if brought.image_size is None and size != first[1]:
            raise DataError(
                f"{path}: is {size[0]} × {size[1]}, and {first[0].name} {first[1][0]} × {first[1][1]} (height × "
                "width); give the size to resize them to, such as --image-size 32x32"
            )
        readable.add(path)
        modes.add(mode)
    if first is None:
        raise DataError(f"{brought.path}: no image in it can be read")
    return readable, Format("L" if modes <= set(_GREY) else "RGB", brought.image_size or first[1])


def _corrupt(path: Path, error: Exception, skip: bool) -> None:
    what = f"{path}: cannot be read as an image: {error}"
    if not skip:
        raise DataError(f"{what}; mend or delete it, or leave such images out by --skip-corrupt")
    warnings.warn(f"{what}; left out", stacklevel=2)


def _kept(filed: Filed, readable: set[Path]) -> Filed:
    kept = [number for number, path in enumerate(filed.paths) if path in readable]
    return Filed([filed.paths[number] for number in kept], [filed.targets[number] for number in kept])


def _check_left(folder: Path, train: Filed, names: Sequence[str]) -> None:
    empty = [name for number, name in enumerate(names) if number not in set(train.targets)]
    if empty:
        raise DataError(f"{folder}: no image of class {empty[0]} can be read; mend one, or delete the folder")


def _pixels(path: Path, made: Format) -> Tensor:
    """An image as bytes [c, h, w]."""
    with Image.open(path) as image:
        shown = image.convert(made.mode)
    if (shown.height, shown.width) != made.size:
        shown = shown.resize(made.size[::-1], Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(shown))
    return pixels.unsqueeze(0) if made.mode == "L" else pixels.permute(2, 0, 1)


def _samples(paths: Sequence[Path], made: Format, moments: tuple[list[float], list[float]]) -> Tensor:
    """The images as float32 [n, c, h, w]; read when they are used where they would be large."""
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in moments)

    def read(rows: Tensor) -> Tensor:
        images = torch.empty(len(rows), *made.shape)
        for place, row in enumerate(rows.tolist()):
            images[place] = (_reread(paths[row], made).float() / 255 - mean) / deviation
        return images

    every = torch.arange(len(paths))
    if 4 * len(paths) * int(np.prod(made.shape)) > stored.HELD_BYTES:
        return StoredSamples(read, every, made.shape, torch.float32)
    return read(every)


def _reread(path: Path, made: Format) -> Tensor:
    """An image that could be read when the run began."""
    try:
        return _pixels(path, made)
    except OSError as error:
        raise DataError(f"{path}: cannot be read any more: {error}; put it back as it was") from error
