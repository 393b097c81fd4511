"""The command line: parse, plan, run, render. The only room that prints, exits, or reads argv.

This file imports next to nothing, so that Ctrl-C is answered from the first moment on.
"""

from __future__ import annotations

import signal
import sys

__all__ = ["main", "run"]


def main() -> None:
    """The ``fbench`` command."""
    code = 130
    try:
        try:
            code = _spoken(sys.argv[1:])
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left takes a moment, and the exit code stands
    except KeyboardInterrupt:
        pass
    sys.exit(code)


def _spoken(arguments: list[str]) -> int:
    from fbench.harness.streams import guard_streams

    guard_streams()
    from fbench.cli import program
    from fbench.harness.lifeline import ending_like_ctrl_c

    with ending_like_ctrl_c():
        return program.heard(arguments, program.run_command(arguments))


def run(arguments: list[str]) -> int:
    """Run one command; gives its exit code. Every error of the user is one message on stderr."""
    from fbench.cli import program

    return program.run_command(arguments)
