"""Parsers of what is typed, that several suites share: choices, dtypes, open sweeps, fractions, budgets of memory."""

from __future__ import annotations

from typing import Any

from fbench.errors import UnknownNameError, UsageError
from fbench.harness.sweep import parse_names, parse_sweep
from fbench.units import parse_bytes


def read_fraction(text: str) -> float | None:
    """A decimal above 0 and at most 1; None where it is none.

    Example:
        >>> read_fraction("0.2"), read_fraction("2")
        (0.2, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value <= 1 else None


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
            raise UsageError(f"--dtype {name}: must be float32 or float64, or both as float32,float64")
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
