"""Whose rows they are: what a run's numbers depend on, its fingerprint, and what differs between two runs.

What changes numbers: the options (but for those that are only recorded), devices, threads, the code of fbench and of
the loaded files. How a path is spelled and what a comment says changes none.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fbench
from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.suite import Suite, flag_of, spell_value, stored

_KEYS = {"suite", "fbench", "options", "devices", "threads", "loaded", "fingerprint"}
"""Of an ``options.json`` from before it had a SHA-256."""


class Difference(NamedTuple):
    """What two runs don't share, as it was and as it is; ``version`` where ``--accept-version`` may pass over it."""

    name: str
    before: str
    now: str
    version: bool = False

    def __str__(self) -> str:
        return f"{self.name} was {self.before}, is {self.now}"


def identify(
    suite: Suite,
    options: Any,
    devices: Sequence[str],
    threads: int,
    loads: Sequence[Path] = (),
    defined: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """What ``options.json`` says: everything that the numbers depend on, what is only recorded, and a fingerprint.

    ``defined`` stands among the loaded files: what was defined in Python, by name, and its code.
    """
    identity = {
        "suite": suite.name,
        "fbench": fbench.__version__,
        "sources": _sources(suite),
        "options": stored(options),
        "devices": list(devices),
        "threads": threads,
        "loaded": [
            *({"path": str(path), "sha256": _sha256(path), "code": _code(path)} for path in loads),
            *map(dict, defined),
        ],
    }
    return {**identity, "fingerprint": fingerprint_of(suite, identity)}


def fingerprint_of(suite: Suite, identity: Mapping[str, Any]) -> str:
    """The SHA-256 of what changes numbers."""
    parts = {name: identity[name] for name in ("suite", "fbench", "sources", "devices", "threads")}
    parts["options"] = _telling(suite, identity["options"])
    parts["loaded"] = [file["code"] for file in identity["loaded"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _telling(suite: Suite, options: Mapping[str, Any]) -> dict[str, Any]:
    recorded = {p.name for p in suite.parameters if p.option.recorded}
    return {name: value for name, value in options.items() if name not in recorded}


def read_identity(folder: Path) -> dict[str, Any] | None:
    """What the folder's ``options.json`` says; None where there is none.

    Raises:
        FolderError: it is damaged, was edited, or is none of fbench's.
    """
    path = folder / "options.json"
    if not path.exists() and not path.is_symlink():
        return None
    identity = disk.read_checked(path)
    whole = identity.keys() >= _KEYS and ("sources" in identity or identity.keys() == _KEYS)
    if not whole or not isinstance(identity["options"], dict):
        raise FolderError(f"{path} is damaged, or not of fbench: it names no suite and options; {disk.REMEDY}")
    return identity


def differences(suite: Suite, there: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Difference]:
    """Everything that changes numbers and is not the same; ``there`` is what a run's folder says."""
    if there["suite"] != wanted["suite"]:
        return [Difference("suite", there["suite"], wanted["suite"])]
    before, now = _telling(suite, there["options"]), _telling(suite, wanted["options"])
    names = [name for name in now if name not in before or before[name] != now[name]]
    told = [Difference(flag_of(name), _shown(before.get(name, "not there yet")), _shown(now[name])) for name in names]
    for name in ("devices", "threads"):
        if there[name] != wanted[name]:
            told.append(Difference(f"--{name.replace('devices', 'device')}", _shown(there[name]), _shown(wanted[name])))
    return [*told, *_loaded(there["loaded"], wanted["loaded"]), *_versions(there, wanted)]


def _loaded(before: Sequence[Mapping[str, str]], now: Sequence[Mapping[str, str]]) -> Iterator[Difference]:
    for name, old in _defined(before).items():
        new = _defined(now).get(name, old)
        if old["code"] != new["code"]:
            yield Difference(f"the code of {name}", old["code"][:8], new["code"][:8], version=True)
    before, now = ([file for file in files if "name" not in file] for files in (before, now))
    if len(before) != len(now):
        yield Difference("the number of --load files", str(len(before)), str(len(now)))
    for old, new in zip(before, now, strict=False):
        if old["sha256"] != new["sha256"] and old.get("code") != new["code"]:
            yield Difference(f"the code of --load {new['path']}", old["sha256"][:8], new["sha256"][:8], version=True)


def _defined(files: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    return {file["name"]: file for file in files if "name" in file}


def _versions(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = (f"{identity['fbench']} ({identity.get('sources', 'unknown')[:8]})" for identity in (there, wanted))
    if old != new:
        yield Difference("fbench", old, new, version=True)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return spell_value(value)
    return value if isinstance(value, str) else json.dumps(value)


@functools.cache
def package_digest() -> str:
    """One hash over the sources of fbench and of all its suites: one suite may import another."""
    folders = [Path(fbench.__file__).parent, *map(Path, sys.modules["fbench.suites"].__path__)]
    files = {file for folder in folders for file in folder.rglob("*.py")}
    return hashlib.sha256(";".join(map(_sha256, sorted(files))).encode()).hexdigest()


def _sources(suite: Suite) -> str:
    """One hash over fbench's own sources, and over the suite's where that is somebody else's."""
    module, file = suite.measure.__module__, Path(inspect.getfile(suite.measure))
    if module.startswith("fbench.") or module == "__main__" or not file.is_file():  # what is defined has its code noted
        return package_digest()
    return hashlib.sha256((package_digest() + _code(file)).encode()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _code(path: Path) -> str:
    """The SHA-256 of what a file does: its comments, blank lines and docstrings don't count."""
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return hashlib.sha256(data).hexdigest()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.Pass()
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
