"""A file system that stops a program at its n-th operation: before it, in the middle of a write, or with an error.

``Disk(root)`` stands between a program and the files below ``root``: every ``os`` function that changes them, and what
``open`` writes. Operations are counted from 1; nothing is really flushed. A kill is final: whatever the program still
tries, in its ``finally`` too, is not done either. An error comes once.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


class Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Stop:
    """Where and how a program is stopped; ``at`` 0 is nowhere.

    ``how`` is ``before`` or ``half`` (of a write; before, where it is no write), ``error`` 0 for a kill, else errno.
    """

    at: int = 0
    how: str = "before"
    error: int = 0

    def __str__(self) -> str:
        return f"{errno.errorcode.get(self.error, 'killed')} {self.how} {self.at}"


NOWHERE = Stop()
NAMING = ("replace", "rename", "link", "symlink")
ONE_PATH = ("unlink", "remove", "mkdir", "rmdir", "truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Disk:
    """The interposed functions; ``steps`` counts operations, ``log`` names them."""

    def __init__(self, root: Path, stop: Stop = NOWHERE) -> None:
        self.root, self.stop = str(root.resolve()), stop
        self.steps, self.dead, self.log = 0, False, list[str]()
        self.files: dict[int, str] = {}
        self.real = {name: getattr(os, name) for name in (*NAMING, *ONE_PATH, "open", "close", "write", "fsync")}
        self.real |= {"ftruncate": os.ftruncate, "io_open": io.open}

    def within(self, path: Any) -> bool:
        """Whether a path, or a handle's file, lies below the root."""
        if isinstance(path, int):
            return path in self.files
        return os.path.abspath(os.fspath(path)).startswith(self.root)  # noqa: PTH100

    def step(self, name: str, what: Any, whole: Callable[[], Any], half: Callable[[], Any] | None = None) -> Any:
        """Do an operation, unless the program has come to its stop."""
        if self.dead:
            raise Killed
        self.steps += 1
        self.log.append(f"{name} {self.files.get(what, what) if isinstance(what, int) else what}")
        if self.steps == self.stop.at:
            if self.stop.how == "half" and half is not None:
                half()
            if self.stop.error:
                raise OSError(self.stop.error, os.strerror(self.stop.error), str(what))
            self.dead = True
            raise Killed
        result = whole()
        self.after(name, what, result)
        return result

    def after(self, name: str, what: Any, result: Any) -> None:
        """What a file system that forgets wants to know."""

    def open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        if not self.within(path):
            return self.real["open"](path, flags, *more, **named)
        return self.step("open" if flags & WRITING else "look", path, lambda: self._opened(path, flags, *more))

    def _opened(self, path: Any, flags: int, *more: Any) -> int:
        handle = self.real["open"](path, flags, *more)
        self.files[handle] = os.path.abspath(os.fspath(path))  # noqa: PTH100
        return handle

    def close(self, handle: int) -> None:
        self.files.pop(handle, None)
        self.real["close"](handle)

    def write(self, handle: int, data: Any) -> int:
        if handle not in self.files:
            return self.real["write"](handle, data)
        part = bytes(data)[: len(data) // 2]
        write = self.real["write"]
        return self.step("write", handle, lambda: write(handle, data), lambda: write(handle, part))

    def io_open(self, path: Any, mode: str = "r", buffering: int = -1, *more: Any, **named: Any) -> Any:
        """As ``open``, with writes that count; what is only read does not."""
        if isinstance(path, int) or not self.within(path) or not set(mode) & set("wxa+"):
            return self.real["io_open"](path, mode, buffering, *more, **named)
        raw = self.step("open", path, lambda: _Raw(self, path, mode))
        binary = io.BufferedWriter(raw)
        return binary if "b" in mode else io.TextIOWrapper(binary, *more, **named)

    def one(self, name: str) -> Callable[..., Any]:
        def call(path: Any, *more: Any, **named: Any) -> Any:
            if not self.within(path) or named.get("dir_fd") is not None:
                return self.real[name](path, *more, **named)
            return self.step(name, path, lambda: self.real[name](path, *more, **named))

        return call

    def two(self, name: str) -> Callable[..., Any]:
        def call(old: Any, new: Any, **named: Any) -> Any:
            if not self.within(new):
                return self.real[name](old, new, **named)
            return self.step(name, (str(old), str(new)), lambda: self.real[name](old, new, **named))

        return call

    def flush(self, handle: int) -> None:
        if handle in self.files:
            self.step("fsync", handle, lambda: None)


class _Raw(io.FileIO):
    """A file that ``open`` made, whose writes are the disk's."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        super().__init__(path, mode.replace("b", "").replace("t", ""))
        self._disk = disk
        disk.files[self.fileno()] = os.path.abspath(os.fspath(path))  # noqa: PTH100

    def write(self, data: Any) -> int:
        return len(data) if self._disk.dead else self._disk.write(self.fileno(), data)  # what a buffer still holds

    def close(self) -> None:
        if not self.closed:
            self._disk.files.pop(self.fileno(), None)
        super().close()


@contextmanager
def interposed(disk: Disk) -> Iterator[Disk]:
    """Everything in this block goes through the disk."""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMING:
            patch.setattr(os, name, disk.two(name))
        for name in ONE_PATH:
            patch.setattr(os, name, disk.one(name))
        patch.setattr(os, "ftruncate", disk.one("ftruncate"))
        for name in ("open", "close", "write"):
            patch.setattr(os, name, getattr(disk, name))
        patch.setattr(os, "fsync", disk.flush)
        patch.setattr(io, "open", disk.io_open)
        patch.setattr(builtins, "open", disk.io_open)
        yield disk
