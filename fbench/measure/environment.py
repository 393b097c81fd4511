"""Where a run took place: what ``environment.json`` records, and what ``fbench doctor`` checks.

Nothing here raises because something cannot be had: a missing value is None (null in the file), never 0.
The host's name is left out on purpose: reports are shared.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

import fbench
from fbench.measure import devices as cuda
from fbench.units import format_bytes

T = TypeVar("T")

PACKAGES = (
    "fbench",
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "typer",
    "rich",
    "nvidia-ml-py",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "psutil",
    "pytest-benchmark",
)
"""The distributions whose versions are recorded: fbench and what it depends on."""

DATA_VARIABLE = "FBENCH_DATA_DIR"
CIFAR_FOLDER = "cifar-10-batches-py"
LEAST_TORCH = (2, 11)
LEAST_PYTHON = (3, 11)
_LEAST_MEMORY_BYTES = 2 * 2**30  # the defaults of every suite run in this
_LEAST_DISK_BYTES = 2**30
_CHECKOUT = Path(__file__).resolve().parents[2]


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


def environment(devices: Sequence[str], threads: int | None) -> dict[str, Any]:
    """The content of ``environment.json``: plain JSON values, None for whatever cannot be had.

    ``devices`` are names as ``parse_devices`` gives them, ``threads`` the pinned count. Sizes are in bytes.
    """
    gpus, driver, note = gpu_inventory(devices)
    torch = _torch()
    commit, dirty = source_commit(_CHECKOUT)
    return {
        "platform": platform.platform(),
        "kernel": platform.release() or None,
        "architecture": platform.machine() or None,
        "cpu": cpu_model(),
        "cores_logical": os.cpu_count(),
        "cores_physical": _try(_physical_cores),
        "cores_usable": _usable_cores(),
        "memory_bytes": _try(_memory_bytes),
        "load_average": _try(lambda: list(os.getloadavg())),
        "gpus": gpus,
        "gpu_driver": driver,
        "gpu_note": note,
        "devices": list(devices),
        "threads": threads,
        "python": platform.python_version(),
        "torch": str(torch.__version__) if torch else None,
        "torch_cuda": torch.version.cuda if torch else None,
        "commit": commit,
        "dirty": dirty,
        "versions": {name: _version(name) for name in PACKAGES},
    }


def cpu_model() -> str | None:
    """The processor's name as its maker writes it."""
    if platform.system() == "Darwin":
        return _output(["sysctl", "-n", "machdep.cpu.brand_string"])
    cpuinfo = _try(lambda: Path("/proc/cpuinfo").read_text(encoding="utf-8")) or ""
    match = re.search(r"^model name\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)  # ARM has no such line
    return match[1].strip() if match else platform.processor() or None


def source_commit(checkout: Path) -> tuple[str | None, bool | None]:
    """The commit of the sources in ``checkout`` and whether they differ from it; (None, None) if no checkout.

    A wheel installed below somebody else's repository must not be given that one's commit: the repository's
    root has to be ``checkout`` itself.
    """
    git = ["git", "-C", str(checkout)]
    root = _output([*git, "rev-parse", "--show-toplevel"])
    if not root or Path(root).resolve() != checkout.resolve():
        return None, None
    commit = _output([*git, "rev-parse", "--verify", "--quiet", "HEAD"])
    status = _output([*git, "status", "--porcelain", "--", "fbench", "suites", "pyproject.toml"])
    return commit, None if commit is None or status is None else bool(status)


def gpu_inventory(devices: Sequence[str] = ()) -> tuple[list[dict[str, Any]], str | None, str | None]:
    """Every GPU that NVML shows, the driver's version, and in one line what NVML would not give.

    A GPU has ``name``, ``uuid``, ``memory_bytes`` and ``device``: the one of ``devices`` that it is, or None.
    They are matched by UUID; a CUDA device that NVML does not list (a MIG slice, say) is as torch sees it.
    """
    found: list[dict[str, Any]] = []
    driver, note = None, None
    try:
        with _nvml() as nvml:
            driver = _try(nvml.nvmlSystemGetDriverVersion)
            for index in range(nvml.nvmlDeviceGetCount()):
                found.append(_nvml_gpu(nvml, index))
        note = None if found else "NVML shows no GPU"
    except Exception as error:  # no driver, no library, no permission, no pynvml: all are a note
        note = f"no NVML ({' '.join(str(error).split()) or type(error).__name__})"
    for own in (_torch_gpu(name) for name in devices if name.startswith("cuda:")):
        same = next((gpu for gpu in found if own["uuid"] and gpu["uuid"] == own["uuid"]), None)
        if same is None:
            found.append(own)
        else:
            same["device"] = own["device"]
    return found, driver, note


@contextmanager
def _nvml() -> Iterator[ModuleType]:
    import pynvml

    pynvml.nvmlInit()
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _nvml_gpu(nvml: ModuleType, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    return {
        "name": _try(lambda: nvml.nvmlDeviceGetName(handle)),
        "uuid": _try(lambda: nvml.nvmlDeviceGetUUID(handle)),
        "memory_bytes": _try(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "device": None,
    }


def _torch_gpu(device: str) -> dict[str, Any]:
    ordinal = int(device.removeprefix("cuda:"))
    return {
        "name": _try(lambda: cuda.visible_gpus().name(ordinal)),
        "uuid": _try(lambda: cuda.visible_gpus().uuid(ordinal)),
        "memory_bytes": _try(lambda: cuda.visible_gpus().memory_bytes(ordinal)),
        "device": device,
    }


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
        "matplotlib": _figures,
    }
    found = []
    for name, look in subjects.items():
        try:
            found.append(look())
        except Exception as error:  # what cannot be looked at must not hide the rest
            detail = f"could not be looked at: {type(error).__name__}: {error}"
            found.append(Check(name, "warn", detail, "mend that, or do without this line"))
    return found


def _check(name: str, good: bool, detail: str, limit: str, remedy: str) -> Check:
    """``ok``, or a warning that adds the limit and the remedy."""
    return Check(name, "ok", detail) if good else Check(name, "warn", f"{detail}: {limit}", remedy)


def _python() -> Check:
    detail = f"{platform.python_version()}, {platform.platform()}"
    if sys.version_info[:2] >= LEAST_PYTHON:
        return Check("python", "ok", detail)
    return Check("python", "missing", f"{detail}: too old", f"install Python {_dotted(LEAST_PYTHON)} or later")


def _build() -> Check:
    torch, remedy = _torch(), f"pip install 'torch>={_dotted(LEAST_TORCH)}'"
    if torch is None:
        return Check("torch", "missing", "not installed, or does not import: no suite runs", remedy)
    version = str(torch.__version__)
    detail = f"{version} ({f'CUDA {torch.version.cuda}' if torch.version.cuda else 'CPU only'})"
    if tuple(int(part) for part in re.findall(r"[0-9]+", version)[:2]) < LEAST_TORCH:
        return Check("torch", "missing", f"{detail}: too old", remedy)
    return Check("torch", "ok", detail)


def _gpus() -> Check:
    if _torch() is None:
        return Check("cuda", "warn", "unknown without torch", "install torch first")
    gpus = cuda.visible_gpus()
    if not gpus.count:
        detail = "no usable GPU: every suite runs on the CPU, GPU memory stays empty"
        return Check("cuda", "warn", detail, cuda.no_cuda_reason())
    names = [f"cuda:{i} {gpus.name(i)} ({format_bytes(gpus.memory_bytes(i))})" for i in range(gpus.count)]
    return Check("cuda", "ok", ", ".join(names))


def _driver() -> Check:
    found, driver, note = gpu_inventory()
    detail = note or f"driver {driver or 'unknown'}, GPUs: {len(found)}"
    limit = "GPU memory is known from torch alone, GPU clocks not at all"
    return _check("nvml", note is None, detail, limit, "if there is a GPU, install its driver or pass it through")


def _threads() -> Check:
    torch, usable = _torch(), _usable_cores()
    taken = torch.get_num_threads() if torch else None
    detail = f"{usable} cores usable of {os.cpu_count()} logical, {_try(_physical_cores)} physical"
    good = taken is None or usable is None or taken <= usable
    return _check("threads", good, detail, f"torch takes {taken} threads, too many", f"give --threads {usable}")


def _load() -> Check:
    load, cores = os.getloadavg()[0], _usable_cores() or 1
    detail = f"{load:.2f} on average in the last minute, on {cores} usable cores"
    return _check("load", load <= cores / 4, detail, "timings will be noisy", "end other work, or wait")


def _memory() -> Check:
    free = _free_memory_bytes()
    detail = f"{format_bytes(free)} available of {format_bytes(_memory_bytes())}"
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


def _figures() -> Check:
    version = _version("matplotlib")
    detail, limit = version or "not installed", "reports have no figures"
    return _check("matplotlib", version is not None, detail, limit, "pip install matplotlib")


def _try(get: Callable[[], T]) -> T | None:
    """What ``get`` gives, or None: a record of the machine is no reason to lose a run."""
    try:
        return get()
    except Exception:
        return None


def _torch() -> ModuleType | None:
    return _try(lambda: importlib.import_module("torch"))


def _version(name: str) -> str | None:
    if name == "fbench":  # known even where fbench is run from a checkout, uninstalled
        return fbench.__version__
    return _try(lambda: importlib.metadata.version(name))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _usable_cores() -> int | None:
    """The logical cores this process may use, which a container or taskset may have made fewer."""
    return _try(lambda: len(os.sched_getaffinity(0))) or os.cpu_count()


def _physical_cores() -> int | None:
    import psutil

    return psutil.cpu_count(logical=False)


def _memory_bytes() -> int:
    import psutil

    return psutil.virtual_memory().total


def _free_memory_bytes() -> int:
    import psutil

    return psutil.virtual_memory().available


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, stripped; None if it fails, is not there, or takes ten seconds."""
    # A git hook sets GIT_DIR and its kin, which would point git elsewhere than at the folder given.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    clean["GIT_OPTIONAL_LOCKS"] = "0"
    run = _try(lambda: subprocess.run(command, capture_output=True, text=True, timeout=10, env=clean, check=True))
    return run.stdout.strip() if run else None
