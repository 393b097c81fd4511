"""Files that outlive a kill and a power cut: written beside, flushed to the disk, renamed; no link is followed.

Every change that fbench makes to a run's folder goes through these few functions. JSON files of ours carry the SHA-256
of what they say, so that a damaged one is known for what it is.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fbench.errors import FolderError, shorten

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)

_NO_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}
"""What systems answer that open no folder (Windows) or cannot flush one, and folders that may not be read."""

_LONG_NAME = 500
"""Letters of a path that a message repeats whole."""

REMEDY = "restore it, or take another --out (--overwrite starts anew there, without its rows)"
"""What to do about a folder that lost what was committed."""


def write(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of whatever ``path`` names: a reader finds the old file or the new one, whole."""
    new = beside(path)
    write_beside(path, data)
    new.replace(path)
    sync_folder(path.parent)


def beside(path: Path) -> Path:
    """Where a file's next contents are prepared.

    Example:
        >>> beside(Path("run/state.json")).name
        'state.json.new'
    """
    return path.with_name(path.name + ".new")


def write_beside(path: Path, data: bytes) -> None:
    """Prepare the next contents of ``path``, flushed; a rename makes them its contents."""
    new = beside(path)
    with contextlib.suppress(FileNotFoundError):
        new.unlink()  # what a kill left there, or a link
    _put(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, 0o666), data)


def append(path: Path, start: int, data: bytes) -> None:
    """Cut ``path`` at ``start`` bytes, write ``data`` there and flush it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | _NOFOLLOW, 0o666)
    try:
        os.ftruncate(handle, start)
        os.lseek(handle, start, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    _put(handle, data)


def _put(handle: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or a link, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there, and flush their names: all in it hangs on them."""
    if path.parent.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    if not path.parent.is_dir():
        make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Have the disk keep which names are in a folder; nothing where the system has no such thing."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_FLUSH:
            return
        raise
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
    finally:
        os.close(handle)


def read_file(path: Path) -> bytes:
    """The bytes of a file, and of nothing else: a pipe would wait for ever, and a device never end.

    Raises:
        FileNotFoundError: there is none.
        FolderError: it is no file, or cannot be read.

    """
    try:
        if not path.is_file() and (path.exists() or path.is_symlink()):
            raise FolderError(f"{path} is no file; {REMEDY}")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror or error}; {REMEDY}") from error


def write_checked(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON with the SHA-256 of its other contents under ``sha256``."""
    checked = {**_plain(value), "sha256": digest(value)}
    write(path, (json.dumps(checked, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape"))


def read_checked(path: Path) -> dict[str, Any]:
    """Read JSON that ``write_checked`` wrote; a file from before it, without ``sha256``, as it is.

    Raises:
        FolderError: it cannot be read, is no JSON, or does not say what was written.
    """
    try:
        value = json.loads(read_file(path).decode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        raise FolderError(f"{path} is missing; {REMEDY}") from None
    except (ValueError, RecursionError, MemoryError):
        raise FolderError(f"{path} is damaged: it is no JSON; {REMEDY}") from None
    if not isinstance(value, dict):
        raise FolderError(f"{path} is damaged: it holds no names and values; {REMEDY}")
    if "sha256" in value and value.pop("sha256") != digest(value):
        raise FolderError(f"{path} was changed: its SHA-256 is not that of what it says; {REMEDY}")
    return value


def digest(value: Mapping[str, Any]) -> str:
    """The SHA-256 of what JSON says, however it is spaced and ordered.

    Example:
        >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
        True
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON gives back of it, its SHA-256 left out."""
    plain: dict[str, Any] = json.loads(json.dumps({k: v for k, v in value.items() if k != "sha256"}, default=str))
    return plain


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a write into one line for the user.

    Raises:
        FolderError: the disk is full, the folder cannot be written, …
    """
    try:
        yield
    except OSError as error:
        what, name = error.strerror or str(error), str(path)
        name = shorten(name) if len(name) > _LONG_NAME else name
        raise FolderError(
            f"cannot write in {name}: {what}. Nothing that was written before is lost: mend it and run the same "
            "command again"
        ) from error
