"""What a suite and the harness say to each other: plain values, no behaviour.

Going in: ``Case`` (one point of the grid) and ``Context`` (where it runs, what is already on disk).
Coming back: ``Unit`` (rows that are committed together) and, at the end of a run, ``Summary``
(tables, findings and figures as descriptions; ``fbench.results`` draws them).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

Row = dict[str, Any]
"""One line of a CSV by column; None is an empty cell."""
Tables = Mapping[str, Sequence[Row]]
"""Rows by table, ``results`` among them."""
PointT = TypeVar("PointT")


@dataclass(frozen=True)
class Column:
    """One column of a CSV: what ``fbench columns`` prints and what a test holds the files to."""

    name: str
    type: Literal["str", "int", "float", "bool"]
    unit: str
    meaning: str


COMMON_COLUMNS = (
    Column("case", "str", "", "point of the grid this row belongs to"),
    Column("status", "str", "", "ok, oom (ran out of memory), failed or skipped"),
    Column("reason", "str", "", "why the status is not ok; empty otherwise"),
)


MOST_WHOLE, MOST_REAL = 10**9, 1e15
"""What a number that is typed may be at most, where its ``Option`` says nothing else."""


@dataclass(frozen=True)
class Option:
    """How a field of a suite's options is typed on the command line, beside its type: ``Annotated[type, Option(...)]``.

    ``parse`` turns the typed text into the field's value (and raises ``UsageError``); a field without it is typed as
    what it is, a number, a text or a flag. ``minimum`` and ``maximum`` bound a number, and every number of a sweep or
    list, both inclusive; ``above`` is a bound that it must exceed. Where there is no ``maximum`` it is ``MOST_WHOLE``
    for whole numbers and ``MOST_REAL`` for others, and their negatives where there is no lower bound: nobody means
    more, and sums and products of what is typed stay in range. ``axis`` names the coordinate that the option spans in
    the grid; its values are the resolved option, or ``expand(value, options)`` where that differs.

    ``grows(before, after)`` merges what a run has with what is asked of it now, so that it may grow in place; an option
    without it stays as it was. ``renew(before, asked)`` gives ``--replicate`` other values, of what is asked if
    something is. ``spell`` writes a value as it is typed, where that is not its text, or its items with commas between.
    ``excludes(value)`` names the options that may not be typed beside it. A ``recorded`` option changes no number; a
    ``hidden`` one is not typed, but set by the suite.
    """

    help: str
    parse: Callable[[Any], Any] | None = None
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    axis: str | None = None
    expand: Callable[[Any, Any], Sequence[Any]] | None = None
    grows: Callable[[Any, Any], Any] | None = None
    renew: Callable[[Any, Any | None], Any] | None = None
    spell: Callable[[Any], str] | None = None
    excludes: Callable[[Any], Sequence[str]] | None = None
    recorded: bool = False
    hidden: bool = False


MATHEMATICS = "\ue000", "\ue001"
"""What ``mathematics`` begins and ends with: letters of nobody's alphabet."""


def mathematics(text: str) -> str:
    r"""A formula in a figure's text, as matplotlib's mathtext spells it; all else in figures is text, ``$`` included.

    Example:
        >>> panel = Panel([], "round", f"mean {mathematics(r'w_j^2 F_j')}")
    """
    return MATHEMATICS[0] + text + MATHEMATICS[1]


def typed(text: str) -> Any:
    """Give a parsed field its default, as it would be typed on the command line.

    It is parsed where options are made (``Suite.typed``), not where they are declared.

    Example:
        >>> from typing import Annotated
        >>> from fbench.harness.sweep import parse_sweep
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Options:
        ...     sizes: Annotated[tuple[int, ...], Option("a sweep", parse=parse_sweep)] = typed("64..4096")
    """
    return dataclasses.field(metadata={"typed": text})


@dataclass(frozen=True)
class Case(Generic[PointT]):
    """One point of the grid: ``point`` is the suite's own NamedTuple, a coordinate an axis, and ``id`` spells it.

    A coordinate that a case does not have is None, and is not spelled.
    """

    id: str
    point: PointT


@dataclass(frozen=True)
class Context:
    """What a measure may know of its surroundings: where it runs, on how many threads, and what is on disk.

    ``committed`` holds this case's rows that are already on disk, by table, and ``done`` counts their units: a measure
    that resumes starts after them. ``ends_at`` is when ``time.monotonic()`` has reached the end of a run whose suite
    has a ``limit_s``: no unit begins after it. ``asked`` names the options that were typed, or that a preset has, while
    the options are resolved.
    """

    devices: tuple[str, ...] = ("cpu",)
    threads: int = 1
    committed: Tables = field(default_factory=dict)
    done: int = 0
    ends_at: float = math.inf
    asked: frozenset[str] = frozenset()

    @property
    def over(self) -> bool:
        """Whether the time of the run is spent."""
        return time.monotonic() >= self.ends_at


