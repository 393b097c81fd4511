"""From what was asked to a run's folder: a new study, one that is taken up, one that grows, or one replicated."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fbench.errors import FolderError, UsageError
from fbench.harness import options as typing
from fbench.harness.contract import Context
from fbench.harness.folder import RunFolder
from fbench.harness.growth import grow_options, held_already, replicate_options
from fbench.harness.identity import identify, read_identity
from fbench.harness.placing import enter, near_miss, standing
from fbench.harness.runner import Settings
from fbench.harness.suite import Suite
from fbench.measure.environment import environment
from fbench.results.figures import FIGURE_FILES, FigureFiles, figure_files
from fbench.runs.defined import definitions, loaded_entries
from fbench.runs.machines import note_machine


@dataclass(frozen=True)
class Study:
    """What is to be measured, how, and whose it is; ``notes`` are lines for whoever asked."""

    suite: Suite
    options: Any
    settings: Settings
    identity: Mapping[str, Any]
    files: FigureFiles = FIGURE_FILES
    notes: tuple[str, ...] = field(default=())


def plan_study(suite: Suite, typed: Mapping[str, Any], by_hand: Set[str], loads: tuple[Path, ...] = ()) -> Study:
    """What was typed as a study, with what its folder, or the run that it replicates, says of what was not typed.

    Raises:
        UsageError: an option that cannot be.
        FolderError: a folder that cannot be used so.
    """
    asked = set(by_hand) | set(typing.preset_options(suite, typed))
    typed = typing.read_numbers(suite, typing.apply_preset(suite, typed, by_hand))
    typing.check_together(suite, typed, by_hand)
    files, terms = figure_files(typed["figure_format"], typed["figure_width"]), typing.terms(typed)
    there, source = standing(suite, terms), _source(suite, typed["replicate"])
    typed = _as_there(typed, by_hand, there or source)
    settings = typing.settings(suite, typed, loads)
    context = Context(settings.devices, settings.threads, asked=frozenset(asked))
    if there is not None:
        options = grow_options(suite, there["options"], typed, asked, context)
    elif source is not None:
        options = replicate_options(suite, source["options"], typed, asked, context)
    else:
        options = typing.resolve_options(suite, typed, context)
    defined = loaded_entries(definitions(suite, options))
    identity = identify(suite, options, settings.devices, settings.threads, loads, defined)
    if source is not None:
        identity["replicates"] = {"run": typed["replicate"], "fingerprint": source["fingerprint"]}
    notes = [near_miss(suite, identity, terms.reports) if there is None and not (terms.fresh or terms.out) else ""]
    notes += held_already(suite, there["options"], typed, asked) if there is not None else []
    return Study(suite, options, settings, identity, files, tuple(filter(None, notes)))


def start(study: Study) -> tuple[RunFolder, str]:
    """The study's folder, locked, and how it was entered: new, taken up, grown or finished."""
    settings = study.settings
    now = datetime.now(UTC).isoformat(timespec="seconds")
    where = {**environment(settings.devices, settings.threads), "jobs": settings.jobs, "started": now}
    if settings.cluster is not None and settings.cluster.address:  # else it is this machine
        where["cluster"] = str(settings.cluster)
    folder, opening = enter(study.suite, study.identity, settings.terms, where)
    if opening in ("taken up", "grown"):
        try:
            note_machine(folder, where)
        except BaseException:
            folder.close()
            raise
    return folder, opening


def _source(suite: Suite, folder: str) -> dict[str, Any] | None:
    """The identity of the run that is replicated."""
    if not folder:
        return None
    identity = read_identity(Path(folder)) if Path(folder).is_dir() else None
    if identity is None:
        raise FolderError(
            f"--replicate {folder}: holds no run of fbench; give the folder of one, in which options.json is"
        )
    if identity["suite"] != suite.name:
        raise UsageError(f"--replicate {folder} is a run of `fbench {identity['suite']}`, not of `fbench {suite.name}`")
    return identity


def _as_there(typed: Mapping[str, Any], by_hand: Set[str], there: Mapping[str, Any] | None) -> dict[str, Any]:
    """The typed options, with the threads and devices of a run that is gone on with where none were typed."""
    typed = dict(typed)
    if there is not None and "threads" not in by_hand:
        typed["threads"] = there["threads"]
    if there is not None and not {"device", "gpus"} & by_hand:
        typed["device"] = ",".join(there["devices"])
    return typed
