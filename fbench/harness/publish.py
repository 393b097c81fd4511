"""A file that appears whole or not at all, and takes nobody's place unless that was asked for.

The bytes are written to a file beside, flushed to the disk, and only then given the name: by a hard link, which fails
where something has the name already, or by a rename where it is to be replaced. A symbolic link that has the name is
never followed: it is in the way, or it is what gets replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from fbench.harness.disk import sync_folder

_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV}
"""What file systems without hard links (FAT, some network and user-space ones) answer to one."""


def publish(path: Path, data: bytes | str, *, replace: bool = False) -> None:
    """Give ``data`` the name ``path``, whole and on the disk; text is written as UTF-8, its newlines as they are.

    Of several that publish under one name at once, without ``replace`` exactly one does not raise.

    Raises:
        FileExistsError: something has the name, a broken symbolic link included, and it is not to be replaced.
        OSError: the disk is full, the folder may not be written, a folder has the name, …; nothing has changed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     publish(Path(folder, "a.txt"), "one")
        ...     publish(Path(folder, "a.txt"), "two", replace=True)
        ...     Path(folder, "a.txt").read_text()
        'two'
    """
    with _beside(path.parent, data.encode() if isinstance(data, str) else data) as written:
        if replace:
            written.replace(path)
        else:
            _take_name(written, path)
    sync_folder(path.parent)


def publish_as_free(path: Path, data: bytes | str) -> Path:
    """Publish under the first free one of ``picks.csv``, ``picks-2.csv``, ``picks-3.csv``, …; gives the name.

    Raises:
        OSError: as ``publish`` does, but where a name is taken.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [publish_as_free(Path(folder, "picks.csv"), "…").name for _ in range(3)]
        ['picks.csv', 'picks-2.csv', 'picks-3.csv']
    """
    free, number = path, 1
    while True:
        try:
            publish(free, data)
            return free
        except FileExistsError:
            number += 1
            free = path.with_name(f"{path.stem}-{number}{path.suffix}")


@contextlib.contextmanager
def _beside(folder: Path, data: bytes) -> Iterator[Path]:
    """A new file with these bytes, on the disk; gone afterwards, unless it was given another name."""
    path = folder / f".fbench-{secrets.token_hex(8)}.new"
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _take_name(written: Path, path: Path) -> None:
    """Name a file that is written, unless something has the name."""
    try:
        os.link(written, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The name is taken by an empty file, then by the whole one: a kill in between leaves the empty one.
        path.open("xb").close()
        try:
            written.replace(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise
