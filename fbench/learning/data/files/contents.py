"""What files hold, as one SHA-256: a run knows by it that what it read is still there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from fbench.learning.data.files.stored import HELD_BYTES

_PART, _PARTS = 2**20, 64
"""Of a file that is not held in memory, so many bytes are read in so many places."""


def contents_of(path: Path) -> str:
    """The SHA-256 of a file; of one above ``HELD_BYTES`` that of its size and of 64 parts, spread from end to end.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a").write_bytes(b"abc")
        ...     contents_of(Path(folder, "a"))[:8]
        'ba7816bf'
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= HELD_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for number in range(_PARTS):
            file.seek(number * (size - _PART) // (_PARTS - 1))
            digest.update(file.read(_PART))
    return digest.hexdigest()


def names_and_sizes(folder: Path, paths: Iterable[Path]) -> str:
    """The SHA-256 of what the files of a folder are called and how long they are."""
    lines = (f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in paths)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
