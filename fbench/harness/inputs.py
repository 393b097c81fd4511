"""Files that the user names to be read: regular ones alone. A pipe or a device may never end, or never begin."""

from __future__ import annotations

import stat
from pathlib import Path

from fbench.errors import nearest

_KINDS = {
    stat.S_IFDIR: "a folder, not a file",
    stat.S_IFIFO: "a pipe, not a file; save what comes out of it, and give that file",
    stat.S_IFSOCK: "a socket, not a file; save what comes out of it, and give that file",
    stat.S_IFCHR: "a device, not a file; save what comes out of it, and give that file",
    stat.S_IFBLK: "a device, not a file; save what comes out of it, and give that file",
}


def refusal_of(path: Path) -> str:
    """Why a path cannot be read as a file, found without opening it; empty where it can. Links are followed.

    Example:
        >>> refusal_of(Path("/dev/null"))
        'a device, not a file; save what comes out of it, and give that file'
        >>> refusal_of(Path("nowhere.csv"))
        'no such file'
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except ValueError as error:  # a zero byte in the name
        return f"cannot be read: {error}"
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "no regular file; give one")


def hint_for(path: Path) -> str:
    """What may help whoever named a path that is not there: the nearest name in its folder, or where that would be.

    Empty where there is something of that name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "mine.npz").touch()
        ...     hint_for(Path(folder, "mina.npz"))
        '; did you mean mine.npz?'
    """
    try:
        path.stat()
        return ""
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        return ""
    try:
        names = [entry.name for entry in path.absolute().parent.iterdir()]
    except OSError:
        return f"; there is no folder {path.absolute().parent} either"
    near = nearest(path.name, names)
    return f"; did you mean {near}?" if near else f"; give one that is in {path.absolute().parent}"
