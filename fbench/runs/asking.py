"""What a run can be asked beside its suite's options, and Python's values as the text that would be typed for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fbench.errors import UnknownNameError, UsageError
from fbench.harness.suite import Parameter, Suite

RUN_OPTIONS: dict[str, tuple[Any, Any, str]] = {
    "device": (str, "auto", "auto, cpu, cuda, or a list such as cuda:0,cuda:1: several shard the pool"),
    "gpus": (str, "", "the same by number: 0,1 or 0..3 or all or a UUID"),
    "threads": (int, 0, "CPU threads a process, pinned and recorded; 0 shares the cores among the jobs"),
    "jobs": (int, 0, "processes side by side; 0 is one a core, at most 4, where the suite allows it"),
    "executor": (str, "local", "local, or ray: cases run where Ray has CPUs and GPUs for them (fbench[ray])"),
    "address": (
        str,
        "",
        "of the cluster that --executor ray joins: auto, HOST:PORT, ray://HOST:PORT; or Ray runs here",
    ),
    "out": (str, "", "the run's folder; reports/SUITE/RUN-ID if not given"),
    "preset": (str, "", "published settings: see `fbench list presets`; what you type beside it wins"),
    "quick": (bool, False, "the preset's short form, of minutes; it says what it cannot show"),
    "fresh": (bool, False, "start anew, even where an unfinished run could be taken up"),
    "overwrite": (bool, False, "replace what --out holds"),
    "accept_version": (bool, False, "go on with a run of --out that other code measured; it is noted there"),
    "replicate": (str, "", "a run's folder: the same study on new seeds alone, for an answer that was asked before"),
    "retry": (bool, False, "measure failed and out-of-memory cases again"),
    "details": (bool, False, "print the evidence too, and every setting"),
    "figure_format": (str, "svg,png", "files of a figure: svg, png, pdf"),
    "figure_width": (float, 0.0, "inches of a figure; 0 is what its panels take"),
    "dry_run": (bool, False, "print the plan and what each case will cost, and stop"),
}
"""How to run, by name: type, default, help."""


PRINTING = {"dry_run", "details"}
"""Options of what is printed: there are none in Python."""


def as_typed(suite: Suite, values: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of a run as it is typed: of ``values``, or else its default. None asks for nothing.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> typed = as_typed(SUITES.get("compare"), {"strategies": ["random", "bait"], "seeds": range(2, 4)})
        >>> typed["strategies"], typed["seeds"], typed["rounds"], typed["out"]
        ('random,bait', '2..3', 10, '')

    Raises:
        UnknownNameError: an option that the suite does not have; names the nearest.
        UsageError: a value that cannot be typed there.
    """
    parameters = {p.name: p for p in suite.parameters if not p.option.hidden}
    types = {name: value_type for name, (value_type, *_) in RUN_OPTIONS.items()} | {
        name: parameter.type for name, parameter in parameters.items()
    }
    defaults = {name: default for name, (_, default, _) in RUN_OPTIONS.items()}
    defaults |= {name: parameter.default for name, parameter in parameters.items()}
    for name in values:
        if name not in types or name in PRINTING:
            raise UnknownNameError(f"option of fbench {suite.name}", name, types.keys() - PRINTING)
    typed = {name: _text(name, types[name], parameters.get(name), v) for name, v in values.items() if v is not None}
    return {**defaults, **typed}


def _text(name: str, value_type: type, parameter: Parameter | None, value: Any) -> Any:
    """A value as it would be typed; flags stay what they are."""
    if value_type is bool or isinstance(value, bool):
        if value_type is not bool or not isinstance(value, bool):
            wanted = "True or False" if value_type is bool else "a number" if value_type in (int, float) else "a text"
            raise UsageError(f"{name}={value!r}: must be {wanted}")
        return value
    if isinstance(value, range) and value.step == 1 and value and parameter is not None and parameter.option.renew:
        return f"{value.start}..{value.stop - 1}"  # of seeds, which a list would cut into groups of one
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple | range):
        return ",".join(_item(name, parameter, item) for item in value)
    return _item(name, parameter, value)


def _item(name: str, parameter: Parameter | None, value: Any) -> str:
    if isinstance(value, range):
        return str(_text(name, str, parameter, value))
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    try:
        return repr(float(value)) if float(value) != int(value) else str(int(value))
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name}={value!r}: must be a number, a text, or a list of these") from None
