"""What this machine can run, and what to do about what it cannot: the lines of ``fbench doctor``."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fbench.measure import devices as cuda
from fbench.measure.environment import (
    attempt,
    gpu_inventory,
    installed_torch,
    memory_bytes,
    physical_cores,
    usable_cores,
    version_of,
)
from fbench.units import format_bytes

DATA_VARIABLE = "FBENCH_DATA_DIR"
CIFAR_FOLDER = "cifar-10-batches-py"
LEAST_TORCH = (2, 11)
LEAST_PYTHON = (3, 11)
_LEAST_MEMORY_BYTES = 2 * 2**30  # the defaults of every suite run in this
_LEAST_DISK_BYTES = 2**30


@dataclass(frozen=True)
class Check:
    """One line of ``fbench doctor``.

    ``ok``: usable. ``warn``: fbench runs, with the limits that ``detail`` names. ``missing``: fbench does not
    run until ``remedy`` is done. ``remedy`` is empty where nothing needs doing.
    """

    name: str
    status: Literal["ok", "warn", "missing"]
    detail: str
    remedy: str = ""


def checks() -> list[Check]:
    """What this machine can run, and what to do about what it cannot: one line a subject."""
    subjects = {
        "python": _python,
        "torch": _build,
        "cuda": _gpus,
        "nvml": _driver,
        "threads": _threads,
        "load": _load,
        "memory": _memory,
        "disk": _disk,
        "data": _data,
        "numba": _compiled_loops,
        "matplotlib": _figures,
        "ray": _cluster,
    }
    lines = []
    for name, look in subjects.items():
        try:
            lines.append(look())
        except Exception as error:  # what cannot be looked at must not hide the rest
            detail = f"could not be looked at: {type(error).__name__}: {error}"
            lines.append(Check(name, "warn", detail, "mend that, or do without this line"))
    return lines


def _check(name: str, good: bool, detail: str, limit: str, remedy: str) -> Check:
    """``ok``, or a warning that adds the limit and the remedy."""
    return Check(name, "ok", detail) if good else Check(name, "warn", f"{detail}: {limit}", remedy)


def _python() -> Check:
    detail = f"{platform.python_version()}, {platform.platform()}"
    if sys.version_info[:2] >= LEAST_PYTHON:
        return Check("python", "ok", detail)
    return Check("python", "missing", f"{detail}: too old", f"install Python {_dotted(LEAST_PYTHON)} or later")


def _build() -> Check:
    torch, remedy = installed_torch(), f"pip install 'torch>={_dotted(LEAST_TORCH)}'"
    if torch is None:
        return Check("torch", "missing", "not installed, or does not import: no suite runs", remedy)
    version = str(torch.__version__)
    detail = f"{version} ({f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'})"
    if tuple(int(part) for part in re.findall(r"[0-9]+", version)[:2]) < LEAST_TORCH:
        return Check("torch", "missing", f"{detail}: too old", remedy)
    return Check("torch", "ok", detail)


def _gpus() -> Check:
    if installed_torch() is None:
        return Check("cuda", "warn", "unknown without torch", "install torch first")
    gpus = cuda.visible_gpus()
    if not gpus.count:
        detail = "no usable GPU: every suite runs on the CPU, GPU memory stays empty"
        return Check("cuda", "warn", detail, cuda.no_cuda_reason())
    names = [f"cuda:{i} {gpus.name(i)} ({format_bytes(gpus.memory_bytes(i))})" for i in range(gpus.count)]
    return Check("cuda", "ok", ", ".join(names))


def _driver() -> Check:
    gpus, driver, note = gpu_inventory()
    detail = note or f"driver {driver or 'unknown'}, GPUs: {len(gpus)}"
    limit = "GPU memory is known from torch alone, GPU clocks not at all"
    return _check("nvml", note is None, detail, limit, "if there is a GPU, install its driver or pass it through")


def _threads() -> Check:
    torch, usable = installed_torch(), usable_cores()
    taken = torch.get_num_threads() if torch else None
    detail = f"{usable} cores usable of {os.cpu_count()} logical, {attempt(physical_cores)} physical"
    good = taken is None or usable is None or taken <= usable
    return _check("threads", good, detail, f"torch takes {taken} threads, too many", f"give --threads {usable}")


def _load() -> Check:
    load, cores = os.getloadavg()[0], usable_cores() or 1
    detail = f"{load:.2f} on average in the last minute, on {cores} usable cores"
    return _check("load", load <= cores / 4, detail, "timings will be noisy", "end other work, or wait")


def _memory() -> Check:
    free = _free_memory_bytes()
    detail = f"{format_bytes(free)} available of {format_bytes(memory_bytes())}"
    remedy = "give --memory-budget or smaller sizes"
    return _check("memory", free >= _LEAST_MEMORY_BYTES, detail, "large cases will be oom rows", remedy)


def _disk() -> Check:
    folder, remedy = Path.cwd(), "free some, or give --out DIR"
    if not os.access(folder, os.W_OK):
        return Check("disk", "warn", "the current folder cannot be written", "give --out DIR, or change folder")
    free = shutil.disk_usage(folder).free
    detail = f"{format_bytes(free)} free in the current folder"
    return _check("disk", free >= _LEAST_DISK_BYTES, detail, "a long run may fill it", remedy)


def _data() -> Check:
    folder = os.environ.get(DATA_VARIABLE)
    good = bool(folder) and (Path(folder or "") / CIFAR_FOLDER).is_dir()
    detail = f"{CIFAR_FOLDER} in {folder}" if good else f"{DATA_VARIABLE} is {folder or 'not set'}"
    limit = "the digits are at hand, CIFAR-10 is not"
    return _check("data", good, detail, limit, f"set {DATA_VARIABLE} to the folder that holds {CIFAR_FOLDER}")


def _compiled_loops() -> Check:
    version = version_of("numba")
    detail, limit = version or "not installed", "a CPU's selections take plain torch's loops, several times slower"
    return _check("numba", version is not None, detail, limit, "pip install numba")


def _figures() -> Check:
    version = version_of("matplotlib")
    detail, limit = version or "not installed", "reports have no figures"
    return _check("matplotlib", version is not None, detail, limit, "pip install matplotlib")


def _cluster() -> Check:
    version = version_of("ray")
    detail, limit = version or "not installed", "cases run on this machine alone, without --executor ray"
    return _check("ray", version is not None, detail, limit, "pip install 'fbench[ray]'")


def _free_memory_bytes() -> int:
    import psutil

    return psutil.virtual_memory().available


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