@dataclass(frozen=True)
class Unit:
    """What is written, or lost, together: rows of ``results`` and of the side tables.

    A case whose units are not counted beforehand says in ``left_s`` how many seconds it may still take; so does one
    whose first unit has much in it that does not come again.
    """

    index: int
    rows: Sequence[Row]
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    left_s: float | None = None


@dataclass(frozen=True)
class Table:
    """A table to print: ``rows`` hold strings that are ready to be read.

    ``optional`` names columns that a narrow terminal may leave out, the first one first; files have all.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    optional: Sequence[str] = ()


@dataclass(frozen=True)
class Series:
    """One line of a figure, its interval, and every raw point behind it as (x, y).

    ``points`` as a style leaves the line out and draws intervals as bars; ``bars`` has a bar at every x, which are 1
    apart, beside those of the panel's other ``bars``. A y of NaN is a gap, and no bar. A series that is ``like``
    another of its panel, named by its label, is drawn in that one's colour; one whose own label is empty does not stand
    in the legend. ``colour`` is a place of the palette, for what shall look alike in several panels. ``places`` are
    diamonds whose interval lies: its ends are two x.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    points: Sequence[tuple[float, float]] = ()
    style: Literal["line", "dashed", "points", "bars", "places"] = "line"
    like: str = ""
    colour: int | None = None


@dataclass(frozen=True)
class Heat:
    """A colour for every pair of an x and a y, both rising; a value of NaN is a gap, hatched and in no colour.

    ``values`` has a row for each of ``y``, ``label`` says what they are and in which unit. Colours begin at 0, so that
    rounding does not look like a difference, or at what is less; ``log`` spreads them over the logarithm of what is
    above 0 and leaves the rest grey.
    """

    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float]]
    label: str
    log: bool = False


@dataclass(frozen=True)
class Panel:
    """One pair of axes; ``marks`` are vertical lines, each at an x with a text.

    ``x_names`` and ``y_names`` are categories at 0, 1, 2, … in place of ticks; ``bands`` are shaded spans from one x to
    another, each with a text above it, which may be empty. ``heat`` lies under the series. A logarithmic axis whose
    ``y_linear`` is above 0 is linear up to there, and so has a place for 0. ``y_limits`` are the ends of its axis,
    beyond which intervals are cut off; ``y_most`` is where it ends at the latest, as 1 for a share. ``dodge`` is how
    far apart the raw points of neighbouring series stand, in the least distance of two x.
    """

    series: Sequence[Series]
    x_label: str
    y_label: str
    title: str = ""
    x_ticks: Sequence[float] = ()
    x_log: bool = False
    y_log: bool = False
    y_ticks: Sequence[float] = ()
    marks: Sequence[tuple[float, str]] = ()
    x_names: Sequence[str] = ()
    bands: Sequence[tuple[float, float, str]] = ()
    heat: Heat | None = None
    y_names: Sequence[str] = ()
    y_linear: float = 0.0
    y_limits: tuple[float, float] | None = None
    y_most: float | None = None
    dodge: float = 0.12


@dataclass(frozen=True)
class Figure:
    """One file of ``figures/``: its panels side by side.

    More than two stand in rows of two where ``pairs`` says so, which has the legend in a place left over, or where all
    have ``x_names``.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    note: str = ""
    pairs: bool = False


VerdictWord = Literal["yes", "no", "not shown", "too few", "unreliable"]
"""What the rows say of a question; ``too few`` repetitions to say, ``unreliable`` where the machine was too busy to."""


@dataclass(frozen=True)
class Answer:
    """A question of the suite's, answered: one sentence with its number and interval, and what to do about it.

    A sentence has at most 30 words, an advice at most 20, and both are understood without their neighbours.
    """

    question: str
    verdict: VerdictWord
    sentence: str
    advice: str = ""

    @property
    def reply(self) -> str:
        """The sentence and the advice."""
        return " ".join(filter(None, [self.sentence, self.advice]))

    def __str__(self) -> str:
        return " ".join(filter(None, [f"{self.question} {self.verdict.capitalize()}.", self.reply]))


@dataclass(frozen=True)
class Evidence:
    """What lies behind the answers, under a heading: claims of at most 40 words, a bullet each, tables and figures."""

    heading: str
    claims: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Summary:
    """What a run says, the answer first.

    ``lead`` are the three lines that a reader takes away: what was found, its numbers, what to do. ``answers`` follow,
    one a question; then the main table and figure (``tables`` and ``figures``, in most suites one each); then all
    ``evidence``. ``findings`` are sentences without a question, for suites that have no more than these to say.
    """

    tables: Sequence[Table] = ()
    findings: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    lead: Sequence[str] = ()
    answers: Sequence[Answer] = ()
    evidence: Sequence[Evidence] = ()

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """Every table, the main one first."""
        return (*self.tables, *(table for part in self.evidence for table in part.tables))

    @property
    def all_figures(self) -> tuple[Figure, ...]:
        """Every figure, the main one first."""
        return (*self.figures, *(figure for part in self.evidence for figure in part.figures))
