"""Every error that fbench raises on purpose, and the exit code each one means.

    FbenchError                     70  our own fault, unless a subclass says otherwise
    ├── UsageError                   2  anything the user can mend
    │   ├── SweepError                  a range or list that does not parse, with a caret under the fault
    │   ├── UnknownNameError            no such suite, strategy, data set, …; names the nearest
    │   ├── InputError                  a value or tensor that the mathematics cannot take (also a ValueError)
    │   │   └── TooLargeError           a problem whose state would not fit into memory (also a MemoryError)
    │   ├── ForeignError                a mistake in code that the user registered, with its file and line
    │   ├── DataError                   data that is missing, corrupt or not what it says it is
    │   ├── DeviceError                 a device that is not there
    │   └── FolderError                 a run folder that cannot be written or belongs to something else
    ├── NothingMeasuredError         4  a run that ended without one measured row
    ├── NothingComparableError       4  no baseline, or two measurements with nothing that may be compared
    ├── LostRankError                4  another process of a selection over several has ended or does not answer
    └── StoppedError               130  Ctrl-C or SIGTERM, told by a command that knows what it leaves

Only ``cli`` catches these. A message names the value, the rule it broke and the remedy, in one line
(a ``SweepError`` adds the text and a caret below).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_LONG = 40
"""Letters of a typed value that a message repeats; the text of a sweep gets twice as many around the fault."""


def shorten(typed: object) -> str:
    """What was typed, as a message repeats it: its first letters where there are more than 40, and how many.

    Example:
        >>> shorten("12"), shorten("9" * 310)
        ('12', '9999999999999999999999999999999999999999… (310 letters)')
    """
    text = str(typed)
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text):,} letters)"


def _excerpt(text: str, position: int) -> tuple[str, int]:
    """A part of a long text around a position in it, and the position in the part."""
    first = max(0, position - _LONG) if len(text) > 2 * _LONG else 0
    last = min(len(text), position + _LONG) if len(text) > 2 * _LONG else len(text)
    before, after = "…" * (first > 0), "…" * (last < len(text))
    return f"{before}{text[first:last]}{after}", position - first + len(before)


class FbenchError(Exception):
    """Base of the tree above."""

    exit_code = 70


class UsageError(FbenchError):
    """Something that the user can mend."""

    exit_code = 2


class SweepError(UsageError):
    """A range that does not parse.

    ``text`` is what was typed, ``position`` the offset of the fault in it, ``rule`` what it broke.
    """

    def __init__(self, text: str, position: int, rule: str) -> None:
        self.text, self.position, self.rule = text, position, rule
        line, caret = _excerpt(text, position)
        super().__init__(f"{rule}\n    {line}\n    {' ' * caret}^")


_LIKE = 0.6  # of the letters of two words in common, for one to be a slip of the other
_MOST_KNOWN = 40


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was likely meant, upper or lower case; empty where none is near.

    Example:
        >>> nearest("biat", ["bait", "random"]), nearest("BAIT", ["bait"]), nearest("xyz", ["bait"])
        ('bait', 'bait', '')
    """
    by_letters = {word.casefold(): word for word in known}
    close = difflib.get_close_matches(name.casefold(), by_letters, n=1, cutoff=_LIKE)
    return by_letters[close[0]] if close else ""


class UnknownNameError(UsageError):
    """A name that is not registered; the message offers the nearest one, lists the rest, and what is ``broken``.

    ``broken`` has plug-ins that could not be loaded, by module, each with the reason: the name may be one of theirs.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], broken: Mapping[str, str] | None = None) -> None:
        known = sorted(known)
        near = nearest(name[:_LONG], known)
        hint = f"; did you mean {near!r}?" if near else "."
        more = f", and {len(known) - _MOST_KNOWN} more" if len(known) > _MOST_KNOWN else ""
        choice = ", ".join(known[:_MOST_KNOWN]) + more if known else "none"
        lost = "".join(f"; {module} could not be loaded: {reason}" for module, reason in (broken or {}).items())
        super().__init__(f"unknown {kind} {shorten(name)!r}{hint} Known: {choice}{lost}")


class InputError(UsageError, ValueError):
    """A value or tensor that the mathematics cannot take."""


class TooLargeError(InputError, MemoryError):
    """A problem whose state would not fit into memory, refused before any of it is allocated."""


class ForeignError(UsageError):
    """A mistake in code that the user registered: a strategy, kernel, data set, model or suite (``harness.guard``)."""


class DataError(UsageError):
    """Data that is missing, corrupt, or not what it says it is."""


class DeviceError(UsageError):
    """A device that this machine, or this process, does not have."""


class FolderError(UsageError):
    """A run folder that cannot be written, or that belongs to something else."""


class NothingMeasuredError(FbenchError):
    """A run that ended without one measured row."""

    exit_code = 4


class NothingComparableError(FbenchError):
    """No baseline, or two measurements with nothing that may be compared."""

    exit_code = 4


class LostRankError(FbenchError):
    """Another process of a selection over several has ended, or does not answer."""

    exit_code = 4


class StoppedError(FbenchError):
    """Ctrl-C or SIGTERM ended a command; the message says what it leaves."""

    exit_code = 130
