"""What a gate is asked for: the options of ``fbench gate``, which ``pytest --fbench-…`` has, too; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GATE_OPTIONS: dict[str, tuple[str, str, str]] = {
    "against": ("", "REV", "the revision to compare the working tree with: a branch, tag or commit"),
    "threshold": ("0.03", "SHARE", "of a time, that does not matter"),
    "budget": ("600", "SECONDS", "of measuring, builds apart"),
    "timeout": ("60", "SECONDS", "that a block of calls may take before it counts as hanging"),
    "seed": ("", "INT", "of the orders, which else are drawn anew each time"),
    "out": ("reports/gate/pairs.json", "FILE", "for the pairs, as fbench diff reads them"),
}
"""Default, what stands for the value, help."""
MEMORY_HELP = "hold peaks of resident memory, too (Linux)"


@dataclass(frozen=True)
class GateOptions:
    """What is asked for.

    Attributes:
        against: the base's revision.
        paths: files, folders or node ids of benchmarks, from where the command is typed; empty for all.
        threshold: share of slowing that does not matter.
        budget_s: seconds of measuring, after which no block is begun; builds come before.
        timeout_s: seconds that a block may take.
        seed: of the orders.
        memory: whether peaks are held, too.
        names: node ids, from the project's folder, of all that is wanted; None for all. A file of ``paths`` that the
            base does not have is no fault then.
    """

    against: str
    paths: tuple[str, ...] = ()
    threshold: float = 0.03
    budget_s: float = 600.0
    timeout_s: float = 60.0
    seed: int | None = None
    memory: bool = False
    names: frozenset[str] | None = None


def read_gate_options(
    typed: Mapping[str, str], paths: tuple[str, ...] = (), *, memory: bool = False, before: str = "--"
) -> GateOptions:
    """The options of what was typed, by their names in ``GATE_OPTIONS``; ``before`` begins the flags in messages.

    Raises:
        UsageError: a number that is none, or out of range.

    Example:
        >>> typed = {name: default for name, (default, _, _) in GATE_OPTIONS.items()}
        >>> read_gate_options(typed | {"against": "main", "budget": "30"}).budget_s
        30.0
    """
    from fbench.errors import UsageError
    from fbench.harness.contract import Option
    from fbench.harness.parsing import read_number

    share, seconds = Option("share that does not matter", above=0), Option("seconds", above=0, maximum=1e6)
    threshold = read_number(f"{before}threshold", typed["threshold"], float, share)
    if threshold >= 1:
        raise UsageError(
            f"{before}threshold {typed['threshold']}: is a share of the time, 0.03 for 3 %; take one below 1"
        )
    return GateOptions(
        typed["against"],
        paths,
        threshold=threshold,
        budget_s=read_number(f"{before}budget", typed["budget"], float, seconds),
        timeout_s=read_number(f"{before}timeout", typed["timeout"], float, seconds),
        seed=read_number(f"{before}seed", typed["seed"], int, Option("seed", minimum=0)) if typed["seed"] else None,
        memory=memory,
    )
