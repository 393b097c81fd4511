"""A gate from start to end: find, build, start, play, judge, and leave nothing behind."""

from __future__ import annotations

import contextlib
import filecmp
import platform
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fbench.errors import NothingComparableError, UsageError, shorten
from fbench.gate.builds import Build, make_build
from fbench.gate.options import GateOptions
from fbench.gate.playing import Played, play
from fbench.gate.processes import GateSide, renew
from fbench.gate.sources import Project, Source, find_project, find_revision, working_tree
from fbench.gate.verdict import GateReport, judge_gate
from fbench.gate.weighing import Weighed, judge_weighed, weigh_in_turn
from fbench.harness.disk import make_folder, writing
from fbench.measure.environment import cpu_model, usable_cores
from fbench.measure.memory.growth import reset_high_water
from fbench.regression.pairs_file import PairedSamples, write_pairs
from fbench.results.words import counted, first_few

_MOST_NAMED = 3


def run_gate(
    options: GateOptions, folder: Path, out: Path, tell: Callable[[str], None] = lambda line: None
) -> GateReport:
    """Compare the working tree of ``folder`` with a revision; writes the pairs to ``out`` after every round.

    ``tell`` gets a line when something begins that takes its time.

    Raises:
        UsageError: there is no git or project, a side does not build, or imports other sources than its own.
        NothingComparableError: no such revision, no such benchmark, or none that both sides have.
        FolderError: ``out`` cannot be written.
    """
    _check_system(options)
    project = find_project(folder)
    base, new = find_revision(project, options.against), working_tree(project, out)
    paths = _inside(folder, project, options.paths)
    _prepare(out)
    with _workplace() as work:
        tell(f"Building {base.called} and {new.called}.")
        builds = [make_build(project, source, work / side, paths) for source, side in ((base, "base"), (new, "new"))]
        with contextlib.ExitStack() as stack:
            sides = [stack.enter_context(side) for side in _sides(builds, work, paths, options)]
            rng = random.Random(options.seed)
            renew(sides, rng)
            names = _shared_names(sides, options)
            tell(f"Measuring {counted([len(names)], 'benchmark')} in turn, {options.budget_s:g} s at most.")
            begun = time.monotonic()
            played = play(
                sides,
                names,
                threshold=options.threshold,
                budget_s=options.budget_s,
                clock=time.monotonic,
                rng=rng,
                renew=lambda: renew(sides, rng),
                after_round=lambda played: _write(out, base, new, options, played),
            )
            spent_s = time.monotonic() - begun
            weighed = _weighed(sides, played, options, tell)
        _write(out, base, new, options, played, weighed)
        notes = [*_notes(new, sides, options), *_changed_files(builds, names), *_skips(played)]
    rows = judge_gate(played, options.threshold)
    peaks = judge_weighed(weighed, options.threshold)
    failed = [*_failures(played), *_failures(weighed)]
    return GateReport(base.called, new.called, options.threshold, rows, failed, notes, peaks, spent_s)


def _check_system(options: GateOptions) -> None:
    if options.memory and reset_high_water() is None:
        raise UsageError(
            "--memory reads a high-water mark that this system does not let a process reset (Linux's "
            "/proc/self/clear_refs): leave it out"
        )


def _weighed(
    sides: Sequence[GateSide], played: Mapping[str, Played], options: GateOptions, tell: Callable[[str], None]
) -> dict[str, Weighed]:
    """Peaks of what did not fail while it was timed; none where they are not asked for."""
    names = [name for name, one in played.items() if not one.failed]
    if not options.memory or not names:
        return {}
    tell(f"Weighing {counted([len(names)], 'benchmark')} in processes of their own, {options.budget_s:g} s at most.")
    rng = random.Random(options.seed)
    return weigh_in_turn(sides, names, budget_s=options.budget_s, clock=time.monotonic, rng=rng)


@contextlib.contextmanager
def _workplace() -> Iterator[Path]:
    """A folder that is gone afterwards, whatever happens; a second Ctrl-C does not stop that half-way."""
    work = Path(tempfile.mkdtemp(prefix="fbench-gate-"))
    try:
        yield work
    finally:
        while work.exists():
            with contextlib.suppress(KeyboardInterrupt):
                shutil.rmtree(work, ignore_errors=True)
                break


def _prepare(out: Path) -> None:
    """Refused before anything is built."""
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder: give the file for the pairs")
    with writing(out.parent):
        make_folder(out.parent)


def _inside(folder: Path, project: Project, paths: Sequence[str]) -> list[str]:
    """The paths as they are from the repository's root."""
    inside = []
    for path in paths:
        place = (folder / path.partition("::")[0]).resolve()
        if not place.exists():
            raise NothingComparableError(f"{shorten(path)}: there is no such file or folder of benchmarks")
        if project.root not in (place, *place.parents):
            raise UsageError(f"{shorten(path)} lies outside of {project.root}: a revision cannot have it")
        inside.append(str(place.relative_to(project.root)) + path[len(path.partition("::")[0]) :])
    return inside


