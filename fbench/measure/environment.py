"""Where a run took place: what ``environment.json`` records.

Nothing here raises because something cannot be had: a missing value is None (null in the file), never 0.
The host's name is left out on purpose: reports are shared.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import fbench
from fbench.measure import devices as cuda
from fbench.measure.nvml import nvml_for_now

_T = TypeVar("_T")

PACKAGES = (
    "fbench",
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "pillow",
    "typer",
    "rich",
    "nvidia-ml-py",
    "numba",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "psutil",
    "cloudpickle",
    "pytest-benchmark",
)
"""The distributions whose versions are recorded: fbench and what it depends on."""

_CHECKOUT = Path(__file__).resolve().parents[2]


def environment(devices: Sequence[str], threads: int | None) -> dict[str, Any]:
    """The content of ``environment.json``: plain JSON values, None for whatever cannot be had.

    ``devices`` are names as ``parse_devices`` gives them, ``threads`` the pinned count. Sizes are in bytes.
    """
    gpus, driver, note = gpu_inventory(devices)
    torch = installed_torch()
    commit, dirty = source_commit(_CHECKOUT)
    return {
        "platform": platform.platform(),
        "kernel": platform.release() or None,
        "architecture": platform.machine() or None,
        "cpu": cpu_model(),
        "cores_logical": os.cpu_count(),
        "cores_physical": attempt(physical_cores),
        "cores_usable": usable_cores(),
        "memory_bytes": attempt(memory_bytes),
        "load_average": attempt(lambda: list(os.getloadavg())),
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
        "versions": {name: version_of(name) for name in PACKAGES},
    }


def cpu_model() -> str | None:
    """The processor's name as its maker writes it."""
    if platform.system() == "Darwin":
        return _output(["sysctl", "-n", "machdep.cpu.brand_string"])
    cpuinfo = attempt(lambda: Path("/proc/cpuinfo").read_text(encoding="utf-8")) or ""
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
    gpus: list[dict[str, Any]] = []
    driver, note = None, None
    try:
        with nvml_for_now() as nvml:
            driver = attempt(nvml.nvmlSystemGetDriverVersion)
            for index in range(nvml.nvmlDeviceGetCount()):
                gpus.append(_nvml_gpu(nvml, index))
        note = None if gpus else "NVML shows no GPU"
    except Exception as error:  # no driver, no library, no permission, no pynvml: all are a note
        note = f"no NVML ({' '.join(str(error).split()) or type(error).__name__})"
    for torch_gpu in (_torch_gpu(name) for name in devices if name.startswith("cuda:")):
        same = next((gpu for gpu in gpus if torch_gpu["uuid"] and gpu["uuid"] == torch_gpu["uuid"]), None)
        if same is None:
            gpus.append(torch_gpu)
        else:
            same["device"] = torch_gpu["device"]
    return gpus, driver, note


def _nvml_gpu(nvml: ModuleType, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    return {
        "name": attempt(lambda: nvml.nvmlDeviceGetName(handle)),
        "uuid": attempt(lambda: nvml.nvmlDeviceGetUUID(handle)),
        "memory_bytes": attempt(lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total),
        "device": None,
    }


def _torch_gpu(device: str) -> dict[str, Any]:
    ordinal = int(device.removeprefix("cuda:"))
    return {
        "name": attempt(lambda: cuda.visible_gpus().name(ordinal)),
        "uuid": attempt(lambda: cuda.visible_gpus().uuid(ordinal)),
        "memory_bytes": attempt(lambda: cuda.visible_gpus().memory_bytes(ordinal)),
        "device": device,
    }


def attempt(get: Callable[[], _T]) -> _T | None:
    """What ``get`` returns, or None where it raises: a record of the machine is no reason to lose a run.

    Example:
        >>> attempt(lambda: 6 // 2), attempt(lambda: 6 // 0)
        (3, None)
    """
    try:
        return get()
    except Exception:
        return None


def installed_torch() -> ModuleType | None:
    """torch, or None where it is not there or does not import."""
    return attempt(lambda: importlib.import_module("torch"))


def version_of(name: str) -> str | None:
    """The version of an installed distribution."""
    if name == "fbench":  # known even where fbench is run from a checkout, uninstalled
        return fbench.__version__
    return attempt(lambda: importlib.metadata.version(name))


def usable_cores() -> int | None:
    """The logical cores this process may use, which a container or taskset may have made fewer."""
    return attempt(lambda: len(os.sched_getaffinity(0))) or os.cpu_count()


def physical_cores() -> int | None:
    """The number of physical cores: hyper-threads of one core count once."""
    import psutil

    return psutil.cpu_count(logical=False)


def memory_bytes() -> int:
    """The machine's memory, in bytes."""
    import psutil

    return psutil.virtual_memory().total


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, stripped; None if it fails, is not there, or takes ten seconds."""
    clean = git_environment()
    run = attempt(lambda: subprocess.run(command, capture_output=True, text=True, timeout=10, env=clean, check=True))
    return run.stdout.strip() if run else None


def git_environment() -> dict[str, str]:
    """The variables for a git that is told its folder: a hook sets GIT_DIR and its kin, which point elsewhere.

    Example:
        >>> git_environment()["GIT_OPTIONAL_LOCKS"]
        '0'
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return clean | {"GIT_OPTIONAL_LOCKS": "0"}
