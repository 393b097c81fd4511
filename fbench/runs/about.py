"""How a run was measured, as its summary tells: the command, the date, the version, the machine, every setting."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from fbench.harness.forecast import setting_lines
from fbench.harness.suite import Parameter, Suite, flag_of
from fbench.harness.sweep import spell_sweep
from fbench.results.render import provenance
from fbench.runs.machines import machines_of


def how_measured(
    suite: Suite, options: Any, identity: Mapping[str, Any], environment: Mapping[str, Any], spent_s: float
) -> list[str]:
    """Paragraphs that let a summary stand by itself."""
    machines = machines_of(environment)
    began = next((machine["started"] for machine in (environment, *machines) if machine.get("started")), "")
    when = f" on {datetime.fromisoformat(began).date().isoformat()}" if began else ""
    commit = machines[0].get("commit") or ""
    version = f"fbench {identity['fbench']}" + (f" (commit {commit[:9]})" if commit else "")
    settings = {"--device": "+".join(identity["devices"]), "--threads": str(identity["threads"])}
    return [
        f"`{command_of(suite, options, identity)}`{when}, {version}. {provenance(environment, spent_s)}",
        *setting_lines(suite, options, settings),
    ]


def command_of(suite: Suite, options: Any, identity: Mapping[str, Any]) -> str:
    """The command that makes such a run: what was typed, or found, where that is not the default.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> suite = SUITES.get("compare")
        >>> options = suite.restored({"rounds": 3, "questions": ""})
        >>> command_of(suite, options, {"loaded": []})
        "fbench compare --rounds 3 --questions ''"
    """
    loads = [word for file in identity["loaded"] if file["path"] for word in ("--load", str(file["path"]))]
    return shlex.join(["fbench", suite.name, *loads, *_words(suite, options)])


def _words(suite: Suite, options: Any) -> Iterator[str]:
    for parameter, value in suite.changed(options):
        if not (parameter.option.hidden or value is None):
            yield from _typed(parameter, value)


def _typed(parameter: Parameter, value: Any) -> Sequence[str]:
    flag = flag_of(parameter.name)
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    if not parameter.option.spell and isinstance(value, tuple) and value and all(type(item) is int for item in value):
        return [flag, spell_sweep(value)]
    return [flag, parameter.spelled(value)]
