"""What can be typed: the options of every command, as functions whose signatures typer reads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Set
from typing import Annotated, Any

from fbench.harness.suite import Suite, flag_of
from fbench.runs.asking import RUN_OPTIONS

SECOND_NAMES = {"dry_run": ["--plan"]}

PICK_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "batch": (str, "", "B, how many to pick"),
    "labelled": (str, "", "positions, or a mask, that have their labels: .npy, .npz, .csv (its column index) or .txt"),
    "out": (str, "picks.csv", "the file to write: position, index, score, gap"),
    "overwrite": (bool, False, "replace what --out names"),
    "method": (str, "exact", "exact, top2 (or another number of classes), binary, diagonal, or pca:H"),
    "regularisation": (str, "1", "λ; rel:c means c · tr F/d"),
    "oversample": (str, "2", "forward picks over B, before the backward removals"),
    "dtype": (str, "", "float32 or float64; that of the arrays if not given"),
    "device": RUN_OPTIONS["device"],
    "gpus": RUN_OPTIONS["gpus"],
    "threads": (str, "0", "CPU threads; 0 takes as many as there are cores"),
    "dry_run": (bool, False, "print what it would hold in memory and what else would fit, and stop"),
}


def fixed_command(function: Callable[[list[str]], int]) -> Callable[..., int]:
    """A function of the words that stand behind the command's name."""
    import typer

    def command(context: typer.Context) -> int:
        return function(context.args)

    command.__annotations__ = {"context": typer.Context, "return": int}
    return command


def suite_command(suite: Suite, run_suite: Callable[[Mapping[str, Any], Set[str]], int]) -> Callable[..., int]:
    """A function whose signature typer reads: the suite's options, then how to run."""
    import typer

    def command(context: typer.Context, **typed: Any) -> int:
        sources = {name: getattr(context.get_parameter_source(name), "name", "") for name in typed}
        return run_suite(typed, {name for name, source in sources.items() if source == "COMMANDLINE"})

    declared = [_parameter(p.name, p.type, p.default, p.option.help) for p in suite.parameters if not p.option.hidden]
    more = [_parameter(name, *spec) for name, spec in RUN_OPTIONS.items()]
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    signature = inspect.Signature([first, *declared, *more])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command


def _parameter(name: str, value_type: type, default: Any, text: str) -> inspect.Parameter:
    import typer

    flags = [flag_of(name), *SECOND_NAMES.get(name, [])]
    shown = default not in ("", False, 0)
    if value_type in (int, float):  # read by options.read_numbers, whose messages name the value
        option = typer.Option(*flags, help=text, show_default=shown, metavar="INT" if value_type is int else "NUMBER")
        value_type, default = str, str(default)
    else:
        option = typer.Option(*flags, help=text, show_default=shown, metavar=None if value_type is bool else "TEXT")
    annotation: Any = Annotated[value_type, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def pick_command(pick: Callable[..., int]) -> Callable[..., int]:
    """A function whose signature typer reads: the options of ``fbench pick``."""
    import typer

    def command(**typed: Any) -> int:
        return pick(**typed)

    features = Annotated[str, typer.Argument(metavar="FEATURES.npz", help="logits and features, or embedding")]
    first = inspect.Parameter("features", inspect.Parameter.KEYWORD_ONLY, annotation=features)
    signature = inspect.Signature([first, *(_parameter(name, *spec) for name, spec in PICK_OPTIONS.items())])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command
