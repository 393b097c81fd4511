"""The range grammar: ``64..4096``, ``100..1000:+100``, ``2^6,3Ki``; and plain comma lists.

    SPEC = ITEM(,ITEM)*
    ITEM = N | A..B | A..B:xF | A..B:+S        all inclusive
    N    = (whole number from 1 | 2^k | 2**k), then optionally Ki (× 1,024) or Mi (× 1,048,576)

``A..B`` doubles and keeps both ends; ``:xF`` multiplies by F and keeps B; ``:+S`` adds S and keeps B only
when it is on the lattice. Spaces may stand around an item, nowhere inside it. Every refusal is a
``SweepError`` with a caret under the fault.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence

from fbench.errors import SweepError

MAX_VALUES = 1_000
"""The most values a sweep may have: a longer one is a slip, and would be a run of days."""

_LARGEST = 2**63 - 1  # a tensor is indexed by 64 bits
_NUMBER = re.compile(r"(?:2(?:\^|\*\*)(?P<power>[0-9]+)|(?P<plain>[0-9]+))(?P<suffix>Ki|Mi)?")
_SCALE = {None: 1, "Ki": 2**10, "Mi": 2**20}
_AFTER_NUMBER = {
    "^": "only powers of two are written with ^; write 2^k with k a whole number",
    "*": "only powers of two are written with **; write 2**k with k a whole number",
    ".": "a value is a whole number; write a range as A..B",
    " ": "a space inside an item; spaces may stand around commas only",
    "-": "a range is written A..B, not A-B",
    ":": "a step needs a range before it, and only one step; write A..B:xF or A..B:+S",
}


def parse_sweep(text: str) -> tuple[int, ...]:
    """The values of a sweep, sorted, each once.

    Example:
        >>> parse_sweep("64..512")
        (64, 128, 256, 512)
        >>> parse_sweep("100..1000:+300,2^4,1Ki")
        (16, 100, 400, 700, 1000, 1024)

    Raises:
        SweepError: the text is not of the grammar, a value is under 1 or 2**63 and more, a range runs down, a
            factor is under 2, a step under 1, or there are more than ``MAX_VALUES`` values.
    """
    values: set[int] = set()
    for start, item in split_items(text, "value"):
        values.update(_expand(text, start, start + len(item)))
        if len(values) > MAX_VALUES:
            raise SweepError(text, start, f"more than {MAX_VALUES:,} values in all; take a larger step")
    return tuple(sorted(values))


def spell_sweep(values: Sequence[int]) -> str:
    """The shortest text that ``parse_sweep`` reads as these values: a range where they are one.

    Example:
        >>> spell_sweep((64, 128, 256)), spell_sweep((8, 16, 24, 32)), spell_sweep((1, 5))
        ('64..256', '8..32:+8', '1,5')
    """
    listed = ",".join(map(str, values))
    if len(values) < 3:
        return listed
    first, second, *_, last = values
    for text in (f"{first}..{last}", f"{first}..{last}:+{second - first}"):
        with contextlib.suppress(SweepError):
            if parse_sweep(text) == tuple(values):
                return text
    return listed


def parse_names(text: str, what: str = "name") -> tuple[str, ...]:
    """The names of a comma list, in the order typed; ``what`` says in messages what they name.

    Example:
        >>> parse_names("fused, factored", "kernel")
        ('fused', 'factored')

    Raises:
        SweepError: an item is empty, or a name stands twice.
    """
    names: list[str] = []
    for position, name in split_items(text, what):
        if name in names:
            raise SweepError(text, position, f"{what} {name!r} stands twice; name each once")
        names.append(name)
    return tuple(names)


def split_items(text: str, what: str) -> Iterator[tuple[int, str]]:
    """Each item of a comma list without the spaces around it, and its position in ``text``.

    Example:
        >>> list(split_items("a, b", "name"))
        [(0, 'a'), (3, 'b')]

    Raises:
        SweepError: an item is empty; ``what`` says what is missing.
    """
    start = 0
    for part in text.split(","):
        position = start + len(part) - len(part.lstrip(" "))
        if not part.strip(" "):
            raise SweepError(text, position, f"a {what} is missing here; write one, or drop the comma")
        yield position, part.strip(" ")
        start += len(part) + 1


def echo(values: Sequence[int | float]) -> str:
    """An expansion in short; up to four values are all named.

    Example:
        >>> echo(parse_sweep("64..4096"))
        '64, 128, …, 4096 (7 values)'
    """
    shown = [str(value) for value in values]
    if len(shown) > 4:
        shown = [*shown[:2], "…", shown[-1]]
    return f"{', '.join(shown)} ({len(values)} value{'' if len(values) == 1 else 's'})"


def _expand(text: str, start: int, end: int) -> Iterable[int]:
    """The values of the one item that is ``text[start:end]``."""
    first, at = _number(text, start, end)
    if at == end:
        return (first,)
    if not text.startswith("..", at, end):
        raise _unexpected(text, at)
    last, at = _number(text, at + 2, end)
    if first > last:
        raise SweepError(text, start, f"the range runs down from {first} to {last}; write {last}..{first}")
    if at == end:
        return _multiples(first, last, 2)
    if text[at] != ":":
        raise _unexpected(text, at)
    return _stepped(text, start, at + 1, end, first, last)


def _stepped(text: str, start: int, at: int, end: int, first: int, last: int) -> Iterable[int]:
    """The values from ``first`` to ``last`` by the step that is ``text[at:end]``."""
    operation = text[at:end][:1]
    if operation not in ("x", "+"):
        raise SweepError(text, at, "a step is xF (times F) or +S (plus S); write A..B:x2 or A..B:+64")
    step, stop = _number(text, at + 1, end, what="factor" if operation == "x" else "step")
    if stop != end:
        raise _unexpected(text, stop)
    if operation == "x":
        return _multiples(first, last, step)
    # Counted before anything is built: 1..10**18:+1 must be refused, not tried.
    if (last - first) // step + 1 > MAX_VALUES:
        raise SweepError(text, start, f"more than {MAX_VALUES:,} values in all; take a larger step")
    return range(first, last + 1, step)


def _multiples(first: int, last: int, factor: int) -> list[int]:
    """``first``, times ``factor`` again and again while under ``last``, and ``last``."""
    values = []
    while first < last:
        values.append(first)
        first *= factor
    return [*values, last]


def _number(text: str, at: int, end: int, what: str = "value") -> tuple[int, int]:
    """The number that starts at ``at``, and the position after it."""
    match = _NUMBER.match(text, at, end)
    if match is None:
        raise _no_number(text, at, end, what)
    least = 2 if what == "factor" else 1
    value = _value(match)
    if value is None:
        raise SweepError(text, at, f"{_short(match[0])} is too large; a {what} must be less than 2^63")
    if value < least:
        raise SweepError(text, at, f"{_short(match[0])} is too small; a {what} is at least {least}")
    return value, match.end()


def _value(match: re.Match[str]) -> int | None:
    """The number matched; None if it is over the largest. Long texts are refused before they are computed."""
    digits = (match["power"] or match["plain"]).lstrip("0") or "0"
    if len(digits) > 19:
        return None
    power = match["power"] is not None
    if power and int(digits) > 63:
        return None
    value = (2 ** int(digits) if power else int(digits)) * _SCALE[match["suffix"]]
    return value if value <= _LARGEST else None


def _no_number(text: str, at: int, end: int, what: str) -> SweepError:
    if at >= end:
        return SweepError(text, at, f"a {what} is missing here; write a whole number, such as 64")
    if text[at].isdigit():
        return SweepError(text, at, f"{text[at]!r} is not one of the digits 0 to 9; type those")
    if text[at] == " ":
        return SweepError(text, at, _AFTER_NUMBER[" "])
    return SweepError(text, at, f"{text[at]!r} does not begin a {what}; write a whole number, such as 64")


def _unexpected(text: str, at: int) -> SweepError:
    """The refusal of what stands where an item should have gone on or ended."""
    letter = text[at]
    if letter.isascii() and letter.isalpha():
        return SweepError(text, at, f"unknown suffix {letter!r}; write Ki (× 1,024) or Mi (× 1,048,576)")
    other = f"unexpected {letter!r}; write N, A..B, A..B:xF or A..B:+S, with commas between"
    return SweepError(text, at, _AFTER_NUMBER.get(letter, other))


def _short(number: str) -> str:
    return number if len(number) <= 24 else f"{number[:20]}…"
