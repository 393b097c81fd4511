"""torchvision's data sets of small images, every file held to its published checksum before anything else is read.

Images are uint8 [n, c, h, w] as stored; they are handed on as (value/255 − mean) / deviation per channel, by the
published numbers where there are some, else by those of all training images, which no subset moves.
"""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fbench.errors import DataError
from fbench.harness.registry import DATASETS, Dataset
from fbench.learning.data.images import Images

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CIFAR10_MEAN", "CIFAR10_STD", "cifar10"]

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
"""Means and deviations of red, green and blue in the 50,000 training images, 0 to 1."""


class PublishedFile(NamedTuple):
    """A file below the folder of data sets, and its published MD5 checksum."""

    path: str
    md5: str


class Archive(Protocol):
    """How one of torchvision's data sets is kept: by files of its own making, in a folder of its own."""

    @property
    def home(self) -> str:
        """The folder, below that of all data sets."""

    def files(self) -> list[PublishedFile]:
        """What must be there."""

    def fetch(self, folder: Path) -> None:
        """Download what is not, or is not what was published."""

    def part(self, folder: Path, train: bool) -> tuple[Tensor, Tensor]:
        """Images, uint8 [n, c, h, w], and their targets [n]."""


def _torchvision(name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, name)


@dataclass(frozen=True)
class _Cifar:
    """CIFAR: an archive of pickled batches, which are opened only once their checksums are right."""

    source: str
    home: str

    def files(self) -> list[PublishedFile]:
        kind = _torchvision(self.source)
        listed = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        return [PublishedFile(f"{self.home}/{name}", md5) for name, md5 in listed]

    def fetch(self, folder: Path) -> None:
        _torchvision(self.source)(folder, train=True, download=True)

    def part(self, folder: Path, train: bool) -> tuple[Tensor, Tensor]:
        import torch

        kept = _torchvision(self.source)(folder, train=train)
        return torch.from_numpy(kept.data).permute(0, 3, 1, 2), torch.tensor(kept.targets, dtype=torch.int64)


@dataclass(frozen=True)
class _Mnist:
    """MNIST and its kin: four gzipped IDX files, read as they were published, never as somebody unpacked them."""

    source: str

    @property
    def home(self) -> str:
        return f"{self.source}/raw"

    def files(self) -> list[PublishedFile]:
        return [PublishedFile(f"{self.home}/{name}", md5) for name, md5 in _torchvision(self.source).resources]

    def fetch(self, folder: Path) -> None:
        kind = _torchvision(self.source)
        for name, md5 in kind.resources:
            _download([f"{mirror}{name}" for mirror in kind.mirrors], folder / self.home, name, md5)

    def part(self, folder: Path, train: bool) -> tuple[Tensor, Tensor]:
        start = "train" if train else "t10k"
        images, targets = (
            _idx((folder / self.home / f"{start}-{what}-ubyte.gz").read_bytes())
            for what in ("images-idx3", "labels-idx1")
        )
        return images.unsqueeze(1), targets.long()


@dataclass(frozen=True)
class _Emnist:
    """EMNIST: one archive of gzipped IDX files whose pictures lie on their side; ``split`` is one of its six."""

    split: str
    home: str = "EMNIST/raw"

    def files(self) -> list[PublishedFile]:
        return [PublishedFile(f"{self.home}/gzip.zip", _torchvision("EMNIST").md5)]

    def fetch(self, folder: Path) -> None:
        kind = _torchvision("EMNIST")
        _download([kind.url], folder / self.home, "gzip.zip", kind.md5)

    def part(self, folder: Path, train: bool) -> tuple[Tensor, Tensor]:
        start = f"gzip/emnist-{self.split}-{'train' if train else 'test'}"
        with zipfile.ZipFile(folder / self.home / "gzip.zip") as archive:
            images, targets = (
                _idx(archive.read(f"{start}-{what}-ubyte.gz")) for what in ("images-idx3", "labels-idx1")
            )
        return images.transpose(1, 2).unsqueeze(1), targets.long()


@dataclass(frozen=True)
class _Svhn:
    """SVHN: two files of Matlab's."""

    home: str = "."

    def files(self) -> list[PublishedFile]:
        return [PublishedFile(name, md5) for _, name, md5 in self._parts()]

    def fetch(self, folder: Path) -> None:
        for url, name, md5 in self._parts():
            _download([url], folder, name, md5)

    def part(self, folder: Path, train: bool) -> tuple[Tensor, Tensor]:
        import torch

        kept = _torchvision("SVHN")(folder, split="train" if train else "test")
        return torch.from_numpy(kept.data), torch.from_numpy(kept.labels).long()

    def _parts(self) -> Iterator[Sequence[str]]:
        listed = _torchvision("SVHN").split_list
        return (listed[part] for part in ("train", "test"))


