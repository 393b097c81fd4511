"""A comparison of two revisions as it was asked for: as text, as Markdown for a pull request, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from fbench.cli.console import out
from fbench.errors import UsageError, shorten
from fbench.harness.contract import Table

_FORMS = ("text", "github", "json")


class Told(NamedTuple):
    """What a comparison says, in every form; made when that form is asked for."""

    as_json: Callable[[], Mapping[str, Any]]
    as_markdown: Callable[[], str]
    lead: Callable[[], Sequence[str]]
    table: Callable[[], Table]
    more: Callable[[], Sequence[Table]] = tuple


def check_form(form: str) -> None:
    """Refuse a form that there is not.

    Raises:
        UsageError: naming those that there are.
    """
    if form not in _FORMS:
        raise UsageError(f"--format {shorten(form)}: must be one of {', '.join(_FORMS)}")


def print_in_form(told: Told, form: str) -> None:
    """Print it as text, as Markdown (``github``) or as JSON."""
    from fbench.results.terminal import rich_table

    if form == "json":
        out.print(json.dumps(told.as_json(), indent=1), markup=False, soft_wrap=True)
    elif form == "github":
        out.print(told.as_markdown().rstrip(), markup=False, soft_wrap=True)
    else:
        for line in told.lead():
            out.print(line, markup=False)
        for table in (told.table(), *told.more()):
            out.print("", rich_table(table, out.width, "with --format github"), sep="\n")
