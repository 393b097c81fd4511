"""Flips and crops of training images (He et al. 2016, section 4.2): another view of every image in every epoch.

An image is mirrored with probability ½, and cut out anew from itself with an eighth of its side as black margin around
it (4 pixels of 32). Only training sees views; what is measured or selected on are the images themselves. Layout: views
are drawn for epochs E, images n and replicas S, and applied to images [m, c, h, w].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fbench.errors import InputError

__all__ = ["Views", "augmented", "check_images", "draw_views"]

_MARGIN = 8
"""One in so many pixels of a side may be lost at either end."""


class Views(NamedTuple):
    """Draws for every epoch, image and replica.

    Attributes:
        flips: [E, n, S] bool: mirrored left to right.
        shifts: [E, n, S, 2] int64: rows down and columns right by which the window moves.
    """

    flips: Tensor
    shifts: Tensor


def check_images(shape: Sequence[int]) -> None:
    """Refuse inputs that cannot be flipped and cropped.

    Raises:
        InputError: they are no images.

    Example:
        >>> check_images((3, 32, 32))
    """
    if len(shape) != 3:
        raise InputError(
            f"--augment flips and crops images [n, c, h, w], and inputs have shape [n, {', '.join(map(str, shape))}]; "
            "leave it out"
        )


def draw_views(generators: Sequence[torch.Generator], epochs: int, samples: int, side: int) -> Views:
    """Draw the views of images of a side: each replica's from a generator of its own, so that none moves another's.

    Example:
        >>> views = draw_views([torch.Generator().manual_seed(0)], epochs=2, samples=3, side=32)
        >>> views.flips.shape, views.shifts.shape, int(views.shifts.abs().max()) <= 4
        (torch.Size([2, 3, 1]), torch.Size([2, 3, 1, 2]), True)
    """
    margin = max(1, side // _MARGIN)
    flips = [torch.rand(epochs, samples, generator=g) < 0.5 for g in generators]
    shifts = [torch.randint(-margin, margin + 1, (epochs, samples, 2), generator=g) for g in generators]
    return Views(torch.stack(flips, dim=2), torch.stack(shifts, dim=2))


def augmented(images: Tensor, flips: Tensor, shifts: Tensor) -> Tensor:
    """Views of the images: each window moved, with black where it leaves its image, then mirrored where it flips.

    Args:
        images: [m, c, h, w].
        flips: [m] bool.
        shifts: [m, 2], rows and columns.

    Example:
        >>> image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> augmented(image, torch.tensor([False]), torch.tensor([[1, 0]]))[0, 0].tolist()
        [[3.0, 4.0], [0.0, 0.0]]
        >>> augmented(image, torch.tensor([True]), torch.tensor([[0, 0]]))[0, 0].tolist()
        [[2.0, 1.0], [4.0, 3.0]]
    """
    m, _, height, width = images.shape
    rows = torch.arange(height, device=images.device) + shifts[:, :1]
    columns = torch.arange(width, device=images.device)
    columns = torch.where(flips[:, None], width - 1 - columns, columns) + shifts[:, 1:]
    inside = _within(rows, height)[:, :, None] & _within(columns, width)[:, None, :]
    sample = torch.arange(m, device=images.device)[:, None, None]
    at = rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    cut = images.permute(0, 2, 3, 1)[sample, at[0], at[1]] * inside[..., None]
    return cut.permute(0, 3, 1, 2)


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)
