"""torchvision's data sets: read from files of their own format, held to their checksums, never fetched unasked."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets

from fbench.errors import DataError
from fbench.harness.registry import DATASETS
from fbench.learning import data
from fbench.learning.data.published import channel_moments

CIFAR_FOLDER = Path(os.environ.get("FBENCH_DATA_DIR", "/nonexistent"))
needs_cifar = pytest.mark.skipif(
    not (CIFAR_FOLDER / "cifar-10-batches-py").is_dir(), reason="FBENCH_DATA_DIR holds no CIFAR-10"
)
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 4, 6), dtype=np.uint8)
LABELS = np.arange(10, dtype=np.uint8) % 3


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """A gzipped IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(head + array.tobytes())


def kept(path: Path, content: bytes) -> str:
    """Write a file; gives its MD5 checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()


Publish = Callable[[Path, pytest.MonkeyPatch], None]
"""Writes a small edition of a data set into a folder, and puts its checksums in the place of the published ones."""


def publish_mnist(source: str) -> Publish:
    def publish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home, listed = folder / source / "raw", []
        for part, rows in (("train", slice(0, 6)), ("t10k", slice(6, 10))):
            for what, array in (("images-idx3", PIXELS[rows]), ("labels-idx1", LABELS[rows])):
                name = f"{part}-{what}-ubyte.gz"
                listed.append((name, kept(home / name, idx(array))))
        monkeypatch.setattr(getattr(torchvision.datasets, source), "resources", listed)

    return publish


def publish_emnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "EMNIST" / "raw" / "gzip.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for part, rows in (("train", slice(0, 6)), ("test", slice(6, 10))):
            lying = PIXELS[rows].transpose(0, 2, 1)
            archive.writestr(f"gzip/emnist-balanced-{part}-images-idx3-ubyte.gz", idx(lying))
            archive.writestr(f"gzip/emnist-balanced-{part}-labels-idx1-ubyte.gz", idx(LABELS[rows]))
    monkeypatch.setattr(torchvision.datasets.EMNIST, "md5", hashlib.md5(path.read_bytes()).hexdigest())


def publish_svhn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {}
    folder.mkdir(exist_ok=True)
    for part, rows in (("train", slice(0, 6)), ("test", slice(6, 10))):
        path = folder / f"{part}_32x32.mat"
        labels = np.where(LABELS[rows] == 0, 10, LABELS[rows])  # as published: a 0 is of class 10
        scipy.io.savemat(path, {"X": PIXELS[rows, :, :, None].transpose(1, 2, 3, 0), "y": labels[:, None]})
        listed[part] = ["http://nowhere", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", {**listed, "extra": listed["test"]})


def publish_cifar100(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, source = folder / "cifar-100-python", torchvision.datasets.CIFAR100
    raw = np.random.default_rng(0).integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)
    for part, rows in (("train", slice(0, 6)), ("test", slice(6, 10))):
        entry = {"data": raw[rows].reshape(-1, 3072), "fine_labels": LABELS[rows].tolist()}
        monkeypatch.setattr(source, f"{part}_list", [[part, kept(home / part, pickle.dumps(entry))]])
    meta = kept(home / "meta", pickle.dumps({"fine_label_names": ["a", "b", "c"]}))
    monkeypatch.setattr(source, "meta", {"filename": "meta", "key": "fine_label_names", "md5": meta})


EDITIONS: dict[str, Publish] = {
    "mnist": publish_mnist("MNIST"),
    "fashion-mnist": publish_mnist("FashionMNIST"),
    "kmnist": publish_mnist("KMNIST"),
    "emnist": publish_emnist,
    "svhn": publish_svhn,
    "cifar100": publish_cifar100,
}


@pytest.mark.parametrize("name", EDITIONS)
def test_a_published_set_is_read_and_standardised(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EDITIONS[name](tmp_path, monkeypatch)
    images = DATASETS.get(name).load(tmp_path, False)
    assert (images.name, images.classes) == (name, 3)
    assert images.targets.tolist() == LABELS[:6].tolist()
    assert images.test_targets.tolist() == LABELS[6:].tolist()
    assert images.images.shape[0] == 6
    assert images.images.mean((0, 2, 3)).abs().max() < 1e-5
    assert (images.images.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5
    if name != "cifar100":
        whole = torch.cat([images.images, images.test_images]).squeeze(1)
        pixels = torch.from_numpy(PIXELS).float()
        assert torch.allclose(whole, (pixels - pixels[:6].mean()) / pixels[:6].std(correction=0), atol=1e-5)


@pytest.mark.parametrize("name", EDITIONS)
def test_a_changed_file_is_named_before_any_is_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EDITIONS[name](tmp_path, monkeypatch)
    last = sorted(path for path in tmp_path.rglob("*") if path.is_file())[-1]
    last.write_bytes(last.read_bytes() + b" ")
    with pytest.raises(DataError, match=f"{name}: {last} is corrupt: its MD5 checksum is .*; delete it and run again"):
        DATASETS.get(name).load(tmp_path, False)
    last.unlink()
    with pytest.raises(DataError, match=f"{name}: {last} is missing; point --data-dir or FBENCH_DATA_DIR"):
        DATASETS.get(name).load(tmp_path, False)


@pytest.mark.parametrize("name", ["kmnist", "emnist", "svhn"])
def test_missing_files_are_fetched_only_when_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    EDITIONS[name](tmp_path / "there", monkeypatch)
    fetched = []

    def fetch(url: str, folder: Path, name: str, md5: str) -> None:
        fetched.append(url)
        source = next((tmp_path / "there").rglob(name))
        kept(Path(folder) / name, source.read_bytes())

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    with pytest.raises(DataError, match="is missing"):
        DATASETS.get(name).load(tmp_path / "here", False)
    assert fetched == []
    assert DATASETS.get(name).load(tmp_path / "here", True).classes == 3
    assert len(fetched) == len([path for path in (tmp_path / "there").rglob("*") if path.is_file()])


def test_every_mirror_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def unreachable(url: str, *_: object) -> None:
        tried.append(url)
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", unreachable)
    with pytest.raises(DataError, match=f"mnist could not be downloaded into {tmp_path}: no route to host; check the"):
        DATASETS.get("mnist").load(tmp_path, True)
    assert len(tried) == len(torchvision.datasets.MNIST.mirrors)


@pytest.mark.parametrize("name", [*EDITIONS, "cifar10"])
def test_a_published_set_needs_a_folder(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} needs a folder: give --data-dir FOLDER or set .*--download .* MB"):
        DATASETS.get(name).load(None, False)


def test_moments_are_those_of_the_pixels() -> None:
    raw = torch.from_numpy(PIXELS).reshape(5, 2, 4, 6)
    mean, deviation = channel_moments(raw)
    pixels = raw.double() / 255
    assert torch.allclose(torch.tensor(mean, dtype=torch.float64), pixels.mean((0, 2, 3)))
    assert torch.allclose(torch.tensor(deviation, dtype=torch.float64), pixels.std((0, 2, 3), correction=0))
    assert channel_moments(torch.zeros(2, 1, 3, 3, dtype=torch.uint8)) == ([0.0], [1.0])


def test_a_missing_cifar10_file_is_named(tmp_path: Path) -> None:
    missing = f"{tmp_path}/cifar-10-batches-py/data_batch_1 is missing; point --data-dir or FBENCH_DATA_DIR"
    with pytest.raises(DataError, match=missing):
        data.cifar10(tmp_path, False)


def test_a_corrupt_cifar10_file_is_named_with_its_checksum(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"not a picture")
    checksum = hashlib.md5(b"not a picture").hexdigest()
    with pytest.raises(DataError, match=f"data_batch_1 is corrupt: its MD5 checksum is {checksum}, not c99"):
        data.cifar10(tmp_path, False)


def test_a_failed_download_says_why_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CIFAR10

    def unreachable(self: CIFAR10) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(CIFAR10, "download", unreachable)
    with pytest.raises(DataError, match=f"not be downloaded into {tmp_path}: no route to host; check the"):
        data.cifar10(tmp_path, True)


@needs_cifar
def test_real_cifar10_is_whole_and_standardised() -> None:
    images = data.cifar10(CIFAR_FOLDER, False)
    assert images.images.shape == (50_000, 3, 32, 32)
    assert images.test_images is not None
    assert images.test_targets is not None
    assert images.test_images.shape == (10_000, 3, 32, 32)
    assert images.targets.bincount().tolist() == [5_000] * 10
    assert images.test_targets.bincount().tolist() == [1_000] * 10
    sample = images.images[::5].double()
    assert sample.mean((0, 2, 3)).abs().max() < 0.02
    assert (sample.std((0, 2, 3)) - 1).abs().max() < 0.02
    assert images.images.is_contiguous()
