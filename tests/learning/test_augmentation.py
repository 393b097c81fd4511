"""Flips and crops against torchvision's, and that a replica's views are its own."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import functional

from fbench.errors import InputError
from fbench.learning.augmentation import augmented, check_images, draw_views


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 12)])
def test_views_are_padded_cropped_and_mirrored_images(height: int, width: int) -> None:
    m, margin = 24, 3
    images = torch.rand(m, 2, height, width, generator=generator(0))
    flips = torch.rand(m, generator=generator(1)) < 0.5
    shifts = torch.randint(-margin, margin + 1, (m, 2), generator=generator(2))
    views = augmented(images, flips, shifts)
    for image, flip, (down, right), view in zip(images, flips, shifts.tolist(), views, strict=True):
        cut = functional.crop(functional.pad(image, [margin]), margin + down, margin + right, height, width)
        assert torch.equal(view, functional.hflip(cut) if flip else cut)


def test_no_view_is_the_image() -> None:
    images = torch.rand(3, 1, 4, 4)
    assert torch.equal(
        augmented(images, torch.zeros(3, dtype=torch.bool), torch.zeros(3, 2, dtype=torch.int64)), images
    )


def test_a_replicas_views_do_not_depend_on_the_others() -> None:
    both = draw_views([generator(3), generator(4)], epochs=5, samples=40, side=32)
    one = draw_views([generator(4)], epochs=5, samples=40, side=32)
    assert torch.equal(both.flips[:, :, 1:], one.flips)
    assert torch.equal(both.shifts[:, :, 1:], one.shifts)
    assert both.shifts.unique().tolist() == list(range(-4, 5))
    assert 0.4 < both.flips.double().mean() < 0.6


def test_small_images_move_by_a_pixel() -> None:
    assert draw_views([generator(0)], epochs=1, samples=99, side=5).shifts.unique().tolist() == [-1, 0, 1]


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"--augment flips and crops images \[n, c, h, w\].*shape \[n, 512\]; leave it"
    ):
        check_images((512,))
