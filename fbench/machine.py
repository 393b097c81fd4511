"""How much memory this machine, this container or a GPU still has to give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CGROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NAMES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By the controller's name in /proc/self/cgroup, empty for version 2: the limit, what is used, and the part of it
that the kernel gives back when asked (file pages that nobody looked at lately)."""


def free_bytes(device: Any = "cpu") -> int | None:
    """Bytes that a process may still take on ``device``; None where nobody tells.

    On a CPU what the system calls available, or the room in the container's limit where that is less: a limit kills
    where the system would only have refused. On a GPU what CUDA has free, and what torch holds back unused.
    """
    name = str(device)
    if name.startswith("cuda"):
        import torch

        unused = torch.cuda.memory_reserved(name) - torch.cuda.memory_allocated(name)
        return int(torch.cuda.mem_get_info(name)[0]) + unused
    if name.partition(":")[0] != "cpu":
        return None
    import psutil

    return min([int(psutil.virtual_memory().available), *_rooms()])


def _rooms() -> Iterator[int]:
    """What is left in each memory limit that this process stands under: its own control group's and those above."""
    try:
        lines = _MEMBERSHIP.read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controller, path = line.split(":", 2)
        if controller not in _NAMES:
            continue
        top = _CGROUPS / controller
        folder = top / path.lstrip("/")
        for place in (folder, *folder.parents):
            room = _room(place, *_NAMES[controller])
            if room is not None:
                yield room
            if place == top:
                break


def _room(folder: Path, limit: str, used: str, spare: str) -> int | None:
    """Bytes left in one limit; None where there is none, or where it cannot be read."""
    try:
        most = (folder / limit).read_text(encoding="ascii").strip()
        held = int((folder / used).read_text(encoding="ascii"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return None if most == "max" else max(0, int(most) - held + int(stat.get(spare, 0)))
    except (OSError, ValueError):
        return None
