"""Folders of images: classes by folder, pixels as Pillow has them, and every mistake named by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fbench.errors import DataError
from fbench.learning.data import Images
from fbench.learning.data.brought import Brought
from fbench.learning.data.files import folders, stored
from fbench.learning.data.files.reading import read_brought
from fbench.stored_samples import StoredSamples

SIZE = (6, 4)  # height × width


def picture(path: Path, seed: int, size: tuple[int, int] = SIZE, mode: str = "RGB") -> np.ndarray[Any, Any]:
    """Write an image; gives its pixels."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "I;16": ()}[mode]
    dtype = np.uint16 if mode == "I;16" else np.uint8
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, *channels)).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, of five and of three images."""
    for number in range(8):
        picture(tmp_path / "mine" / ("ant" if number < 5 else "bee") / f"{number}.png", number)
    (tmp_path / "mine" / "ant" / "notes.txt").write_text("no image")
    return tmp_path / "mine"


def read(folder: Path, **more: Any) -> Images:
    return read_brought(Brought(images=str(folder), **more))


def test_a_folder_a_class(folder: Path) -> None:
    images = read(folder)
    raw = torch.stack([torch.from_numpy(np.array(Image.open(path))) for path in sorted(folder.rglob("*.png"))])
    x = raw.permute(0, 3, 1, 2).double() / 255
    mean, deviation = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), correction=0, keepdim=True)
    assert images.images.shape == (8, 3, *SIZE)
    assert torch.allclose(images.images, ((x - mean) / deviation).float(), atol=1e-5)
    assert images.targets.tolist() == [0] * 5 + [1] * 3
    assert (images.classes, images.class_names, images.test_images) == (2, ("ant", "bee"), None)
    assert images.records.of(5) == {"id": "bee/5.png", "metadata": None}


def test_train_and_test(folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "both" / "train" / "ab"[number % 2] / f"{number}.png", number, mode="L")
    picture(tmp_path / "both" / "test" / "b" / "9.png", 9, mode="L")
    images = read(tmp_path / "both")
    assert images.images.shape == (3, 1, *SIZE)
    assert images.test_images is not None
    assert images.test_images.shape == (1, 1, *SIZE)
    assert images.test_targets is not None
    assert (images.targets.tolist(), images.test_targets.tolist()) == ([0, 0, 1], [1])
    assert images.records.ids == ["train/a/0.png", "train/a/2.png", "train/b/1.png"]
    assert images.test_records.ids == ["test/b/9.png"]


@pytest.mark.parametrize(("modes", "channels"), [(("L", "L"), 1), (("L", "RGB"), 3), (("RGB", "RGBA"), 3)])
def test_grey_only_where_all_are(modes: tuple[str, str], channels: int, tmp_path: Path) -> None:
    for name, mode in zip("ab", modes, strict=True):
        picture(tmp_path / name / "1.png", 1, mode=mode)
    assert read(tmp_path).images.shape == (2, channels, *SIZE)


def test_images_are_resized(folder: Path) -> None:
    picture(folder / "ant" / "wide.png", 1, (4, 9))
    with pytest.raises(DataError, match=r"wide.png: is 4 × 9, and 0.png 6 × 4 \(height × width\); .*--image-size"):
        read(folder)
    assert read(folder, image_size=(5, 7)).images.shape == (9, 3, 5, 7)


def test_what_is_large_is_read_when_it_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = read(folder)
    monkeypatch.setattr(stored, "HELD_BYTES", 100)
    kept = read(folder)
    assert isinstance(kept.images, StoredSamples)
    assert torch.equal(kept.images[[6, 1]], held.images[[6, 1]])
    assert torch.equal(kept.images[:], held.images)
    (folder / "ant" / "1.png").write_bytes(b"gone bad")
    with pytest.raises(DataError, match=r"1.png: cannot be read any more: .*; put it back as it was"):
        kept.images[1]


def test_moments_are_those_of_a_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_SAMPLED", 4)
    few = read(folder).images[::2]
    assert few.mean((0, 2, 3)).abs().max() < 1e-5


def test_a_corrupt_image_is_named_and_left_out_only_when_asked(folder: Path) -> None:
    path = folder / "ant" / "2.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"ant/2.png: cannot be read as an image: .* by --skip-corrupt"):
        read(folder)
    with pytest.warns(UserWarning, match=r"ant/2.png: cannot be read as an image: .*; left out"):
        images = read(folder, skip_corrupt=True)
    assert (len(images.images), images.targets.bincount().tolist()) == (7, [4, 3])
    assert "ant/2.png" not in images.records.ids


def test_another_file_is_other_contents(folder: Path) -> None:
    before = read(folder).contents
    assert read(folder).contents == before
    (folder / "bee" / "7.png").rename(folder / "bee" / "8.png")
    assert read(folder).contents != before


def no_folder(folder: Path) -> Path:
    return folder / "nowhere"


def a_file(folder: Path) -> Path:
    return folder / "ant" / "notes.txt"


def one_class(folder: Path) -> Path:
    return with_folder("x/ant")(folder) / "x"


def with_folder(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).mkdir(parents=True)
        return folder

    return make


def strange_test(folder: Path) -> Path:
    for name in ("train/a/1.png", "train/b/1.png", "test/zebra/1.png"):
        picture(folder / "parts" / name, 1)
    return folder / "parts"


def empty_test(folder: Path) -> Path:
    (strange_test(folder) / "test/zebra/1.png").unlink()
    (folder / "parts/test/zebra").rmdir()
    return folder / "parts"


def sixteen_bits(folder: Path) -> Path:
    picture(folder / "bee" / "deep.png", 1, mode="I;16")
    return folder


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (no_folder, r"--images .*nowhere: no such folder; give a folder"),
        (a_file, r"--images .*notes.txt: is a file; give a folder"),
        (one_class, r"has 1 folders of images; give one for each of at least 2 classes"),
        (with_folder("cat"), r"mine/cat: holds no image; fill it, or delete it"),
        (with_folder("train"), r"mine: has ant, bee beside train; give a folder a class, or train and test alone"),
        (strange_test, r"test/zebra: is of a class that train has no folder of; move some of its images to train"),
        (empty_test, r"parts/test: holds no image; fill it, or delete it"),
        (sixteen_bits, r"deep.png: is of Pillow's mode I;16; save it with 8 bits a channel"),
    ],
)
def test_folders_that_cannot_be_are_refused(make: Callable[[Path], Path], match: str, folder: Path) -> None:
    with pytest.raises(DataError, match=match):
        read(make(folder))


def test_a_folder_that_may_not_be_listed_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", forbidden)
    with pytest.raises(DataError, match=r"mine: cannot be listed: Permission denied; allow it to be read"):
        read(folder)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_what_is_left_must_hold_every_class(folder: Path) -> None:
    for path in (folder / "bee").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"mine: no image of class bee can be read; mend one, or delete the folder"):
        read(folder, skip_corrupt=True)
    for path in (folder / "ant").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"mine: no image in it can be read"):
        read(folder, skip_corrupt=True)
