"""A study that grows: what was measured stays, and what a command asks beside it is added.

``Option.grows`` says how an option grows, and what has none must stay as it was. Rows that are there are never
measured again, since a case's rows don't depend on the other cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

from fbench.errors import FolderError, UsageError
from fbench.harness.contract import Context
from fbench.harness.suite import Parameter, Suite, flag_of


def grow_options(
    suite: Suite, there: Mapping[str, Any], typed: Mapping[str, Any], asked: Set[str], context: Context
) -> Any:
    """The options of a run's folder with what is asked added, resolved.

    ``there`` are the options in the folder's ``options.json``; of ``typed`` only those named in ``asked`` count.

    Raises:
        UsageError: an option that its parser or the suite refuses.
        FolderError: an option is asked to be what it was not, and cannot grow.
    """
    before = suite.restored(there)
    wanted = {p.name: p.read(typed[p.name]) for p in suite.parameters if p.name in asked}
    grows = {p.name: p.option.grows for p in suite.parameters if p.option.grows}
    merged = {
        name: merge(getattr(before, name), value) if (merge := grows.get(name)) else value
        for name, value in wanted.items()
    }
    if all(getattr(before, name) == value for name, value in merged.items()):
        return before
    after = suite.grown(before, suite.resolve(replace(before, **merged), context))
    for parameter in suite.parameters:
        _hold(parameter, before, after)
    return after


def held_already(suite: Suite, there: Mapping[str, Any], typed: Mapping[str, Any], asked: Set[str]) -> list[str]:
    """Lines about options of which less is asked than the run has: what it has stays, and counts."""
    before, lines = suite.restored(there), []
    for parameter in suite.parameters:
        grows, name = parameter.option.grows, parameter.name
        if name not in asked or grows is None or parameter.option.hidden:
            continue
        has, wanted = getattr(before, name), parameter.read(typed[name])
        if wanted != has and grows(has, wanted) == has:
            spelled = f"{flag_of(name)} {parameter.spelled(wanted)}"
            lines.append(f"{spelled}: the run has {parameter.spelled(has)} already, and all of it counts")
    return lines


def _hold(parameter: Parameter, before: Any, after: Any) -> None:
    """Refuse an option that is not what it was and does not grow."""
    name, option = parameter.name, parameter.option
    old, new = getattr(before, name), getattr(after, name)
    if old != new and not option.grows and not option.recorded and not option.hidden:
        raise FolderError(
            f"{flag_of(name)} was {parameter.spelled(old)} in that run, is {parameter.spelled(new)}: rows don't mix; "
            "leave it out to go on with that run, or choose another --out (or --overwrite it)"
        )


def what_grew(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Options that are not what they were: by name, as they were and as they are.

    Example:
        >>> what_grew({"rounds": 3, "batch": 20}, {"rounds": 5, "batch": 20})
        {'rounds': [3, 5]}
    """
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def replicate_options(
    suite: Suite, there: Mapping[str, Any], typed: Mapping[str, Any], asked: Set[str], context: Context
) -> Any:
    """The options of a run with new seeds: as many as it has, or those asked, and none of its own.

    What a suite has set by itself is set anew where it grew with the run, such as which questions came later; what does
    not grow, such as what the data hold, is what the replication is held to.

    Raises:
        UsageError: the suite has no seeds; seeds that the run has already; as its ``resolve``.
    """
    before = suite.restored(there)
    values = {p.name: p.read(typed[p.name]) for p in suite.parameters if p.name in asked}
    renewed = {p.name: p.option.renew for p in suite.parameters if p.option.renew}
    if not renewed:
        raise UsageError(f"--replicate: `fbench {suite.name}` has no seeds to renew; run it again in another --out")
    for name, renew in renewed.items():
        values[name] = renew(getattr(before, name), values.get(name))
    grown = {p.name: p.read(p.default) for p in suite.parameters if p.option.hidden and p.option.grows}
    return suite.resolve(replace(before, **values, **grown), context)
