"""A file system that forgets: what was not flushed when the power fails may be gone.

A file's bytes are safe when the file was flushed, and a folder's names when the folder was. Names change in the order
of the operations (as a journal keeps them), so that a cut leaves those up to some moment; a file has the bytes of its
last flush, those of now, or a part of what came since.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults.crash import NAMING, NOWHERE, Disk, Stop

Names = dict[str, int]


class ForgetfulDisk(Disk):
    """A disk that knows what a power cut would leave.

    A file is known by a number of ours, since a file system gives an inode's number again.
    """

    def __init__(self, root: Path, stop: Stop = NOWHERE) -> None:
        super().__init__(root, stop)
        self.numbers: dict[int, int] = {}
        self.counter = itertools.count()
        self.bytes: dict[int, bytes] = {}
        self.folders: set[int] = set()
        self.safe: dict[str, Names] = {}
        self.pending: dict[str, list[Names]] = {}
        for folder in self._folders():
            self.safe[folder] = self._names(folder)
            self.bytes |= {n: self._read(folder, name) for name, n in self.safe[folder].items()}

    def _folders(self) -> Iterator[str]:
        return (folder for folder, _, _ in os.walk(self.root))

    def _names(self, folder: str) -> Names:
        with os.scandir(folder) as entries:
            names = {e.name: self.numbers.setdefault(e.inode(), next(self.counter)) for e in entries}
        self.folders |= {number for name, number in names.items() if os.path.isdir(os.path.join(folder, name))}  # noqa: PTH112, PTH118
        return names

    @staticmethod
    def _read(folder: str, name: str) -> bytes:
        path = Path(folder, name)
        return path.read_bytes() if path.is_file() and not path.is_symlink() else b""

    def step(self, name: str, what: Any, *actions: Any) -> Any:
        if name == "open" and not os.path.lexists(what):
            return self._created(name, what, *actions)
        return super().step(name, what, *actions)

    def _created(self, name: str, what: Any, *actions: Any) -> Any:
        result = super().step(name, what, *actions)
        self.numbers.pop(os.lstat(what).st_ino, None)  # a new file, whose number another had before
        self._noted(what)
        return result

    def after(self, name: str, what: Any, result: Any) -> None:
        if name in NAMING:
            self._noted(what[1])
        elif name == "mkdir":
            self.numbers.pop(os.lstat(what).st_ino, None)
            self.safe.pop(os.path.abspath(what), None)  # noqa: PTH100
            self._noted(what)
        elif name in ("unlink", "remove", "rmdir"):
            self._noted(what)
        elif name == "fsync":
            self._flushed(self.files[what])

    def _noted(self, path: Any) -> None:
        folder = os.path.dirname(os.path.abspath(os.fspath(path)))  # noqa: PTH100, PTH120
        self.pending.setdefault(folder, []).append(self._names(folder))

    def _flushed(self, path: str) -> None:
        if Path(path).is_dir():
            self.safe[path] = self._names(path)
            self.pending.pop(path, None)
        else:
            self.bytes[self.numbers.setdefault(os.lstat(path).st_ino, next(self.counter))] = Path(path).read_bytes()

    def cut(self, chance: random.Random | None = None) -> None:
        """Leave below the root what a power cut would: the least, or what chance leaves."""
        now = {folder: self._names(folder) for folder in self._folders()}
        contents = {n: self._read(folder, name) for folder, names in now.items() for name, n in names.items()}
        tree = Path(self.root)
        shutil.rmtree(tree)
        tree.mkdir()
        self._put(self.root, contents, chance)

    def _put(self, folder: str, contents: dict[int, bytes], chance: random.Random | None) -> None:
        states = [self.safe.get(folder, {}), *self.pending.get(folder, [])]
        for name, number in (chance.choice(states) if chance else states[0]).items():
            if number in self.folders:
                Path(folder, name).mkdir()
                self._put(os.path.join(folder, name), contents, chance)  # noqa: PTH118
            else:
                Path(folder, name).write_bytes(self._left(number, contents, chance))

    def _left(self, number: int, contents: dict[int, bytes], chance: random.Random | None) -> bytes:
        safe = self.bytes.get(number, b"")
        if chance is None or number not in contents:
            return safe
        new = contents[number]
        return chance.choice([safe, new, new[: (len(safe) + len(new)) // 2]])
