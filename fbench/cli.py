"""The command line: parse, plan, run, render. The only module that prints, exits, or reads argv."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from fbench import registry
from fbench.errors import FbenchError, NothingMeasuredError, UnknownNameError, UsageError
from fbench.progress import Lines
from fbench.registry import Suite
from fbench.units import format_seconds

if TYPE_CHECKING:
    from fbench.contract import Case, Row
    from fbench.executors import Fault
    from fbench.folder import RunFolder
    from fbench.runner import Settings


class _Console(Console):
    """A console whose closed pipe is `run`'s to answer: rich would end the process with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


_WIDTH = None if sys.stdout.isatty() else 120  # in a pipe or a file there is no terminal to ask
out = _Console(emoji=False, highlight=False, width=_WIDTH)
err = Console(stderr=True, emoji=False, highlight=False, soft_wrap=True)

FAILED, USAGE, INTERNAL, INTERRUPTED = 1, 2, 70, 130
_RESUMES = "interrupted: what was measured is on disk, and the same command goes on from there"
_NO_PICKS = "interrupted: nothing was written"


def main() -> None:
    """The ``fbench`` command."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; gives its exit code. Every error of the user is one message on stderr."""
    warnings.showwarning = _show_warning
    try:
        rest, loads = take_loads(arguments)
        for path in loads:
            registry.load_file(path)
        if rest[:1] == ["--version"]:
            rest[0] = "version"
        if rest and rest[0] in _FIXED and not any(word.startswith("-") for word in rest):
            return _FIXED[rest[0]](rest[1:])  # typer and the pydantic it imports cost twice all else here
        code = int(build(loads)(rest, prog_name="fbench", standalone_mode=False) or 0)
        return _interrupted(rest) if code == INTERRUPTED else code  # typer's word for Ctrl-C
    except FbenchError as error:
        _complain(str(error))
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
            _complain(error.format_message())
            return USAGE
        if os.environ.get("FBENCH_TRACEBACK"):
            raise
        _complain(f"internal error: {type(error).__name__}: {error}")
        _complain("this is fbench's own fault; FBENCH_TRACEBACK=1 shows where")
        return INTERNAL


def _interrupted(arguments: list[str]) -> int:
    _complain(_NO_PICKS if "pick" in arguments[:1] else _RESUMES)
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


def _complain(text: str) -> None:
    err.print(f"fbench: {text}", style="red", markup=False)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(f"fbench: warning: {message}", style="yellow", markup=False)


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
    for name, function in _FIXED.items():
        app.command(name, help=function.__doc__, context_settings={"allow_extra_args": True})(_words_of(function))
    app.command("pick", help=pick.__doc__)(_pick_command())
    for suite in registry.SUITES:
        app.command(suite.name, help=suite.description)(_suite_command(suite, loads))
    return typer.main.get_command(app)


def _words_of(function: Callable[[list[str]], int]) -> Callable[..., int]:
    import typer

    def command(context: typer.Context) -> int:
        return function(context.args)

    command.__annotations__ = {"context": typer.Context, "return": int}
    return command


def _root() -> None:
    pass  # its presence keeps typer from running a lone command without its name


def _word(command: str, words: list[str], most: int = 1) -> str:
    """The one word that a fixed command may take."""
    if len(words) > most:
        raise UsageError(f"fbench {command}: {words[most]!r} is one word too many; see fbench {command} --help")
    return words[0] if words else ""


def version(words: list[str]) -> int:
    """The version of fbench."""
    import fbench

    _word("version", words, most=0)
    out.print(f"fbench {fbench.__version__}")
    return 0


def list_names(words: list[str]) -> int:
    """What can be named: fbench list [suites|kernels|strategies|datasets|models|presets]."""
    kind = _word("list", words)
    if kind and kind not in registry.REGISTRIES:
        raise UnknownNameError("kind", kind, registry.REGISTRIES)
    grid = RichTable("kind", "name", "", box=None)
    for title in [kind] if kind else registry.REGISTRIES:
        found = registry.REGISTRIES[title]
        for value in found:
            grid.add_row(title, value.name, escape(value.description))
        for point, reason in found.broken.items():
            _show_warning(f"{title} of {point} could not be loaded: {reason}")
    out.print(grid)
    return 0


def doctor(words: list[str]) -> int:
    """What this machine can run, and what to do about what it cannot."""
    _word("doctor", words, most=0)
    from fbench.measure.doctor import checks

    marks = {"ok": "[green]ok[/]", "warn": "[yellow]limited[/]", "missing": "[red]missing[/]"}
    grid = RichTable("", "check", "found", "what to do", box=None)
    found = checks()
    for check in found:
        grid.add_row(marks[check.status], check.name, escape(check.detail), escape(check.remedy))
    out.print(grid)
    return USAGE if any(check.status == "missing" for check in found) else 0


