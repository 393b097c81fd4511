"""What can be typed: the options of every command, as functions whose signatures typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Annotated, Any

from fbench.cli.fixed import Fixed
from fbench.harness import registry
from fbench.harness.suite import Suite, flag_of
from fbench.runs.asking import RUN_OPTIONS

SECOND_NAMES = {"dry_run": ["--plan"]}

PICK_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "batch": (str, "", "B, how many to pick"),
    "labelled": (str, "", "positions, or a mask, that have their labels: .npy, .npz, .csv (its column index) or .txt"),
    "out": (str, "picks.csv", "the file to write: position, index, score, gap"),
    "overwrite": (bool, False, "replace what --out names"),
    "strategy": (
        str,
        "bait",
        "bait, random, least-confidence, margin, entropy, coreset, badge, typiclust or probcover",
    ),
    "seed": (str, "0", "of what a strategy draws; BAIT draws nothing"),
    "method": (str, "exact", "exact, top2 (or another number of classes), binary, diagonal, or pca:H"),
    "regularisation": (str, "1", "λ; rel:c means c · tr F/d, deff:c the λ at which d_eff = c"),
    "oversample": (str, "2", "forward picks over B, before the backward removals"),
    "dtype": (str, "", "float32 or float64; that of the arrays if not given"),
    "pool": (str, "auto", "memory, streamed from the file pick by pick, or auto: in memory where it fits"),
    "device": RUN_OPTIONS["device"],
    "gpus": RUN_OPTIONS["gpus"],
    "threads": (str, "0", "CPU threads; 0 takes as many as there are cores"),
    "dry_run": (bool, False, "print what it would hold in memory and what else would fit, and stop"),
}


LOAD = ("load", "FILE.py", "run FILE.py first, with what it registers: suites, strategies, …; may be given again")
"""In every help; ``program.take_loads`` takes it out of the words before there is any command to ask."""


def fixed_command(fixed: Fixed) -> Callable[..., int]:
    """A function whose signature typer reads: the one word, ``--json``, and ``--load``."""
    import typer

    def command(*, word: str = "", json: bool = False, **_: Any) -> int:
        return fixed.run(word, json)

    taken = [load_parameter()]
    if fixed.json:
        taken.insert(0, keyword("json", bool, False, typer.Option("--json", help=fixed.json)))
    if fixed.word:
        taken.insert(0, keyword("word", str, "", typer.Argument(metavar=fixed.word, show_default=False)))
    return signed(command, taken)


def load_parameter() -> inspect.Parameter:
    """``--load FILE.py``."""
    import typer

    name, metavar, text = LOAD
    return keyword(name, str, "", typer.Option(flag_of(name), metavar=metavar, help=text, show_default=False))


def keyword(name: str, value_type: Any, default: Any, declared: Any) -> inspect.Parameter:
    """A parameter as typer reads it: its type, its default (``inspect.Parameter.empty`` for none), how it is typed."""
    annotation: Any = Annotated[value_type, declared]
    if default is inspect.Parameter.empty:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def signed(command: Callable[..., int], parameters: Sequence[inspect.Parameter]) -> Callable[..., int]:
    """The function with the signature that typer is to read."""
    command.__signature__ = inspect.Signature(list(parameters))  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def root_command() -> Callable[..., int]:
    """The options that stand before a command; that there are any keeps typer from running a lone command unnamed."""
    import typer

    def command(**_: Any) -> int:
        return 0

    version = keyword("version", bool, False, typer.Option("--version", help="print the version of fbench"))
    return signed(command, [version, load_parameter()])


def suite_command(suite: Suite, run_suite: Callable[[Mapping[str, Any], Set[str]], int]) -> Callable[..., int]:
    """A function whose signature typer reads: the suite's options, then how to run."""
    import typer

    def command(context: typer.Context, *, load: str = "", **typed: Any) -> int:
        sources = {name: getattr(context.get_parameter_source(name), "name", "") for name in typed}
        return run_suite(typed, {name for name, source in sources.items() if source == "COMMANDLINE"})

    declared = [_parameter(p.name, p.type, p.default, p.option.help) for p in suite.parameters if not p.option.hidden]
    more = [_parameter(name, *spec) for name, spec in RUN_OPTIONS.items()]
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return signed(command, [first, *declared, *more, load_parameter()])


def _parameter(name: str, value_type: type, default: Any, text: str) -> inspect.Parameter:
    import typer

    flags = [flag_of(name), *SECOND_NAMES.get(name, [])]
    metavar = {int: "INT", float: "NUMBER", bool: None}.get(value_type, "TEXT")
    more: Any = {"show_default": default not in ("", False, 0), "metavar": metavar, "autocompletion": _completer(name)}
    if value_type in (int, float):  # read by options.read_numbers, whose messages name the value
        value_type, default = str, str(default)
    return keyword(name, value_type, default, typer.Option(*flags, help=text, **more))


def figure_parameters() -> list[inspect.Parameter]:
    """As which files figures are written, and how wide."""
    return [_parameter(name, *RUN_OPTIONS[name]) for name in ("figure_format", "figure_width")]


def _completer(name: str) -> Callable[[str], list[str]] | None:
    """What completes an option that takes registered names, one or a list with commas; None for any other."""
    names = registry.REGISTRIES.get(name) or registry.REGISTRIES.get(f"{name}s")
    if names is None:
        return None

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{word}" for word in names.names() if word.startswith(last)]

    return complete


def pick_command(pick: Callable[..., int]) -> Callable[..., int]:
    """A function whose signature typer reads: the options of ``fbench pick``."""
    import typer

    def command(*, load: str = "", **typed: Any) -> int:
        return pick(**typed)

    features = typer.Argument(metavar="FEATURES.npz", help="logits and features, or embedding")
    first = keyword("features", str, inspect.Parameter.empty, features)
    return signed(command, [first, *(_parameter(n, *spec) for n, spec in PICK_OPTIONS.items()), load_parameter()])
