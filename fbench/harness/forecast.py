"""What a plan says of the whole run: with which settings, for how long, and in how much memory side by side."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import psutil

from fbench.harness.clock import makespan
from fbench.harness.contract import Case, Context
from fbench.harness.runner import Settings
from fbench.harness.suite import Suite, flag_of, spell_value
from fbench.machine import free_bytes
from fbench.units import format_bytes, format_seconds

_START_S = 3.0
"""Seconds in which the first process imports torch."""
_YEAR_S = 365 * 24 * 3600.0
_SHOWN = 4
"""Values of an option that are shown; of more, the first and the last."""


def setting_lines(suite: Suite, options: Any, where: Mapping[str, str]) -> list[str]:
    """Every setting in two sentences: those that differ from the defaults, or were found for this machine, first.

    ``where`` are settings of the run that are no options of its suite, by their flags.
    """
    changed, kept = dict[str, str](), dict[str, str]()
    for parameter in (p for p in suite.parameters if not p.option.hidden):
        value = getattr(options, parameter.name)
        same = parameter.default != "auto" and value == parameter.read(parameter.default)
        spelled = parameter.option.spell
        (kept if same else changed)[flag_of(parameter.name)] = spelled(value) if spelled else _worded(value)
    lines = [_sentence("Settings typed, or found for this machine and data", {**where, **changed})]
    return [*lines, _sentence("At their defaults", kept)] if kept else lines


def _sentence(title: str, values: dict[str, str]) -> str:
    return f"{title}: {', '.join(f'{name} {value}' for name, value in values.items())}."


def _worded(value: Any) -> str:
    """An option's value as text: short, and never empty.

    Example:
        >>> _worded((1, 2, 3, 4, 5, 6)), _worded(None), _worded(0.5)
        ('1,2,3,…,6 (6 values)', 'none', '0.5')
    """
    if isinstance(value, tuple):
        if len(value) > _SHOWN:
            return f"{spell_value(value[: _SHOWN - 1])},…,{spell_value(value[-1:])} ({len(value)} values)"
        return spell_value(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)


def expected_run_s(suite: Suite, options: Any, settings: Settings, cases: Sequence[Case[Any]]) -> float | None:
    """About how many seconds a run of these cases takes from its beginning; None where the suite does not say."""
    if suite.expect_s is None:
        return None
    context = Context(devices=settings.devices, threads=settings.threads)
    whole = makespan([sum(suite.expected(case, options, context)) for case in cases], settings.jobs)
    whole += suite.once_s(options, context)
    return _START_S + min(whole, suite.limit_s(options) if suite.limit_s else whole)


def time_line(suite: Suite, options: Any, settings: Settings, cases: Sequence[Case[Any]]) -> str:
    """How long it will take, roughly."""
    seconds = expected_run_s(suite, options, settings, cases)
    if seconds is None:
        return "Time: not known before the first cases are measured; the run then says what is left."
    if seconds > _YEAR_S:
        return "Time: more than a year."
    least, most = format_seconds(_rounded(seconds / 2)), format_seconds(_rounded(seconds * 2))
    return f"Time: roughly {least} to {most} on this machine as it is now."


def _rounded(seconds: float) -> float:
    """To a figure that claims no more than is known."""
    digits = 10 if seconds >= 10 else 1
    return max(round(seconds / digits) * digits, 1)


def memory_line(suite: Suite, options: Any, settings: Settings, cases: Sequence[Case[Any]]) -> str:
    """What processes side by side need together; empty for one. Warns where that is more than is free."""
    jobs = min(settings.jobs, len(cases))
    elsewhere = settings.cluster is not None and settings.cluster.address
    if suite.hold_bytes is None or jobs < 2 or elsewhere:
        return ""
    context = Context(devices=settings.devices, threads=settings.threads)
    dearest = max(suite.hold_bytes(case, options, context) for case in cases) + psutil.Process().memory_info().rss
    free = free_bytes("cpu")
    if free is not None and jobs * dearest > free:
        warnings.warn(
            f"--jobs {jobs}: {jobs} processes of up to {format_bytes(dearest)} need {format_bytes(jobs * dearest)}, "
            f"and {format_bytes(free)} are free; --jobs {max(1, int(free / dearest))} fits",
            stacklevel=2,
        )
    there = "" if free is None else f"; {format_bytes(free)} are free"
    whole = f"{format_bytes(jobs * dearest)} in all{there}"
    return f"Memory: {jobs} processes side by side of up to {format_bytes(dearest)}, {whole}."
