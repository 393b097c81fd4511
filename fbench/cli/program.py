"""The ``fbench`` command: words in, exit code out. Every error of the user is one message on stderr."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fbench.cli.commands import FIXED, PICK_EXAMPLES, pick
from fbench.cli.console import INTERNAL, INTERRUPTED, USAGE, complain, show_warning
from fbench.cli.diff_command import add_diff
from fbench.cli.fixed import examples_below
from fbench.cli.gate_command import add_gate
from fbench.cli.parameters import fixed_command, pick_command, root_command, suite_command
from fbench.cli.report import run_suite
from fbench.cli.runs_commands import RUNS_COMMANDS, add_runs_commands
from fbench.errors import FbenchError, UsageError, nearest, shorten
from fbench.harness import guard, registry
from fbench.harness.parsing import check_words
from fbench.harness.streams import stream_fault
from fbench.results.plain import visible

_RESUMES = "interrupted: what was measured is on disk, and the same command goes on from there"
_NO_PICKS = "interrupted: nothing was written"
_NO_GATE = "interrupted: nothing was measured"
_EXAMPLES = (
    "fbench doctor",
    "fbench compare --dry-run",
    "fbench compare --strategies random,bait --questions 'bait > random' --seeds 4 --rounds 5",
    "fbench columns compare",
)
_NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
"""What systems answer to names that no file can have: whoever typed them can mend it."""
COMPLETION_VARIABLE = "_FBENCH_COMPLETE"
"""Set by the shell's own function while it completes; the words are in other variables then."""


def heard(arguments: list[str], code: int) -> int:
    """The exit code of a command that ended with ``code``, once what it said is written.

    A reader who left wanted no more. A full disk is said, and costs those commands their 0 that make nothing else.
    """
    fault = stream_fault("stdout")
    if fault is not None:
        complain(f"stdout cannot be written: {fault.strerror}; what was printed is lost, files are as they should be")
    stream_fault("stderr")
    only_speaks = "--help" in arguments or bool({*FIXED, "show", "runs", "diff"} & set(arguments[:1]))
    return USAGE if fault is not None and only_speaks and code == 0 else code


def run_command(arguments: list[str]) -> int:
    """Run one command; gives its exit code. Every error of the user is one message on stderr."""
    warnings.showwarning = show_warning
    try:
        check_words(arguments)
        rest, loads = take_loads(arguments)
        for path in loads:
            registry.load_file(path)
        if rest[:1] == ["--version"]:
            rest[0] = "version"
        if rest and rest[0] in FIXED and FIXED[rest[0]].understands(rest[1:]):
            return FIXED[rest[0]].called(rest[0], rest[1:])
        if rest[:1] == ["pick"] and sum(word.split("=")[0] == "--labelled" for word in rest) > 1:
            raise UsageError("--labelled is given twice, and the last one alone would count: join them in one file")
        words = rest or ([] if COMPLETION_VARIABLE in os.environ else ["--help"])
        code = int(build(loads)(words, prog_name="fbench", standalone_mode=False) or 0)
        code = code if rest or code else USAGE
        return _interrupted(rest) if code == INTERRUPTED else code  # typer's word for Ctrl-C
    except FbenchError as error:
        complain(str(error))
        if os.environ.get("FBENCH_TRACEBACK") and (story := guard.whole_story(error)):
            complain(story)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except Exception as error:
        if type(error).__name__ == "Abort":  # what click makes of Ctrl-C
            return _interrupted(arguments)
        if hasattr(error, "format_message"):  # click's errors, wherever this typer keeps its click
            complain(_mistake(error))
            for module, reason in registry.SUITES.broken.items():  # the command may be one of theirs
                show_warning(f"suites of {module} could not be loaded: {reason}")
            return USAGE
        if isinstance(error, OSError) and error.errno in _NO_NAMES:
            complain(f"{shorten(error.filename)}: {error.strerror}; give another name")
            return USAGE
        if os.environ.get("FBENCH_TRACEBACK"):
            raise
        complain(f"internal error: {type(error).__name__}: {error}")
        complain("this is fbench's own fault; FBENCH_TRACEBACK=1 shows where")
        return INTERNAL


def _interrupted(arguments: list[str]) -> int:
    complain({"pick": _NO_PICKS, "gate": _NO_GATE}.get("".join(arguments[:1]), _RESUMES))
    return INTERRUPTED


def _mistake(error: Any) -> str:
    """What click says of a mistake, with one remedy: the nearest option, or where to look."""
    likely = nearest(getattr(error, "option_name", None) or "", getattr(error, "possibilities", None) or ())
    if likely:
        return f"{error.message}; did you mean {likely!r}?"
    message = str(error.message if hasattr(error, "possibilities") else error.format_message())
    where = getattr(getattr(error, "ctx", None), "command_path", "fbench")
    return message if message.endswith("?") else f"{message.rstrip('.')}; see {where} --help"


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
        epilog=examples_below(_EXAMPLES),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(root_command())
    for name, fixed in FIXED.items():
        app.command(name, help=fixed.run.__doc__, epilog=examples_below(fixed.examples))(fixed_command(fixed))
    app.command("pick", help=pick.__doc__, epilog=examples_below(PICK_EXAMPLES))(pick_command(pick))
    add_runs_commands(app)
    add_diff(app)
    add_gate(app)
    for suite in registry.SUITES:
        if suite.name in (*FIXED, *RUNS_COMMANDS, "pick", "diff", "gate"):
            raise UsageError(f"suite {suite.name!r}: fbench has a command of this name; rename the suite")
        below = examples_below(suite.examples or [f"fbench {suite.name} --dry-run"])
        command = suite_command(suite, partial(run_suite, suite, loads))
        app.command(suite.name, help=visible(suite.description), epilog=below)(command)
    return typer.main.get_command(app)
