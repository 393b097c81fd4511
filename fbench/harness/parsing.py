"""Parsers of what is typed: numbers and their bounds, choices, dtypes, open sweeps, fractions, budgets of memory."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from fbench.errors import UnknownNameError, UsageError, shorten
from fbench.harness.contract import MOST_REAL, MOST_WHOLE, Option
from fbench.harness.sweep import parse_names, parse_sweep
from fbench.units import parse_bytes

THREADS = Option("CPU threads a process", minimum=0, maximum=1024)
JOBS = Option("processes side by side", minimum=0, maximum=256)
"""Of every command that has them. More would not start, or take the machine with them."""
FIGURE_WIDTH = Option("inches of a figure; 0 is what its panels take", minimum=0, maximum=40)
OVERSAMPLE = Option("forward picks over B, before the backward removals", minimum=1, maximum=1000)
PASSES = Option("blocks: every case once a block", minimum=1, maximum=1000, grows=max)
CLASSES = Option("k", minimum=2, maximum=1_000_000)

LONGEST_WORD = 4096
"""Letters of a word of a command: no path is longer, and no message repeats more."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)


def check_words(words: Iterable[str]) -> None:
    r"""Refuse words that no message, file or terminal could hold: too long, with control characters, or no UTF-8.

    Raises:
        UsageError: naming the word, its letters escaped.

    Example:
        >>> check_words(["--out", "two" + chr(10) + "lines"])
        Traceback (most recent call last):
        ...
        fbench.errors.UsageError: 'two\nlines': control characters and what is no UTF-8 cannot be read; leave them out
    """
    for word in words:
        if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in word):
            raise UsageError(
                f"{shorten(ascii(word))}: control characters and what is no UTF-8 cannot be read; leave them out"
            )
        if len(word) > LONGEST_WORD:
            raise UsageError(f"{shorten(word)}: a word of a command must have at most {LONGEST_WORD:,} letters")


def read_number(flag: str, typed: object, kind: type, option: Option) -> Any:
    """A number as it was typed (or as a program gives it), ``int`` or ``float`` as ``kind`` says, within its bounds.

    Raises:
        UsageError: another text, or out of bounds; ``flag`` names the option.

    Example:
        >>> read_number("--rounds", "7", int, Option("", minimum=1))
        7
    """
    text = str(typed)
    value = read_whole(text) if kind is int else read_real(text)
    if value is None:
        finite = "a finite number" if _NOT_FINITE.fullmatch(text) else "a number"
        raise UsageError(f"{flag} {shorten(text)}: must be {'a whole number' if kind is int else finite}")
    check_bounds(flag, value, option, typed if isinstance(typed, str) else None)
    return value


def read_whole(text: str) -> int | None:
    """A whole number in the digits 0 to 9; None where it is none.

    Example:
        >>> read_whole("-7"), read_whole("1_000"), read_whole("7.0")
        (-7, None, None)
    """
    if not _WHOLE.fullmatch(text):
        return None
    if len(text) > 300:  # more than Python converts: out of all bounds, whatever it is
        text = text[0] + "9" * 300
    return int(text)


def read_real(text: str) -> float | None:
    """A decimal number, such as ``0.5`` or ``1e-3``, infinite where it is too large; None where it is none.

    Example:
        >>> read_real("1e-3"), read_real("1e400"), read_real("nan")
        (0.001, inf, None)
    """
    return float(text) if _REAL.fullmatch(text) else None


def check_bounds(flag: str, value: float, option: Option, text: str | None = None) -> None:
    """Hold a number to the bounds that its option declares; ``text`` is what was typed, where that is more than it.

    Raises:
        UsageError: it is out of bounds.

    Example:
        >>> check_bounds("--rounds", 0, Option("", minimum=1))
        Traceback (most recent call last):
        ...
        fbench.errors.UsageError: --rounds 0: must be at least 1
    """
    most = MOST_WHOLE if isinstance(value, int) else MOST_REAL
    least, largest = option.minimum, most if option.maximum is None else option.maximum
    if least is None and option.above is None:
        least = -most
    where = f"{flag} {shorten(text or _written(value))}"
    if least is not None and value < least:
        raise UsageError(f"{where}: must be at least {_written(least)}")
    if option.above is not None and value <= option.above:
        raise UsageError(f"{where}: must be above {_written(option.above)}")
    if value > largest:
        raise UsageError(f"{where}: must be at most {_written(largest)}")


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def read_fraction(text: str) -> float | None:
    """A decimal above 0 and at most 1; None where it is none.

    Example:
        >>> read_fraction("0.2"), read_fraction("2")
        (0.2, None)
    """
    value = read_real(text)
    return value if value is not None and 0 < value <= 1 else None


def one_of(option: str, *choices: str) -> Any:
    """A parser that takes one of ``choices``.

    Example:
        >>> one_of("--dtype", "float32", "float64")("float32")
        'float32'
    """

    def parse(text: str) -> str:
        if text not in choices:
            raise UnknownNameError(option, text, choices)
        return text

    return parse


def some_of(option: str, *choices: str) -> Any:
    """A parser of a comma list of ``choices``.

    Example:
        >>> some_of("--rules", "global", "layer")("layer,global")
        ('layer', 'global')
    """

    def parse(text: str) -> tuple[str, ...]:
        names = parse_names(text, option.removeprefix("--"))
        for name in names:
            if name not in choices:
                raise UnknownNameError(option, name, choices)
        return names

    return parse


def parse_dtypes(text: str) -> tuple[str, ...]:
    """A comma list of float32 and float64.

    Example:
        >>> parse_dtypes("float32, float64")
        ('float32', 'float64')
    """
    names = parse_names(text, "dtype")
    for name in names:
        if name not in ("float32", "float64"):
            raise UsageError(f"--dtype {shorten(name)}: must be float32 or float64, or both as float32,float64")
    return names


def parse_auto_sweep(text: str) -> tuple[int, ...]:
    """A sweep; none for ``auto``, which ``resolve`` fills in.

    Example:
        >>> parse_auto_sweep("auto"), parse_auto_sweep("4..16")
        ((), (4, 8, 16))
    """
    return () if text.strip() == "auto" else parse_sweep(text)


def parse_budget(text: str) -> int | None:
    """Bytes; None where nothing was typed.

    Example:
        >>> parse_budget("2KiB")
        2048

    Raises:
        UsageError: no size.
    """
    return parse_bytes(text) if text else None


def union(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[Any, ...]:
    """Every value that was there, then the new ones.

    Example:
        >>> union(("random", "bait"), ("bait", "bait+fish"))
        ('random', 'bait', 'bait+fish')
    """
    return (*before, *(value for value in after if value not in before))


def sweep_union(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """The values of both, sorted.

    Example:
        >>> sweep_union((64, 256), (128,))
        (64, 128, 256)
    """
    return tuple(sorted({*before, *after}))