def _idx(packed: bytes) -> Tensor:
    """A gzipped IDX array of bytes: two zeros, the type, how many axes, their lengths as big-endian int32, the values.

    The format is described with MNIST (LeCun, Cortes and Burges).

    Example:
        >>> _idx(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))).tolist()
        [7, 9]
    """
    import numpy as np
    import torch

    data = gzip.decompress(packed)
    axes = data[3]
    lengths = np.frombuffer(data, ">i4", axes, 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(values.reshape(lengths).copy())


def _download(urls: Sequence[str], folder: Path, name: str, md5: str) -> None:
    """Fetch a file from the first of its addresses that gives it; one that is there and right stays."""
    from torchvision.datasets.utils import download_url

    for number, url in enumerate(urls, 1):
        try:
            download_url(url, folder, name, md5)
        except (OSError, RuntimeError):
            if number == len(urls):
                raise
        else:
            return


def load_published(
    name: str, archive: Archive, megabytes: int, folder: Path | None, download: bool, moments: Any = None
) -> Images:
    """Read one of them.

    Args:
        name: as registered.
        archive: how it is kept.
        megabytes: of a download.
        folder: holds, or is to hold, its files.
        download: fetch the files that are missing or corrupt.
        moments: means and deviations of the channels, where they are published.

    Raises:
        DataError: no folder given, a file missing or not what was published, a download that failed.
    """
    if folder is None:
        raise DataError(
            f"{name} needs a folder: give --data-dir FOLDER or set FBENCH_DATA_DIR; "
            f"add --download to fetch it there ({megabytes} MB)"
        )
    folder = Path(folder)
    if download:
        _fetch(name, archive, folder)
    for file in archive.files():
        _check_file(name, archive, folder / file.path, file.md5)
    train, targets = archive.part(folder, True)
    test, test_targets = archive.part(folder, False)
    mean, deviation = moments or channel_moments(train)
    images, test_images = (_standardised(raw, mean, deviation) for raw in (train, test))
    return Images(name, images, targets, int(targets.max()) + 1, test_images, test_targets)


def _fetch(name: str, archive: Archive, folder: Path) -> None:
    try:
        archive.fetch(folder)
    except (OSError, RuntimeError) as error:  # no network, no room, a broken archive
        raise DataError(
            f"{name} could not be downloaded into {folder}: {error}; check the network and the folder, or "
            f"put its files into {folder / archive.home} by hand"
        ) from error


def _check_file(name: str, archive: Archive, path: Path, checksum: str) -> None:
    """Hold a file to its MD5 checksum; torchvision itself would not say which one failed."""
    if not path.is_file():
        raise DataError(
            f"{name}: {path} is missing; point --data-dir or FBENCH_DATA_DIR at the folder that holds "
            f"{archive.home if archive.home != '.' else path.name}, or add --download"
        )
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "md5").hexdigest()
    if actual != checksum:
        raise DataError(
            f"{name}: {path} is corrupt: its MD5 checksum is {actual}, not {checksum} as published; "
            "delete it and run again with --download"
        )


def channel_moments(raw: Tensor) -> tuple[list[float], list[float]]:
    """Mean and deviation of every channel of bytes [n, c, h, w], 0 to 1, exact: from how often every value occurs.

    A channel of one value has a deviation of 1.

    Example:
        >>> import torch
        >>> channel_moments(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        ([0.5], [0.5])
    """
    import torch

    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in range(raw.shape[1]):
        counts = torch.bincount(raw[:, channel].flatten(), minlength=256).double()
        mean = float((counts * values).sum() / counts.sum())
        means.append(mean)
        deviations.append(float((counts * (values - mean).square()).sum() / counts.sum()) ** 0.5 or 1.0)
    return means, deviations


def _standardised(raw: Tensor, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
    """Bytes [n, c, h, w] as float32, in one pass."""
    import torch

    images = torch.empty(raw.shape, dtype=torch.float32).copy_(raw).div_(255)
    return images.sub_(torch.tensor(mean).view(-1, 1, 1)).div_(torch.tensor(deviation).view(-1, 1, 1))


def cifar10(folder: Path | None, download: bool) -> Images:
    """CIFAR-10 through torchvision, (value/255 − ``CIFAR10_MEAN``) / ``CIFAR10_STD`` per channel.

    Args:
        folder: holds, or is to hold, ``cifar-10-batches-py``.
        download: fetch the files that are missing or corrupt.

    Raises:
        DataError: as ``load_published``.
    """
    archive = _Cifar("CIFAR10", "cifar-10-batches-py")
    return load_published("cifar10", archive, 170, folder, download, (CIFAR10_MEAN, CIFAR10_STD))


def _loader(name: str, archive: Archive, megabytes: int) -> Callable[[Path | None, bool], Images]:
    def load(folder: Path | None, download: bool) -> Images:
        return load_published(name, archive, megabytes, folder, download)

    return load


_OTHERS: dict[str, tuple[Archive, int, str]] = {
    "mnist": (_Mnist("MNIST"), 12, "MNIST: 60,000 + 10,000 handwritten digits of 28×28 pixels"),
    "fashion-mnist": (_Mnist("FashionMNIST"), 31, "Fashion-MNIST: 60,000 + 10,000 garments of 28×28 pixels"),
    "kmnist": (_Mnist("KMNIST"), 21, "KMNIST: 60,000 + 10,000 Japanese letters of 28×28 pixels"),
    "emnist": (_Emnist("balanced"), 562, "EMNIST, balanced: 112,800 + 18,800 letters and digits of 28×28, 47 classes"),
    "svhn": (_Svhn(), 246, "SVHN: 73,257 + 26,032 house numbers of 32×32 pixels"),
    "cifar100": (_Cifar("CIFAR100", "cifar-100-python"), 169, "CIFAR-100: 50,000 + 10,000 of 32×32, 100 classes"),
}
"""By name: how it is kept, the megabytes of a download, and the line of ``fbench list``."""

DATASETS.add(Dataset("cifar10", "CIFAR-10: 50,000 + 10,000 photographs of 32×32 pixels, from --data-dir", cifar10))
for _name, (_archive, _megabytes, _line) in _OTHERS.items():
    DATASETS.add(Dataset(_name, f"{_line}, from --data-dir", _loader(_name, _archive, _megabytes)))
