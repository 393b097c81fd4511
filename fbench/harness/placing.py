"""Where a run goes: a folder of its own, one where it stopped, or one that it is to grow.

What is in a folder is looked at before it is locked, so that nothing of another program's is touched, and once more
under the lock, so that nobody comes in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fbench.errors import FolderError
from fbench.harness import disk
from fbench.harness.folder import RunFolder
from fbench.harness.growth import what_grew
from fbench.harness.identity import differences, read_identity
from fbench.harness.state import State, read_state
from fbench.harness.suite import Suite, stored


@dataclass(frozen=True)
class Terms:
    """On which terms a folder may be used."""

    out: Path | None = None
    reports: Path = Path("reports")
    fresh: bool = False
    overwrite: bool = False
    accept_version: bool = False


def enter(
    suite: Suite, identity: Mapping[str, Any], terms: Terms, environment: Mapping[str, Any]
) -> tuple[RunFolder, str]:
    """The run's folder, locked: new, taken up or grown; and which of these, as a word.

    Raises:
        FolderError: ``--out`` holds another run or something that is not ours; it is in use, or damaged.
    """
    path = terms.out or _unfinished(suite, identity, terms) or _new_id(suite, identity, terms)
    _look(suite, path, identity, terms)
    folder = RunFolder(path, suite.all_tables(), suite.unit)
    folder.lock()
    try:
        there = _look(suite, path, identity, terms)
        if there is None:
            folder.create(identity, environment)
            return folder, "new"
        folder.take_up()
        if folder.finished and there["options"] == identity["options"]:
            return folder, "finished"
        return folder, _go_on(suite, folder, there, identity)
    except BaseException:
        folder.close()
        raise


def _go_on(suite: Suite, folder: RunFolder, there: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Note in ``options.json`` what is asked beside what was, or who goes on; nothing where both are the same."""
    grew = what_grew(there["options"], identity["options"])
    changed = [str(difference) for difference in differences(suite, there, identity) if difference.version]
    if not grew and not changed:
        return "taken up"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    step = {"at": now, "grew": grew, "accepted": changed, "fbench": identity["fbench"]}
    more = {name: value for name, value in there.items() if name not in identity}  # as what is replicated
    folder.reopen({"options.json": {**more, **identity, "history": [*there.get("history", ()), step]}})
    return "grown" if grew else "taken up"


def _look(suite: Suite, path: Path, identity: Mapping[str, Any], terms: Terms) -> dict[str, Any] | None:
    """The identity of the run that is to be taken up in ``path``; None where one is to begin.

    Raises:
        FolderError: what is there must stay.
    """
    with disk.writing(path):
        if _is_blank(path):
            return None
    state = _state_of(path, terms)
    if state is not None and state.clearing:
        return None
    there = _identity_of(suite, path, state, terms)
    if there is None and state is not None:
        raise FolderError(f"{path / 'options.json'} is missing: nothing says whose rows these are; {disk.REMEDY}")
    if there is None:
        raise FolderError(f"--out {path} is not empty and not a run of fbench; nothing was touched: choose another")
    if terms.overwrite or (terms.fresh and there.get("fingerprint") == identity["fingerprint"]):
        return None
    _compare(suite, path, there, identity, terms, state)
    if state is None:
        raise FolderError(f"{path / 'state.json'} is missing: nothing says which rows are whole; {disk.REMEDY}")
    return there


def standing(suite: Suite, terms: Terms) -> dict[str, Any] | None:
    """The identity of the run that ``--out`` holds and that is to be gone on with; None where a new one begins.

    Raises:
        FolderError: it is damaged, or another suite's.
    """
    if terms.out is None or terms.overwrite:
        return None
    with disk.writing(terms.out):  # a name that is too long
        if not terms.out.is_dir():
            return None
    state = read_state(terms.out)
    if state is None or state.clearing:
        return None
    there = _normal(suite, read_identity(terms.out), terms.out)
    if there is not None and there["suite"] != suite.name:
        raise FolderError(f"--out {terms.out} holds a run of `fbench {there['suite']}`; choose another --out")
    return there


