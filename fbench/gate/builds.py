"""A source built as a wheel into an environment of its own, whose dependencies are those of the running one.

The environment has the wheel first on its path, then the running interpreter's site-packages as plain folders: their
``.pth`` files are not followed, so that an editable installation of the project cannot stand in for the wheel.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fbench.errors import UsageError
from fbench.gate.sources import Project, Source, write_source

_PRETENDED = "0.0.0+fbench.gate"
"""The version where a build would ask git for it: the copies have no repository."""


class Build(NamedTuple):
    """A source, built and installed.

    Attributes:
        source: what was built.
        python: the environment's interpreter.
        site: its site-packages.
        home: the copied project, whose benchmarks are run.
        modules: top-level modules that the wheel brought.
    """

    source: Source
    python: Path
    site: Path
    home: Path
    modules: tuple[str, ...]


def make_build(project: Project, source: Source, folder: Path, paths: Iterable[str] = ()) -> Build:
    """Build a source below a folder: ``source``, and ``environment`` beside it.

    ``paths`` are what will be collected, relative to the repository. What the wheel brought is taken out
    of the copied sources, so that no path there can be imported in its place, unless benchmarks lie in it.

    Raises:
        UsageError: it cannot be written or does not build; its last line says why.
    """
    write_source(project, source, folder / "source")
    home, site = folder / "source" / project.home, make_environment(folder / "environment")
    python = _python_of(folder / "environment")
    before = set(site.iterdir())
    install(python, home, source)
    modules = brought_modules(set(site.iterdir()) - before)
    if not modules:
        raise UsageError(f"{source.called} builds, and its wheel has no module in it: name its packages")
    hide_sources(home, modules, [folder / "source" / path.partition("::")[0] for path in paths])
    return Build(source, python, site, home, modules)


def make_environment(folder: Path) -> Path:
    """An environment that sees the packages of this one behind its own; gives its site-packages."""
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(folder)
    site = next(
        path for path in [folder / "Lib" / "site-packages", *folder.glob("lib/python*/site-packages")] if path.is_dir()
    )
    shared = dict.fromkeys(path for path in sys.path if Path(path).name in ("site-packages", "dist-packages"))
    (site / "fbench_gate_shared.pth").write_text("".join(f"{path}\n" for path in shared if Path(path).is_dir()))
    return site


def _python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(python: Path, home: Path, source: Source) -> None:
    """Build the project's wheel and install it, without its dependencies and without any network.

    Raises:
        UsageError: there is no pip, or it does not build.
    """
    words = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-q"]
    versions = dict.fromkeys(["SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION"], _PRETENDED)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_TARGET")}
    scratch = python.parents[2] / "scratch"  # else what pip had begun would outlive a kill
    scratch.mkdir()
    code, told = _run_in_group(
        [str(python), "-P", "-m", "pip", *words, str(home)], {**versions, **kept, "TMPDIR": str(scratch)}
    )
    if "No module named pip" in told:
        raise UsageError("fbench gate builds wheels with pip, and this environment has none: python -m ensurepip")
    if code:
        raise UsageError(f"{source.called} does not build: {build_fault(told)}")


def _run_in_group(command: list[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """A command's exit code and all that it says; ended with whatever it started when we are interrupted."""
    process = subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        told, _ = process.communicate()
    except BaseException:
        end_group(process)
        raise
    return process.returncode, told


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a process at once, with its group: what it has is not needed any more."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def build_fault(told: str) -> str:
    """The line of pip's that says why: the last that names an error, else the last.

    Example:
        >>> build_fault(chr(10).join(["error: subprocess", "ModuleNotFoundError: No module named 'x'", "note: above"]))
        "ModuleNotFoundError: No module named 'x'"
    """
    lines = [line.strip(" │╰─>×") for line in told.splitlines() if line.strip(" │╰─>×")]
    named = [line for line in lines if line.partition(":")[0].endswith(("Error", "Exception"))]
    plain = [line for line in lines if not line.startswith(("note:", "hint:", "[end"))]
    return (named or plain or ["pip says nothing"])[-1]


def brought_modules(installed: Iterable[Path]) -> tuple[str, ...]:
    """Top-level modules of what was installed, as the wheel's RECORD lists them.

    Example:
        >>> brought_modules([])
        ()
    """
    names: list[str] = []
    for record in (path / "RECORD" for path in installed if path.suffix == ".dist-info"):
        with record.open(newline="", encoding="utf-8") as file:
            first = [row[0].split("/") for row in csv.reader(file) if row]
        names += [
            parts[0].split(".")[0]
            for parts in first
            if parts[0] not in ("..", "__pycache__")
            and not parts[0].endswith((".dist-info", ".data", ".pth"))
            and (len(parts) > 1 or parts[0].endswith((".py", ".so", ".pyd")))
        ]
    return tuple(dict.fromkeys(names))


def hide_sources(home: Path, modules: Iterable[str], paths: Iterable[Path]) -> None:
    """Take from the copied sources what the wheel has, unless benchmarks lie in it."""
    asked = [path.resolve() for path in paths]
    for name in modules:
        for place in (home / name, home / "src" / name, home / f"{name}.py", home / "src" / f"{name}.py"):
            if any(place.resolve() == path or place.resolve() in path.parents for path in asked):
                continue
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
