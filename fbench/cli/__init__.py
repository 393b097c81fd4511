"""The command line: parse, plan, run, render. The only room that prints, exits, or reads argv."""

from fbench.cli.program import main, run

__all__ = ["main", "run"]
