"""What may be a name: of what is registered, of columns, of tables. All of them stand in files, tables and commands."""

from __future__ import annotations

import re

from fbench.errors import UsageError

LONGEST_NAME = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_name(kind: str, name: object) -> None:
    """Refuse what cannot be typed, listed with commas, put into a file's name or into a table.

    Example:
        >>> check_name("strategy", "bait+fish")

    Raises:
        UsageError: any other character than letters, digits and ``. _ + -``, or no letter or digit first.
    """
    _check(kind, name, _NAME, "letters (a to z), digits and . _ + -, a letter or digit first")


def check_column(kind: str, name: object) -> None:
    """Refuse what cannot be the name of a column, or of a table, which is a file.

    Example:
        >>> check_column("column", "time_s")

    Raises:
        UsageError: any other character than letters, digits and ``_``, or a digit first.
    """
    _check(kind, name, _COLUMN, "letters (a to z), digits and _, no digit first")


def _check(kind: str, name: object, rule: re.Pattern[str], words: str) -> None:
    if isinstance(name, str) and len(name) <= LONGEST_NAME and rule.fullmatch(name):
        return
    shown = ascii(name)
    shown = shown if len(shown) <= LONGEST_NAME + 2 else f"{shown[:LONGEST_NAME]}…"
    raise UsageError(f"{kind} {shown}: a name must be of 1 to {LONGEST_NAME} {words}; rename it")