def _sides(builds: Sequence[Build], work: Path, paths: Sequence[str], options: GateOptions) -> Iterator[GateSide]:
    """The base twice, the second for the floor, and the new one."""
    for role, build in (("base", builds[0]), ("again", builds[0]), ("new", builds[1])):
        top = work / ("new" if role == "new" else "base") / "source"
        there = [path for path in paths if (top / path.partition("::")[0]).exists()]
        missing = [path for path in paths if path not in there]
        if missing and (options.names is None or not there):
            raise NothingComparableError(
                f"{build.source.called} has no {shorten(missing[0])}: there is nothing to compare with"
            )
        words = [str(top / path) for path in there] or [str(build.home)]
        yield GateSide(role, build, words, work / f"empty-{role}", timeout_s=options.timeout_s)


def _shared_names(sides: Sequence[GateSide], options: GateOptions) -> list[str]:
    base, _, new = sides
    names = [name for name in base.names if name in new.names and _wanted(name, options)]
    if not names:
        broken = [*base.broken, *new.broken]
        more = f" ({broken[0]})" if broken else ""
        counts = " and ".join(f"{side.build.source.called} has {len(side.names)}" for side in (base, new))
        raise NothingComparableError(f"no benchmark is on both sides: {counts}{more}")
    return names


def _wanted(name: str, options: GateOptions) -> bool:
    return options.names is None or name in options.names


def _write(
    out: Path,
    base: Source,
    new: Source,
    options: GateOptions,
    played: Mapping[str, Played],
    weighed: Mapping[str, Weighed] | None = None,
) -> None:
    """The pairs so far, in the form that ``fbench diff`` reads; the base's second process goes with the base."""
    measured = {name: one for name, one in played.items() if one.pairs}
    if not measured:
        return
    again = {name: one.again_s for name, one in measured.items()}
    machine: dict[str, Any] = {
        "processor": cpu_model(),
        "processors": usable_cores(),
        "python": platform.python_version(),
    }
    peaks = {
        role: {name: one.peak_bytes[role] for name, one in (weighed or {}).items()} for role in ("base", "again", "new")
    }
    samples = PairedSamples(
        {name: one.pairs for name, one in measured.items()},
        {"revision": base.called, "commit": base.commit, "again_s": again}
        | ({"peak_bytes": peaks["base"], "again_peak_bytes": peaks["again"]} if weighed else {}),
        {"revision": new.called, "commit": new.commit, "dirty": new.dirty, "threshold": options.threshold}
        | ({"peak_bytes": peaks["new"]} if weighed else {}),
        machine,
    )
    with writing(out):
        write_pairs(out, samples)


def _failures(played: Mapping[str, Played | Weighed]) -> list[str]:
    """A line for each benchmark: on which side, and why."""
    lines = []
    for name, one in played.items():
        sides = {role: why for role, why in one.failed.items() if role != "again" or "base" not in one.failed}
        if sides and not _is_skipped(one):
            where = (
                "both sides"
                if {"base", "new"} <= one.failed.keys()
                else " and ".join("the new side" if role == "new" else "the base" for role in sides)
            )
            lines.append(f"{name} {next(iter(sides.values()))}, on {where}")
    return lines


def _is_skipped(one: Played | Weighed) -> bool:
    """By the test's own word, on both sides: that is no fault."""
    return all(one.failed.get(role, "").startswith("is skipped") for role in ("base", "new"))


def _skips(played: Mapping[str, Played]) -> list[str]:
    return [f"{name} {one.failed['new']}, on both sides" for name, one in played.items() if _is_skipped(one)]


def _notes(new: Source, sides: Sequence[GateSide], options: GateOptions) -> list[str]:
    base, _, other = sides
    lines = []
    if new.dirty:
        named = first_few(new.changed, _MOST_NAMED)
        lines.append(f"the working tree has changes that are not committed: they are in what was measured ({named})")
    for side, rest in ((base, other), (other, base)):
        lines += [f"{side.build.source.called}: {line}" for line in side.broken[:_MOST_NAMED]]
        alone = [name for name in side.names if name not in rest.names and _wanted(name, options)]
        if alone:
            lines.append(f"only {side.build.source.called} has {first_few(alone, _MOST_NAMED)}")
    return lines


def _changed_files(builds: Sequence[Build], names: Sequence[str]) -> list[str]:
    """Files of benchmarks, and conftest.py above them, that differ: what differs in time may be the benchmark."""
    paths = [Path(name.partition("::")[0]) for name in names]
    files = dict.fromkeys(file for path in paths for file in (path, *(up / "conftest.py" for up in path.parents)))
    changed = [str(file) for file in files if not _is_alike(*(build.home / file for build in builds))]
    if not changed:
        return []
    verb = "differs" if len(changed) == 1 else "differ"
    return [f"{', '.join(changed)} {verb} between the two: each side runs its own, and a change may be the benchmark's"]


def _is_alike(first: Path, second: Path) -> bool:
    """Whether both sides have the file, and the same one, or neither has it."""
    if first.is_file() and second.is_file():
        return filecmp.cmp(first, second, shallow=False)
    return first.is_file() == second.is_file()
