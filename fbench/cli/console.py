"""Where the program speaks: the two consoles, its exit codes, its complaints and warnings."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console


class _Console(Console):
    """A console whose closed pipe is `run`'s to answer: rich would end the process with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


_WIDTH = None if sys.stdout.isatty() else 120  # in a pipe or a file there is no terminal to ask
out = _Console(emoji=False, highlight=False, width=_WIDTH)
err = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True)


USAGE, INTERNAL, INTERRUPTED = 2, 70, 130
"""Exit codes that no error of ours carries."""


def complain(text: str) -> None:
    """Say on stderr what went wrong."""
    err.print(f"fbench: {text}", style="red", markup=False)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning on stderr, in the place of ``warnings.showwarning``."""
    err.print(f"fbench: warning: {message}", style="yellow", markup=False)
