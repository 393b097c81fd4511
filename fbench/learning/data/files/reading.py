"""What a user brings, read by what it is."""

from __future__ import annotations

from fbench.learning.data.brought import Brought
from fbench.learning.data.files.features import read_features
from fbench.learning.data.files.folders import read_image_folder
from fbench.learning.data.images import Images


def read_brought(brought: Brought) -> Images:
    """Read a folder of images or a file of features; it is held to no rule yet but those of its format.

    Raises:
        DataError: what is missing, damaged or not what it says it is, by its path.
    """
    return read_image_folder(brought) if brought.name == "images" else read_features(brought)
