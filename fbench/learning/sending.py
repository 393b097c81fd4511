"""What arms read from files, for processes on machines that lack them: data sets, weights, picks of others.

``--executor ray`` looks for ``paths_read`` on every machine, and has what is not there sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fbench.errors import UsageError
from fbench.learning import arms
from fbench.learning.arm_options import ArmOptions
from fbench.learning.named_files import path_of
from fbench.learning.pinned_files import hold_files, read_files, unpinned

if TYPE_CHECKING:
    from fbench.learning.data import Images

__all__ = ["Sent", "keep_sent", "paths_read", "read_to_send"]


class Sent(NamedTuple):
    """What the arms of a run read: a data set a setting, and other files by path."""

    images: tuple[Images, ...]
    files: dict[str, bytes]


def paths_read(options: ArmOptions, tables: Sequence[str] = ()) -> list[str]:
    """Files and folders that the arms read, and so ``tables`` of other programs; none of what is embedded.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> paths_read(SUITES.get("drift").typed()), paths_read(SUITES.get("drift").typed(features="mine.npz"))
        ([], ['mine.npz'])
    """
    named = (options.data_dir, options.images, options.features, options.targets)
    return [*filter(None, named), *_files(options, tables)]


def read_to_send(settings: Sequence[ArmOptions], tables: Sequence[str] = ()) -> Sent:
    """What the arms of all settings read.

    Raises:
        UsageError: a data set that no process holds in memory.
    """
    images = tuple(_held_images(options) for options in settings)
    return Sent(images, read_files(_files(settings[0], tables)))


def keep_sent(settings: Sequence[ArmOptions], sent: Sent) -> None:
    """Have in this process what another machine read for the same settings."""
    for options, images in zip(settings, sent.images, strict=True):
        arms.hold_images(options, images)
    hold_files(sent.files)


def _files(options: ArmOptions, tables: Sequence[str]) -> list[str]:
    weights = [unpinned(options.weights)[0]] if options.weights else []
    return [*weights, *map(path_of, (*arms.replayed_files(options), *tables))]


def _held_images(options: ArmOptions) -> Images:
    from fbench.stored_samples import StoredSamples

    images = arms.images_of(options)
    if isinstance(images.images, StoredSamples) or isinstance(images.test_images, StoredSamples):
        path = options.features or options.images
        raise UsageError(
            f"{path}: a machine of the cluster lacks it, and it is too large to be held in memory and sent; have it at "
            "the same path on every machine"
        )
    return images
