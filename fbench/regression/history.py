"""Many runs of one suite, commit by commit: every benchmark's time over its control's, and where it stepped."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fbench.errors import DataError, NothingComparableError
from fbench.harness.contract import Column, Figure, Panel, Row, Series, Table
from fbench.regression.measured import MeasuredRun, Side, differences_between
from fbench.regression.sides import read_runs
from fbench.regression.steps import FEWEST_BESIDE, Step, find_steps, memory_of
from fbench.regression.timings import Timings, pooled
from fbench.results.words import counted
from fbench.units import format_percent

HISTORY_COLUMNS = (
    Column("benchmark", "str", "", "its name"),
    Column("place", "int", "", "of the commit in the history, from 0"),
    Column("commit", "str", "", "what was measured; a path where it is not known"),
    Column("when", "str", "", "its first run began"),
    Column("runs", "int", "", "of that commit that have it"),
    Column("ratio", "float", "", "time over the control's, against the benchmark's first commit"),
    Column("step", "bool", "", "whether times are others from here on"),
)
_MOST_PANELS, _MOST_NAMES, _NAME = 12, 12, 7
_LEAST_SPAN = 1.1
"""Of a panel's axis, as a ratio either way."""


@dataclass(frozen=True)
class BenchmarkCourse:
    """A benchmark through the history: places of commits that have it, logs of its ratio to the first, its steps."""

    name: str
    places: Sequence[int]
    logs: Sequence[float]
    steps: Sequence[Step]

    @property
    def change(self) -> float:
        """The last commit's time over the first's."""
        return math.exp(self.logs[-1])


@dataclass(frozen=True)
class TimeHistory:
    """Commits in the order of their runs, benchmarks through them, and what was left out."""

    commits: Sequence[Side]
    courses: Sequence[BenchmarkCourse]
    notes: Sequence[str]


