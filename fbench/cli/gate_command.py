"""``fbench gate``: the working tree timed against a revision, in turn, with an exit code that a CI can trust."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.cli.console import err
from fbench.cli.fixed import examples_below
from fbench.cli.forms import Told, check_form, print_in_form
from fbench.cli.parameters import keyword, load_parameter, signed
from fbench.errors import StoppedError, UsageError
from fbench.gate.options import GATE_OPTIONS, MEMORY_HELP, read_gate_options
from fbench.harness.suite import flag_of

if TYPE_CHECKING:
    import typer

    from fbench.gate.verdict import GateReport

GATE_EXAMPLES = (
    "fbench gate --against main benchmarks",
    "fbench gate --against v1.0 benchmarks --threshold 0.05 --budget 300 --format github",
)
"""In a repository that has benchmarks."""
_FORM = ("text", "FORMAT", "text, github (Markdown for a pull request) or json")


def add_gate(app: typer.Typer) -> None:
    """Give the program its command ``gate``."""
    import typer

    def command(*, load: str = "", **typed: Any) -> int:
        return gate(**typed)

    paths = typer.Argument(metavar="PATHS", help="files, folders or node ids of benchmarks; all if not given")
    parameters = [keyword("paths", list[str], None, paths)]
    for name, (default, metavar, text) in (GATE_OPTIONS | {"format": _FORM}).items():
        declared = typer.Option(flag_of(name), metavar=metavar, help=text, show_default=bool(default))
        parameters.append(keyword(name, str, default, declared))
    parameters.append(keyword("memory", bool, False, typer.Option("--memory", help=MEMORY_HELP)))
    json_flag = typer.Option("--json", help="the same as --format json")
    parameters += [keyword("json", bool, False, json_flag), load_parameter()]
    app.command("gate", help=gate.__doc__, epilog=examples_below(GATE_EXAMPLES))(signed(command, parameters))


def gate(paths: list[str] | None, *, against: str, format: str, json: bool, memory: bool, **typed: str) -> int:
    """Time the working tree against a revision, in turn: exit 1 only where a regression is confirmed."""
    from fbench.gate import gating

    if not against:
        raise UsageError("fbench gate needs a revision to compare with: --against main")
    check_form(format)
    options = read_gate_options({"against": against, **typed}, tuple(paths or ()), memory=memory)
    out = Path(typed["out"])
    before = _stamp(out)
    try:
        report = gating.run_gate(options, Path.cwd(), out, lambda line: err.print(line, markup=False))
        _show_gate(report, "json" if json else format)
    except KeyboardInterrupt:
        kept = ", and the pairs measured so far are in --out" if _stamp(out) not in (None, before) else ""
        raise StoppedError(f"interrupted: what was built is removed{kept}") from None
    return report.exit_code


def _stamp(path: Path) -> tuple[int, int] | None:
    """Another one once the file is written anew; None where there is none."""
    try:
        told = path.stat()
    except OSError:
        return None
    return told.st_ino, told.st_mtime_ns


def _show_gate(report: GateReport, form: str) -> None:
    from fbench.gate import telling

    told = Told(
        partial(telling.gate_json, report),
        partial(telling.gate_markdown, report),
        partial(telling.gate_lead, report),
        partial(telling.gate_table, report),
        partial(telling.peak_tables, report),
    )
    print_in_form(told, form)
