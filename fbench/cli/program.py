"""The ``fbench`` command: words in, exit code out. Every error of the user is one message on stderr."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fbench.cli.commands import FIXED, pick
from fbench.cli.console import INTERNAL, INTERRUPTED, USAGE, complain, show_warning
from fbench.cli.parameters import fixed_command, pick_command, suite_command
from fbench.cli.report import run_suite
from fbench.cli.runs_commands import add_runs_commands
from fbench.errors import FbenchError, UsageError
from fbench.harness import registry

_RESUMES = "interrupted: what was measured is on disk, and the same command goes on from there"
_NO_PICKS = "interrupted: nothing was written"


def main() -> None:
    """The ``fbench`` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; gives its exit code. Every error of the user is one message on stderr."""
    warnings.showwarning = show_warning
    try:
        rest, loads = take_loads(arguments)
        for path in loads:
            registry.load_file(path)
        if rest[:1] == ["--version"]:
            rest[0] = "version"
        if rest and rest[0] in FIXED and not any(word.startswith("-") for word in rest):
            return FIXED[rest[0]](rest[1:])  # typer and the pydantic it imports cost twice all else here
        code = int(build(loads)(rest, prog_name="fbench", standalone_mode=False) or 0)
        return _interrupted(rest) if code == INTERRUPTED else code  # typer's word for Ctrl-C
    except FbenchError as error:
        complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except BrokenPipeError:  # `fbench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__name__ == "Abort":  # what click makes of Ctrl-C
            return _interrupted(arguments)
        if hasattr(error, "format_message"):  # click's errors, wherever this typer keeps its click
            complain(error.format_message())
            return USAGE
        if os.environ.get("FBENCH_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error}")
        complain("this is fbench's own fault; FBENCH_TRACEBACK=1 shows where")
        return INTERNAL


def _interrupted(arguments: list[str]) -> int:
    complain(_NO_PICKS if "pick" in arguments[:1] else _RESUMES)
    return INTERRUPTED


def take_loads(arguments: list[str]) -> tuple[list[str], tuple[Path, ...]]:
    """Take every ``--load FILE`` out of the arguments, wherever it stands: it must be known before commands are."""
    rest, loads, words = [], [], iter(arguments)
    for word in words:
        if word == "--load" or word.startswith("--load="):
            name = word.partition("=")[2] if "=" in word else next(words, "")
            if not name:
                raise UsageError("--load needs a file: --load FILE.py")
            loads.append(Path(name))
        else:
            rest.append(word)
    return rest, tuple(loads)


def build(loads: tuple[Path, ...]) -> Callable[..., Any]:
    """The click command: the fixed commands, and one for every registered suite."""
    import typer

    app = typer.Typer(
        help="Benchmarks and profiles Fisher-information batch active learning: BAIT, FISH masks, BAIT on FISH masks.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name, function in FIXED.items():
        app.command(name, help=function.__doc__, context_settings={"allow_extra_args": True})(fixed_command(function))
    add_runs_commands(app)
    app.command("pick", help=pick.__doc__)(pick_command(pick))
    for suite in registry.SUITES:
        app.command(suite.name, help=suite.description)(suite_command(suite, partial(run_suite, suite, loads)))
    return typer.main.get_command(app)


def _root() -> None:
    pass  # its presence keeps typer from running a lone command without its name
