"""What runs are there: a look at every folder, of which none can stop the others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from fbench.errors import FbenchError, FolderError
from fbench.harness import disk
from fbench.runs.opening import changed_settings, describe_machines, open_run

try:
    import fcntl
except ImportError:  # not on Windows: there a run in use looks unfinished
    fcntl = None  # type: ignore[assignment]

Standing = Literal["finished", "unfinished", "in use", "damaged"]


@dataclass(frozen=True)
class Listed:
    """A run as ``fbench runs`` shows it; ``why`` says what is damaged, and all that cannot be read is empty."""

    path: str
    state: Standing
    suite: str = ""
    why: str = ""
    done: int | None = None
    units: int | None = None
    unit: str = ""
    cases: int = 0
    started: str = ""
    spent_s: float | None = None
    machine: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


def list_runs(folder: Path) -> list[Listed]:
    """Every run that is in ``folder``, in its folders, or in theirs, the newest first.

    Example:
        >>> home = Path(__file__).parents[2] / "reports" / "reference"
        >>> if home.is_dir():
        ...     assert "finished" in {run.state for run in list_runs(home)}

    Raises:
        FolderError: there is no such folder.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder}: no such folder; runs are in reports/ unless --out said otherwise")
    runs = [_look_at(path) for path in _folders(folder)]
    return sorted(runs, key=lambda run: (run.started, run.path), reverse=True)


def _folders(folder: Path) -> Iterator[Path]:
    """The folders that hold a run, or what is left of one; links are not followed below ``folder``."""
    for path in [folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))]:
        if path.is_dir() and any((path / name).is_file() for name in ("options.json", "state.json")):
            yield path


def _look_at(path: Path) -> Listed:
    try:
        run = open_run(path)
        done, units = run.units
        return Listed(
            path=str(path),
            state="finished" if run.finished else "in use" if in_use(path) else "unfinished",
            suite=run.suite,
            done=done,
            units=units,
            unit=run.reading.suite.unit,
            cases=run.reading.cases,
            started=started_at(path, run.environment),
            spent_s=run.spent_s,
            machine=describe_machines(run),
            settings=dict(changed_settings(run)),
        )
    except Exception as error:  # another run's damaged folder, or suite, never stops a command
        first = (str(error).splitlines() or [""])[0]
        why = first if isinstance(error, FbenchError) else f"{type(error).__name__}: {first}"
        return Listed(str(path), "damaged", _suite_name(path), why, started=started_at(path, {}))


def _suite_name(path: Path) -> str:
    try:
        return str(disk.read_checked(path / "options.json").get("suite", ""))
    except FolderError:
        return ""


def started_at(path: Path, environment: dict[str, Any]) -> str:
    """When a run began, in UTC: as it noted it, or as its RUN-ID says; empty where neither does. Files copied are new.

    Example:
        >>> started_at(Path("reports/compare/20260102-030405-abcdef"), {})
        '2026-01-02T03:04:05+00:00'
    """
    if isinstance(environment.get("started"), str):
        return str(environment["started"])
    with contextlib.suppress(ValueError):
        return datetime.strptime(path.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    return ""


def in_use(path: Path) -> bool:
    """Whether a process works in the folder; asking holds its lock for no more than a moment."""
    if fcntl is None or not (path / ".lock").is_file():
        return False
    try:
        handle = os.open(path / ".lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