def columns(words: list[str]) -> int:
    """Every column that a suite writes, its type, unit and meaning: fbench columns [SUITE]."""
    suite = _word("columns", words)
    for chosen in [registry.SUITES.get(suite)] if suite else registry.SUITES:
        for name, own in chosen.all_tables().items():
            grid = RichTable(
                "column",
                "type",
                "unit",
                "meaning",
                box=None,
                title=f"{chosen.name}: {name}.csv",
                title_justify="left",
            )
            for column in own:
                grid.add_row(column.name, column.type, column.unit, escape(column.meaning))
            out.print(grid, "")
    return 0


_FIXED = {"list": list_names, "doctor": doctor, "columns": columns, "version": version}
"""Commands that take at most a word."""

_RUN_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "device": (str, "auto", "auto, cpu, cuda, or a list such as cuda:0,cuda:1: several shard the pool"),
    "gpus": (str, "", "the same by number: 0,1 or 0..3 or all or a UUID"),
    "threads": (int, 0, "CPU threads a process, pinned and recorded; 0 shares the cores among the jobs"),
    "jobs": (int, 0, "processes side by side; 0 is one a core, at most 4, where the suite allows it"),
    "out": (str, "", "the run's folder; reports/SUITE/RUN-ID if not given"),
    "preset": (str, "", "published settings: see `fbench list presets`; what you type beside it wins"),
    "fresh": (bool, False, "start anew, even where an unfinished run could be taken up"),
    "overwrite": (bool, False, "replace what --out holds"),
    "retry": (bool, False, "measure failed and out-of-memory cases again"),
    "dry_run": (bool, False, "print the plan and what each case will cost, and stop"),
}
_SECOND_NAMES = {"dry_run": ["--plan"]}


def _suite_command(suite: Suite, loads: tuple[Path, ...]) -> Callable[..., int]:
    """A function whose signature typer reads: the suite's options, then how to run."""
    import typer

    def command(context: typer.Context, **typed: Any) -> int:
        given = {name for name in typed if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}
        return conduct(suite, typed, given, loads)

    own = [_parameter(p.name, p.type, p.default, p.option.help) for p in suite.parameters]
    more = [_parameter(name, *spec) for name, spec in _RUN_OPTIONS.items()]
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    signature = inspect.Signature([first, *own, *more])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command


def _parameter(name: str, kind: type, default: Any, text: str) -> inspect.Parameter:
    import typer

    flags = [registry.flag_of(name), *_SECOND_NAMES.get(name, [])]
    shown = default not in ("", False, 0)
    if kind in (int, float):  # read by options.read_numbers, whose messages name the value
        option = typer.Option(*flags, help=text, show_default=shown, metavar="INT" if kind is int else "NUMBER")
        kind, default = str, str(default)
    else:
        option = typer.Option(*flags, help=text, show_default=shown, metavar=None if kind is bool else "TEXT")
    annotation: Any = Annotated[kind, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_PICK_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "batch": (str, "", "B, how many to pick"),
    "labelled": (str, "", "positions, or a mask, that have their labels: .npy, .npz, .csv (its column index) or .txt"),
    "out": (str, "picks.csv", "the file to write: position, index, score, gap"),
    "overwrite": (bool, False, "replace what --out names"),
    "method": (str, "exact", "exact, top2 (or another number of classes), binary, diagonal, or pca:H"),
    "regularisation": (str, "1", "λ; rel:c means c · tr F/d"),
    "oversample": (str, "2", "forward picks over B, before the backward removals"),
    "dtype": (str, "", "float32 or float64; that of the arrays if not given"),
    "device": _RUN_OPTIONS["device"],
    "gpus": _RUN_OPTIONS["gpus"],
    "threads": (str, "0", "CPU threads; 0 takes as many as there are cores"),
    "dry_run": (bool, False, "print what it would hold in memory and what else would fit, and stop"),
}


def _pick_command() -> Callable[..., int]:
    import typer

    def command(**typed: Any) -> int:
        return pick(**typed)

    features = Annotated[str, typer.Argument(metavar="FEATURES.npz", help="logits and features, or embedding")]
    first = inspect.Parameter("features", inspect.Parameter.KEYWORD_ONLY, annotation=features)
    signature = inspect.Signature([first, *(_parameter(name, *spec) for name, spec in _PICK_OPTIONS.items())])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command


def pick(features: str, **typed: Any) -> int:
    """The batch that BAIT would buy from your own arrays: logits and features in, picks.csv out."""
    from fbench import pick as picking
    from fbench.measure.devices import parse_devices

    threads = picking.parse_whole("--threads", typed["threads"], 0)
    asked = picking.read_pick(Path(features), typed, parse_devices(typed["device"], typed["gpus"] or None))
    for note in asked.pool.notes:
        _show_warning(note)
    for line in picking.plan_lines(asked):
        out.print(line, markup=False)
    if typed["dry_run"]:
        for line in [*picking.fitting_lines(asked), "Nothing was picked."]:
            out.print(line, markup=False)
        return 0
    if threads:
        import torch

        torch.set_num_threads(threads)
    with PickProgress() as progress:
        done = picking.conduct(asked, progress.took)
    for sentence in done.sentences:
        out.print(sentence, markup=False)
    return 0


