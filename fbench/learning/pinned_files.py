"""Files that belong to a run: the SHA-256 of each stands behind its path, and every process that reads it compares.

So another file under the same name is not taken for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fbench.errors import DataError
from fbench.harness.inputs import refusal_of

__all__ = ["checked_bytes", "hold_files", "opened", "pin", "read_files", "unpinned"]

_MARK = "#sha256-"
"""Between a file's path and the digest of what was in it, in a run's options."""
_sent: dict[str, bytes] = {}
"""What files hold that another machine has read for this process, by path."""


def unpinned(text: str) -> tuple[str, str]:
    """The path, and the digest where there is one.

    Example:
        >>> unpinned("weights.pt#sha256-36a1"), unpinned("weights.pt")
        (('weights.pt', '36a1'), ('weights.pt', ''))
    """
    name, _, digest = text.partition(_MARK)
    return name, digest


def pin(option: str, text: str, remedy: str) -> str:
    """The path with the SHA-256 of the file behind it; what is pinned already is held to its digest.

    Args:
        option: how a message begins.
        text: a path, or what this gave for it.
        remedy: what to do where there is no such file.

    Raises:
        DataError: no such file, or one that has changed.
    """
    name, digest = unpinned(text)
    with opened(option, name, remedy) as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    _compare(option, name, digest, actual)
    return f"{name}{_MARK}{actual}"


def checked_bytes(option: str, text: str, remedy: str) -> bytes:
    """What a small file holds, once it is the one that was pinned.

    Raises:
        DataError: as ``pin``.
    """
    name, digest = unpinned(text)
    with opened(option, name, remedy) as file:
        data = file.read()
    _compare(option, name, digest, hashlib.sha256(data).hexdigest())
    return data


@contextlib.contextmanager
def opened(option: str, name: str, remedy: str) -> Iterator[io.BufferedReader | io.BytesIO]:
    """The file of a path, from its beginning.

    Raises:
        DataError: no such file, or one that cannot be read.
    """
    if name in _sent:
        yield io.BytesIO(_sent[name])
        return
    if refusal := refusal_of(Path(name)):
        raise DataError(f"{option} {name}: {refusal}; {remedy}")
    try:
        with Path(name).open("rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"{option} {name}: cannot be read: {error.strerror or error}; {remedy}") from error


def read_files(paths: Iterable[str]) -> dict[str, bytes]:
    """What the files hold, by path."""
    return {path: Path(path).read_bytes() for path in paths}


def hold_files(files: Mapping[str, bytes]) -> None:
    """Have the files, by path, in this process: they are read from here, wherever they lie."""
    _sent.update(files)


def _compare(option: str, name: str, digest: str, actual: str) -> None:
    if digest not in ("", actual):
        raise DataError(f"{option} {name}: the file is not the one that the run began with; put that back")
