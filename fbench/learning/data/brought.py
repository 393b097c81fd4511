"""What a user brings: a folder of images or a file of features, and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fbench.errors import DataError, UsageError
from fbench.harness.registry import dataset
from fbench.learning.data.images import Images

__all__ = ["DEFAULT_DATASET", "NOTHING", "Brought"]


DEFAULT_DATASET = "digits"
"""What is taken where nothing is named, and nothing brought."""


@dataclass(frozen=True)
class Brought:
    """Paths as typed, and how what is there is read.

    Attributes:
        images: a folder with a folder a class.
        features: a .npz, .npy, .parquet or .csv.
        targets: a .npy or .npz of the classes, where the file of features has none.
        target_column: their column or array; empty for ``target`` in a table and ``targets`` among arrays.
        id_column: of the samples' ids; empty for ``id`` and ``ids``, if there is one.
        metadata_columns: of a table, carried along and no features.
        scale: ``standard`` for columns of mean 0 and variance 1, ``none`` for numbers as they are.
        image_size: height and width that images are resized to.
        skip_corrupt: leave images out that cannot be read.
    """

    images: str = ""
    features: str = ""
    targets: str = ""
    target_column: str = ""
    id_column: str = ""
    metadata_columns: tuple[str, ...] = ()
    scale: str = "standard"
    image_size: tuple[int, int] | None = None
    skip_corrupt: bool = False

    @property
    def name(self) -> str:
        """The data set's name; empty where nothing is brought.

        Raises:
            UsageError: both a folder and a file.
        """
        if self.images and self.features:
            raise UsageError(f"--images {self.images} and --features {self.features}: give one of them")
        if self.targets and not self.features:
            raise UsageError(f"--targets {self.targets} belongs to --features FILE; give both, or neither")
        return "images" if self.images else "features" if self.features else ""

    @property
    def path(self) -> Path:
        """The folder, or the file."""
        return Path(self.images or self.features)


NOTHING = Brought()


@dataset("images", "your own images, a folder a class: --images FOLDER", in_folder=False)
def _images(folder: Path | None, download: bool) -> Images:
    raise DataError("data set images is read from a folder; give --images FOLDER")


@dataset("features", "your own features and classes, .npz, .npy, .parquet or .csv: --features FILE", in_folder=False)
def _features(folder: Path | None, download: bool) -> Images:
    raise DataError("data set features is read from a file; give --features FILE")
