"""A run as a value: its rows as DataFrames, its answers, figures and settings; from any machine, nothing written."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.errors import FbenchError, NothingMeasuredError, UnknownNameError, UsageError
from fbench.harness.contract import Answer, Summary
from fbench.harness.suite import values_of
from fbench.results import render
from fbench.results.figures import figure_files
from fbench.results.plain import file_stem
from fbench.results.words import counted
from fbench.runs.frames import frame
from fbench.runs.latex import latex_table
from fbench.runs.loading import load_again
from fbench.runs.machines import machine_rows, machines_of
from fbench.runs.reading import Reading, read_folder
from fbench.runs.report import Report, drawn, summarised

if TYPE_CHECKING:
    import pandas as pd


def open_run(path: str | Path, loads: Sequence[str | Path] = ()) -> Run:
    """Open a run's folder to read it: finished, unfinished, or being written by another process right now.

    Everything is held to its SHA-256; nothing is locked or written. A run of a suite of your own needs its file in
    ``loads``, which is run as it is: no file is run because a folder names it.

    Example:
        >>> from pathlib import Path
        >>> home = Path(__file__).parents[2] / "reports" / "reference" / "fisher"
        >>> if home.is_dir():
        ...     assert open_run(home).results["time_s"].median() > 0

    Raises:
        FolderError: no run is there, or a file of it is damaged; names it.
        UsageError: the run is of a suite that is not registered; names the file that declares it.
    """
    load_again([Path(file) for file in loads])
    return Run(read_folder(Path(path)))


@dataclass(frozen=True, eq=False)
class Run:
    """What is in a run's folder, as it was when it was opened.

    A table is a DataFrame of a row an observation; its columns are what ``fbench columns`` says, as ``Int64``,
    ``float64``, ``boolean`` and ``string``. An empty cell is NA (NaN in ``float64``).

    Example:
        >>> from pathlib import Path
        >>> home = Path(__file__).parents[2] / "reports" / "reference" / "fisher"
        >>> if home.is_dir():
        ...     run = open_run(home)
        ...     assert (run.suite, run.finished, run.settings["passes"]) == ("fisher", True, 8)
    """

    reading: Reading

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.reading.path

    @property
    def suite(self) -> str:
        """The name of the suite, as in ``fbench SUITE``."""
        return self.reading.suite.name

    @property
    def finished(self) -> bool:
        """Whether every unit of it is there."""
        return self.reading.state.finished

    @property
    def units(self) -> tuple[int, int | None]:
        """Units that are there, and those of the whole run; None where nobody knows before its end."""
        return self.reading.units

    @property
    def spent_s(self) -> float:
        """Seconds that it has taken; of a merged run, of all its parts together."""
        return self.reading.state.spent_s

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be mended to read it, a line each."""
        return self.reading.notes

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """Every option by name, parsed, and ``devices``, ``threads``, ``loaded`` files and ``history``."""
        identity = self.reading.identity
        how = {name: identity.get(name, []) for name in ("devices", "threads", "loaded", "history")}
        return {**values_of(self.reading.options), **how}

    @property
    def environment(self) -> dict[str, Any]:
        """What ``environment.json`` says; of a merged run, that of every part under ``machines``."""
        return dict(self.reading.environment)

    @functools.cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, ``results`` among them."""
        return {name: frame(columns, self.reading.rows[name]) for name, columns in self.reading.columns.items()}

    @property
    def results(self) -> pd.DataFrame:
        """The table ``results``."""
        return self.tables["results"]

    @functools.cached_property
    def machines(self) -> pd.DataFrame:
        """Where every unit was measured: case, unit, machine (its place in ``environment``), cpu, gpu and run."""
        columns, rows = machine_rows(self.reading)
        return frame(columns, rows)

    @functools.cached_property
    def report(self) -> Report:
        """The summary and the sentence that says where it was measured.

        Raises:
            NothingMeasuredError: there is no good row, or too few of an unfinished run to answer anything.
        """
        reading = self.reading
        try:
            return summarised(
                reading.suite,
                reading.options,
                reading.rows,
                reading.identity,
                reading.environment,
                self.spent_s,
                self.path,
            )
        except NothingMeasuredError:
            raise
        except Exception as error:
            if self.finished:
                raise
            first = str(error) if isinstance(error, FbenchError) else f"{type(error).__name__}: {error}"
            raise NothingMeasuredError(
                f"{self.path} is unfinished ({self.progress}), which is too little to answer: {first}; go on with it"
            ) from error

    @property
    def progress(self) -> str:
        """How far it is, as words: ``12 of 44 rounds in 4 cases``."""
        done, units = self.units
        of = "" if units is None else f" of {units}"
        return f"{done}{of} {self.reading.suite.unit}s in {counted([self.reading.cases], 'case')}"

    @property
    def summary(self) -> Summary:
        """Tables, findings and figures as values."""
        return self.report.summary

    @property
    def lead(self) -> tuple[str, ...]:
        """The three lines that a reader takes away; none of a suite that answers no question."""
        return tuple(self.summary.lead)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The suite's questions with their verdicts, a sentence and an advice each."""
        return tuple(self.summary.answers)

    @property
    def findings(self) -> tuple[str, ...]:
        """All that the run says, a sentence each, in its order: lead, answers, findings, and the evidence's claims."""
        claims = [claim for part in self.summary.evidence for claim in part.claims]
        return (*self.lead, *map(str, self.answers), *self.summary.findings, *claims)

    @property
    def figures(self) -> dict[str, str]:
        """What each figure shows, by name."""
        return {figure.name: figure.title for figure in self.summary.all_figures}

    def figure(self, name: str, kind: str = "png") -> bytes:
        """A figure's file, drawn from the rows: ``png``, ``svg`` or ``pdf``.

        Raises:
            UnknownNameError: no such figure.
            UsageError: another kind of file.
        """
        files = figure_files(kind)
        if name not in self.figures:
            raise UnknownNameError("figure", name, self.figures)
        [figure] = [figure for figure in self.summary.all_figures if figure.name == name]
        return drawn(figure, files)[f"figures/{file_stem(name)}.{kind}"]

    def to_markdown(self) -> str:
        """Answers, tables, evidence and how it was measured, as ``summary.md`` has them, without its figures."""
        evidence = [replace(part, figures=()) for part in self.summary.evidence]
        return replace(self.report, summary=replace(self.summary, figures=(), evidence=evidence)).markdown

    def to_latex(self, table: int = 0) -> str:
        r"""A table of the summary, the main one first, for a paper (``\usepackage{booktabs}``).

        Raises:
            UsageError: the summary has no such table.
        """
        tables = self.summary.all_tables
        if not 0 <= table < len(tables):
            raise UsageError(f"table {table}: {self.path} has {len(tables)}, counted from 0")
        return latex_table(tables[table], self.report.where)

    def _repr_markdown_(self) -> str:
        """The run in a notebook."""
        try:
            return self.to_markdown()
        except FbenchError as error:
            return f"**fbench {self.suite}**: {error}"

    def __repr__(self) -> str:
        state = "finished" if self.finished else "unfinished"
        return f"Run({str(self.path)!r}: {self.suite}, {state}, {self.progress})"


def changed_settings(run: Run) -> Iterator[tuple[str, Any]]:
    """Options that are not at their default, with what they are; hidden and automatic ones too, where they say more."""
    for parameter, value in run.reading.suite.changed(run.reading.options):
        yield parameter.name, value


def describe_machines(run: Run) -> str:
    """The devices of the run, each once.

    Example:
        >>> from pathlib import Path
        >>> home = Path(__file__).parents[2] / "reports" / "reference" / "fisher"
        >>> if home.is_dir():
        ...     assert describe_machines(open_run(home)) == "AMD EPYC"
    """
    return ", ".join(dict.fromkeys(render.devices_of(machine) for machine in machines_of(run.environment)))