def _normal(suite: Suite, identity: dict[str, Any] | None, path: Path) -> dict[str, Any] | None:
    """The identity with its options as this version stores them."""
    if identity is None or identity["suite"] != suite.name:
        return identity
    try:
        return {**identity, "options": stored(suite.restored(identity["options"]))}
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise FolderError(f"{path / 'options.json'} has an option that cannot be read: {error}") from error


def _is_blank(path: Path) -> bool:
    if not path.exists():
        return True
    if not path.is_dir():
        raise FolderError(f"--out {path} is a file; give a folder")
    return all(entry.name in (".lock", "state.json.new", "options.json.new") for entry in path.iterdir())


def _state_of(path: Path, terms: Terms) -> State | None:
    try:
        return read_state(path)
    except FolderError:
        if terms.overwrite:
            return None
        raise


def _identity_of(suite: Suite, path: Path, state: State | None, terms: Terms) -> dict[str, Any] | None:
    try:
        return _normal(suite, read_identity(path), path)
    except FolderError:
        if terms.overwrite and state is not None:  # it is ours by its state
            return {}
        raise


def _compare(
    suite: Suite,
    path: Path,
    there: Mapping[str, Any],
    identity: Mapping[str, Any],
    terms: Terms,
    state: State | None,
) -> None:
    """Refuse to mix the rows of two runs.

    Raises:
        FolderError: naming what differs.
    """
    grows = {p.name for p in suite.parameters if p.option.grows or p.option.hidden}
    alike = {**there, "options": {**there["options"], **{n: v for n, v in identity["options"].items() if n in grows}}}
    told = differences(suite, alike, identity)
    rendered = state is not None and state.finished and there["options"] == identity["options"]
    hard = [difference for difference in told if not difference.version]
    if hard:
        first = "; ".join(map(str, hard[:2]))
        raise FolderError(f"--out {path} holds another run: {first}; choose another --out, or give --overwrite")
    if told and not rendered and not terms.accept_version:
        raise FolderError(
            f"--out {path} was measured by other code: {told[0]}; its rows and new ones may not be alike: "
            "--accept-version goes on and notes it; or choose another --out"
        )


def _unfinished(suite: Suite, identity: Mapping[str, Any], terms: Terms) -> Path | None:
    """The newest unfinished run of the same fingerprint."""
    if terms.fresh:
        return None
    for path, there, state in _runs_below(terms.reports / suite.name):
        if there["fingerprint"] == identity["fingerprint"] and not state.finished:
            return path
    return None


def _runs_below(home: Path) -> Iterator[tuple[Path, dict[str, Any], State]]:
    """Runs by their folders, the newest first; one that is damaged is passed over, whoever's it is."""
    for path in sorted(home.glob("*/"), reverse=True) if home.is_dir() else ():
        try:
            there, state = read_identity(path), read_state(path)
        except FolderError:
            continue
        if there is not None and state is not None:
            yield path, there, state


def near_miss(suite: Suite, identity: Mapping[str, Any], reports: Path) -> str:
    """A line about the newest unfinished run that all but threads and versions would allow to go on; else empty."""
    for path, there, state in _runs_below(reports / suite.name):
        if state.finished or state.clearing:
            continue
        told = differences(suite, there, identity)
        if told and all(difference.version or difference.name == "--threads" for difference in told):
            return f"{path} is unfinished, but {told[0]}: this is a new run (--out {path} goes on with that one)"
    return ""


def _new_id(suite: Suite, identity: Mapping[str, Any], terms: Terms) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = terms.reports / suite.name / f"{stamp}-{identity['fingerprint'][:6]}"
    return path if not path.exists() else path.with_name(f"{path.name}-{time.time_ns() % 1_000_000:06d}")
