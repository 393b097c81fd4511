"""Where the program speaks: the two consoles, its exit codes, its complaints and warnings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from fbench.results.plain import visible


class _AsText:
    """What is shown of a renderable: the terminal obeys rich's own commands, and none that stand in a text."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._shown, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep="\n"))


class _OnlyText(RenderHook):
    def process_renderables(self, renderables: list[Any]) -> list[Any]:
        return [_AsText(shown) for shown in renderables]


def _console(**more: Any) -> Console:
    console = Console(emoji=False, highlight=False, **more)
    console.push_render_hook(_OnlyText())
    return console


_TERMINAL = sys.stdout is not None and sys.stdout.isatty()
_ASKED = os.environ.get("COLUMNS", "").strip()
_WIDTH = int(_ASKED) if _ASKED.isascii() and _ASKED.isdigit() and 20 <= int(_ASKED) <= 10_000 else 120
out = _console(width=None if _TERMINAL else _WIDTH)  # in a pipe or a file there is no terminal to ask
err = _console(stderr=True, soft_wrap=True)


USAGE, INTERNAL, INTERRUPTED = 2, 70, 130
"""Exit codes that no error of ours carries."""


def complain(text: str) -> None:
    """Say on stderr what went wrong."""
    err.print(f"fbench: {text}", style="red", markup=False)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say a warning on stderr, in the place of ``warnings.showwarning``."""
    err.print(f"fbench: warning: {message}", style="yellow", markup=False)
