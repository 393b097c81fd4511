"""A run as far as it can be compared with another: what it measured, on what, by which code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fbench.errors import NothingComparableError
from fbench.regression.timings import Timings, pooled

Areas = Mapping[str, Mapping[int, float]]
"""Areas under learning curves, by strategy and seed."""
Peaks = Mapping[str, Mapping[int, float]]
"""Bytes that a case grew by at its peak, by case and round."""


@dataclass(frozen=True)
class MeasuredRun:
    """One run: a run folder of fbench, or a JSON file of pytest-benchmark.

    Attributes:
        path: where it was read.
        kind: what made it, as ``pytest-benchmark`` or ``fbench chunksize``.
        when: when it began, in ISO 8601; empty where it does not say.
        commit: of the code that was measured; empty where it does not say.
        facts: what must be the same in two runs that are compared, by name: machine, versions, options.
        noted: what is said where it differs, by name.
        settings: of every benchmark, in one text, where it has its own.
        timings: by benchmark.
        areas: of a run of learning curves.
        margin: of their area that does not matter; 0 where there are none.
        peaks: of a run that watched memory.
        notes: what had to be passed over to read it, a line each.
    """

    path: Path
    kind: str
    when: str = ""
    commit: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, Timings] = field(default_factory=dict)
    areas: Areas = field(default_factory=dict)
    margin: float = 0.0
    peaks: Peaks = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of two revisions: a run, or several of the same code."""

    path: Path
    runs: tuple[MeasuredRun, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> MeasuredRun:
        """The run that speaks for the others: what they were measured on is compared run by run."""
        return self.runs[0]

    @property
    def timings(self) -> dict[str, Timings]:
        """By benchmark, of those that every run has."""
        shared = [name for name in self.first.timings if all(name in run.timings for run in self.runs)]
        return {name: pooled(name, [run.timings[name] for run in self.runs]) for name in shared}

    @property
    def revision(self) -> str:
        """The first letters of its commits; its path where no commit is known."""
        commits = dict.fromkeys(run.commit[:9] for run in self.runs)
        return ", ".join(commits) if all(commits) else str(self.path)


def differences_between(base: Side, new: Side) -> list[str]:
    """Every fact in which a run differs from the first of the base, a line each: such runs are not of one kind.

    Example:
        >>> one, other = (MeasuredRun(Path("a"), "x", facts={"cores": n}) for n in ("2", "4"))
        >>> differences_between(Side(Path("a"), (one,)), Side(Path("b"), (other,)))
        ['cores: 2 against 4']
    """
    return list(dict.fromkeys(line for run in (*base.runs, *new.runs) for line in _differing(base.first, run)))


def _differing(first: MeasuredRun, run: MeasuredRun) -> Iterator[str]:
    if first.kind != run.kind:
        yield f"made by {first.kind} against {run.kind}"
        return
    for name in first.facts:
        if (
            run.facts.get(name, first.facts[name]) != first.facts[name]
        ):  # what one of them does not say is no difference
            yield f"{name}: {first.facts[name]} against {run.facts[name]}"
    changed = [name for name in first.settings if run.settings.get(name, first.settings[name]) != first.settings[name]]
    if changed:
        name = changed[0]
        more = f" (and of {len(changed) - 1} more)" if len(changed) > 1 else ""
        yield f"options of {name}{more}: {first.settings[name]} against {run.settings[name]}"


def notes_on(base: Side, new: Side) -> list[str]:
    """What is said of both and forbids nothing: passed over, another host or kernel, runs of several commits."""
    lines = [*base.notes, *new.notes, *(note for run in (*base.runs, *new.runs) for note in run.notes)]
    for name in dict.fromkeys([*base.first.noted, *new.first.noted]):
        one, other = (
            ", ".join(dict.fromkeys(run.noted.get(name, "unknown") for run in side.runs)) for side in (base, new)
        )
        if one != other:
            lines.append(f"{name}: {one} against {other}")
    for side in (base, new):
        commits = {run.commit for run in side.runs}
        if len(commits) > 1:
            lines.append(f"{side.path} holds runs of {len(commits)} commits, which count as one revision")
    return list(dict.fromkeys(lines))


def check_comparable(base: Side, new: Side, *, force: bool) -> list[str]:
    """The differences of two sides that are compared all the same.

    Raises:
        NothingComparableError: they differ, and ``force`` does not ask to compare them; names every difference.
    """
    lines = differences_between(base, new)
    if lines and not force:
        raise NothingComparableError(
            f"{base.path} and {new.path} are not of one kind: {'; '.join(lines)}. Measure both alike, or give --force"
        )
    return lines