def conduct(suite: Suite, typed: Mapping[str, Any], given: Set[str], loads: tuple[Path, ...]) -> int:
    """One run of a suite, from what was typed to the exit code."""
    from fbench import options, runner
    from fbench.contract import Context

    typed = options.read_numbers(suite, options.apply_preset(suite, typed, given))
    settings = options.settings(suite, typed, loads)
    resolved = options.resolve_options(suite, typed, Context(settings.devices, settings.threads))
    if typed["dry_run"]:
        for line in options.plan_lines(suite, resolved, settings.devices, out.width):
            out.print(line, markup=False)
        return 0
    identity = runner.identify(suite, resolved, settings)
    path, resumed = runner.place(suite, identity, settings)
    run_folder = runner.open_folder(suite, path, resumed, identity, settings)
    try:
        _announce(suite, run_folder, resumed, settings)
        with Progress(suite) as progress:
            rows = runner.run(suite, resolved, settings, run_folder, progress)
        return _report(suite, resolved, rows, run_folder)
    finally:
        run_folder.close()


def _announce(suite: Suite, run_folder: RunFolder, resumed: bool, settings: Settings) -> None:
    verb = ("Rendering again the finished" if run_folder.finished else "Taking up the unfinished") if resumed else "New"
    where = "+".join(settings.devices)
    err.print(
        f"{verb} run of {suite.name} in {run_folder.path} ({where}, {settings.jobs} × {settings.threads} threads)",
        markup=False,
    )


def _report(suite: Suite, resolved: Mapping[str, Any], rows: Mapping[str, list[Row]], run_folder: RunFolder) -> int:
    """Summarise, write ``summary.md`` and the figures, print; the exit code says how it went."""
    from fbench.folder import writing
    from fbench.results import figures, render

    statuses = [row["status"] for row in rows["results"]]
    if "ok" not in statuses:
        reasons = {row["reason"] for row in rows["results"]}
        raise NothingMeasuredError(
            f"nothing was measured in {run_folder.path}: {'; '.join(sorted(reasons)) or 'no cases'}"
        )
    summary = suite.summarise(rows, resolved)
    with writing(run_folder.path):
        for figure in summary.figures:
            figures.draw(figure, run_folder.path / "figures")
    environment = json.loads((run_folder.path / "environment.json").read_text(encoding="utf-8"))
    where = render.provenance(environment, run_folder.spent_s)
    run_folder.write_text("summary.md", render.markdown(f"fbench {suite.name}", summary, [where]))
    for table in summary.tables:
        out.print(render.rich_table(table), "")
    for finding in summary.findings:
        out.print(f"• {finding}", markup=False)
    out.print(f"\n{where} Rows, findings and figures are in {run_folder.path}", markup=False)
    return FAILED if "failed" in statuses else 0


def _bar() -> Any:
    """A bar on a terminal, started; None elsewhere."""
    if not err.is_terminal:
        return None
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    left = TextColumn("{task.fields[left]}")
    bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), left, console=err, transient=True)
    bar.start()
    return bar


class Progress:
    """The listener: a bar with the time left on a terminal, a line now and then elsewhere."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._total: int | None = None
        self._done = 0
        self._bar: Any = None
        self._lines = Lines()

    def __enter__(self) -> Self:
        self._bar = _bar()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def planned(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` units are on disk already."""
        self._done, self._total = done, total
        if self._bar is not None:
            self._bar.add_task(self._suite.name, completed=done, total=total, left="")
        elif done:
            err.print(f"{done} of {total or 'some'} units are on disk already")

    def measured(self, case: Case, unit: int, left_s: float | None) -> None:
        """A unit was committed; about ``left_s`` seconds are left."""
        self._done += 1
        if self._bar is not None:
            left = "" if left_s is None else f"{format_seconds(left_s)} left"
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=case.id, left=left)
        elif line := self._lines.due(self._done, self._total, left_s):
            err.print(line, markup=False)

    def stopped(self, case: Case, fault: Fault) -> None:
        """A case ran out of memory or failed."""
        err.print(f"fbench: {case.id}: {fault.status}: {fault.reason}", style="yellow", markup=False)


class PickProgress:
    """A selection's picks, with the time left of the phase they are in."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._phase, self._said = "", 0
        self._since: float | None = None

    def __enter__(self) -> Self:
        self._bar = _bar()
        if self._bar is not None:
            self._bar.add_task("setup", total=None, left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def took(self, phase: str, done: int, total: int) -> None:
        """``done`` of the ``total`` steps of a phase are taken."""
        now = time.perf_counter()
        if phase != self._phase:
            self._phase, self._said = phase, 0
        left = ""
        if self._since is not None and done:
            left = f"{format_seconds((now - self._since) * (total - done) / done)} left"
        if self._bar is not None:
            task = self._bar.task_ids[0]
            self._bar.update(task, description=phase, completed=done, total=total, left=left)
        elif (done - self._said) * 10 >= total > 1:
            self._said = done
            err.print(f"{phase}: {done} of {total}{', ' if left else ''}{left}", markup=False)
        if done == total:
            self._since = now