def read_history(folder: Path, margin: float, *, force: bool = False) -> TimeHistory:
    """Every run below a folder by commit, in the order of their first runs; all runs of a commit are one point.

    Runs on another machine, or of other versions or options than the last one, are left out without ``force``, and so
    is what is damaged.

    Raises:
        DataError, FolderError: no such folder, or nothing in it that is not damaged.
        NothingComparableError: fewer than two commits.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give one that holds a run a commit")
    runs, notes = read_runs(folder, forgiving=True)
    runs = sorted((run for run in runs if run.timings), key=lambda run: (run.when, str(run.path)))
    kept = [run for run in runs if force or not _strange(runs[-1], run)]
    if len(kept) < len(runs):
        why = next(_strange(runs[-1], run)[0] for run in runs if run not in kept)
        notes.append(f"{counted([len(runs) - len(kept)], 'run')} left out, not of the last one's kind: {why}")
    commits = _by_commit(kept)
    if len(commits) < 2:
        more = "".join(f"; {note}" for note in notes[:1])
        held = f"{folder} holds {counted([len(commits)], 'commit')}"
        raise NothingComparableError(f"{held}: two or more make a history{more}")
    return TimeHistory(commits, _courses(commits, margin), notes)


def _by_commit(runs: Sequence[MeasuredRun]) -> list[Side]:
    """Runs in the order of their dates to commits in that of their first ones; a run without a commit is alone."""
    grouped: dict[str, list[MeasuredRun]] = defaultdict(list)
    for run in runs:
        grouped[run.commit or str(run.path)].append(run)
    return [Side(group[0].path, tuple(group)) for group in grouped.values()]


def _strange(last: MeasuredRun, run: MeasuredRun) -> list[str]:
    return differences_between(Side(last.path, (last,)), Side(run.path, (run,)))


def _courses(commits: Sequence[Side], margin: float) -> list[BenchmarkCourse]:
    """Every benchmark that two commits have; those with steps first, then those that moved the most."""
    timings = [_all_timings(side) for side in commits]
    names = dict.fromkeys(name for held in timings for name in held)
    places = {name: [place for place, held in enumerate(timings) if name in held] for name in names}
    places = {name: held for name, held in places.items() if len(held) > 1}
    logs = {name: _logs([timings[place][name] for place in at]) for name, at in places.items()}
    memory = memory_of(list(logs.values()))
    steps = {name: find_steps(logs[name], margin, len(places), memory) for name in places}
    courses = [BenchmarkCourse(name, at, logs[name], steps[name]) for name, at in places.items()]
    return sorted(courses, key=lambda course: (-len(course.steps), -abs(course.logs[-1])))


def _all_timings(side: Side) -> dict[str, Timings]:
    """By benchmark, of the runs that have it: one that was run again alone is not to cost the others their point."""
    names = dict.fromkeys(name for run in side.runs for name in run.timings)
    return {name: pooled(name, [run.timings[name] for run in side.runs if name in run.timings]) for name in names}


def _logs(points: Sequence[Timings]) -> list[float]:
    """Logarithms of a benchmark's times against the first; over the control's where every commit has one."""
    controlled = all(point.control is not None for point in points)
    values = [(point.relative if controlled else point.time).middle for point in points]
    return [value - values[0] for value in values]


def history_rows(history: TimeHistory) -> list[Row]:
    """A row a benchmark and commit, as ``HISTORY_COLUMNS`` say."""
    rows = []
    for course in history.courses:
        steps = {step.at for step in course.steps}
        for number, (place, log) in enumerate(zip(course.places, course.logs, strict=True)):
            side = history.commits[place]
            runs = sum(course.name in run.timings for run in side.runs)
            about = {"commit": side.revision, "when": side.first.when, "runs": runs}
            point = {"ratio": math.exp(log), "step": number in steps}
            rows.append({"benchmark": course.name, "place": place, **about, **point})
    return rows


def history_lead(history: TimeHistory) -> list[str]:
    """What the history shows, in a sentence or two."""
    stepped = [course for course in history.courses if course.steps]
    commits = counted([len(history.commits)], "commit")
    least = f"{2 * FEWEST_BESIDE} are the fewest for any" if len(history.commits) < 2 * FEWEST_BESIDE else ""
    none = f"no step is shown in {counted([len(history.courses)], 'benchmark')} over {commits}"
    stepping = f"{len(stepped)} of {counted([len(history.courses)], 'benchmark')} stepped in {commits}"
    first = f"{stepping}: {_step_words(history, stepped[0])}." if stepped else f"{none}{f'; {least}' if least else ''}."
    return [first[0].upper() + first[1:], *(f"Note: {note}." for note in history.notes)]


def _step_words(history: TimeHistory, course: BenchmarkCourse) -> str:
    step = max(course.steps, key=lambda step: abs(step.change))
    return f"{course.name} by {_percent(step.change)} at {_called(history, course, step)}"


def _called(history: TimeHistory, course: BenchmarkCourse, step: Step) -> str:
    return history.commits[course.places[step.at]].revision


def _percent(change: float) -> str:
    return format_percent(round(math.expm1(change), 3), signed=True)


def history_table(history: TimeHistory) -> Table:
    """A row a benchmark, those that stepped first."""
    rows = [
        [
            course.name,
            _percent(course.logs[-1]),
            ", ".join(f"{_percent(step.change)} at {_called(history, course, step)}" for step in course.steps),
            str(len(course.places)),
        ]
        for course in history.courses
    ]
    note = (
        "time over its control's where all commits have one; last: against the first. A step has p < 0.01 over all "
        f"benchmarks, by random orders of the runs, and {FEWEST_BESIDE} runs or more on either side."
    )
    return Table("History", ["benchmark", "last", "steps", "commits"], rows, note, ["commits"])


def history_figure(history: TimeHistory) -> Figure:
    """A panel a benchmark, at most twelve: those that stepped, then those that moved the most."""
    shown = history.courses[:_MOST_PANELS]
    left = len(history.courses) - len(shown)
    ratios = [math.exp(log) for course in shown for log in course.logs]
    ends = (
        min(*ratios, 1 / _LEAST_SPAN),
        max(*ratios, _LEAST_SPAN) * 1.02,
    )  # one scale: noise is not to look like steps
    names = [side.revision[:_NAME] for side in history.commits] if len(history.commits) <= _MOST_NAMES else []
    panels = [
        Panel(
            [Series("", course.places, [math.exp(log) for log in course.logs], colour=1)],
            "commit" if names else "commit, from 0",
            "time against the first",
            title=course.name.rpartition("/")[2],
            marks=[(course.places[step.at] - 0.5, _percent(step.change)) for step in course.steps],
            x_names=names,
            y_limits=ends,
        )
        for course in shown
    ]
    note = f"{left} more stand in the table" if left else ""
    return Figure(
        "history", "Time, over the control's where there is one, by commit; lines are steps", panels, note, pairs=True
    )
