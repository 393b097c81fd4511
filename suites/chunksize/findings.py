"""Sentences of ``fbench chunksize``, one a question: what chunk size is worth, why, the knee, how kernels compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Row
from fbench.results.ratios import factor
from fbench.results.words import between, counted, entries, listed
from fbench.units import format_bytes

from . import conduct
from .kernels import compared
from .points import Control, Tables, read_points
from .sweeps import LEAST_BLOCKS, LETTERS, PROBLEM, Effect, Sweep, effect, knee_of, sweeps
from .wiggles import more_sizes, predictions, why

_OF = " of temporaries"


def findings(tables: Tables, options: Mapping[str, Any]) -> list[str]:
    """What a run says whose tables are complete: problem by problem over all kernels, then how the run went."""
    points = read_points(tables)
    own, control, conditions = sweeps(points), Control(tables), tables.get("conditions", ())
    said: list[str] = []
    for problem in dict.fromkeys(sweep.problem for sweep in own):
        same, where = [sweep for sweep in own if sweep.problem == problem], _where(problem, own)
        said += [where + sentence for sentence in _problem(same, control, conditions, options)]
    if not own:
        said.append("No pass was timed, so nothing can be said of chunk sizes: see the rows' reasons.")
    return [*said, *conduct.findings(points, control, tables, options)]


def _where(problem: tuple[Any, ...], own: Sequence[Sweep]) -> str:
    """What varies over the run's problems, as the beginning of a sentence."""
    varying = [i for i in range(len(PROBLEM)) if len({sweep.problem[i] for sweep in own}) > 1]
    named = [problem[i] if PROBLEM[i] == "dtype" else f"{LETTERS[PROBLEM[i]]} = {problem[i]:,}" for i in varying]
    return f"{', '.join(named)}: " if named else ""


def _problem(
    same: Sequence[Sweep], control: Control, conditions: Sequence[Row], options: Mapping[str, Any]
) -> Iterable[str]:
    """The effect, its explanation and the knee come first: they are what the run was asked."""
    yield from _effects(same)
    explained = (why(sweep, conditions, int(options.get("seed", 0))) for sweep in same)
    yield from (" ".join(sentences) for sentences in explained if sentences)
    yield from more_sizes(same, conditions)
    yield from predictions(same)
    yield from _knees(same, options.get("memory_budget") or None)
    yield from compared(same, control)


def _effects(same: Sequence[Sweep]) -> Iterable[str]:
    """Kernels on which chunk size has an effect, those on which none was resolved, those of too few blocks."""
    found = {sweep.kernel: each for sweep in same if (each := effect(sweep)) is not None}
    if not found:
        return
    sure = {kernel: each for kernel, each in found.items() if each.known and each.resolved}
    rest = {kernel: each for kernel, each in found.items() if each.known and not each.resolved}
    few = {kernel: each for kernel, each in found.items() if not each.known}
    words = [f"Chunk size matters: the worst chunk takes {_times(sure)}"] if sure else []
    if rest:
        words.append(
            f"no effect was resolved of the others, {_times(rest)}"
            if sure
            else f"No effect of chunk size was resolved: the worst chunk takes {_times(rest)}"
        )
    if few:
        words.append(("" if words else "Whether chunk size matters cannot be said: ") + _too_few(few))
    yield f"{'; '.join(words)}.{_halves({**sure, **rest})}"


def _times(found: Mapping[str, Effect]) -> str:
    """``1.48 times as long as the best by published (…; 16 against 256), 1.51 by fused (…)``."""
    sizes = {kernel: f"; {each.worst:,} against {each.best:,}" for kernel, each in found.items()}
    ratios = {kernel: each.ratio for kernel, each in found.items()}
    first = "{mean} times as long as the best by {kernel}"
    return entries(ratios, factor, first, "{mean} by {kernel}", inside=sizes.__getitem__)


def _too_few(found: Mapping[str, Effect]) -> str:
    common = counted((each.blocks for each in found.values()), "block")
    return (
        f"blocks are too few by {listed(list(found))}, whose best and worst chunk have {common} in common, and "
        f"{LEAST_BLOCKS} are needed"
    )


def _halves(known: Mapping[str, Effect]) -> str:
    if not known:
        return ""
    odd = between(each.ratio.n for each in known.values())
    return f" Best and worst were chosen on the even blocks and compared on the odd ones, {odd} of them."


def _knees(same: Sequence[Sweep], budget: int | None) -> Iterable[str]:
    """The smallest chunk that is as good as the best, with its memory; kernels of which none keeps to the budget."""
    found = [(sweep, knee_of(sweep, budget)) for sweep in same if len(sweep.points) > 1]
    fits = [f"{size:,} by {sweep.kernel}{_memory(sweep, size)}" for sweep, size in found if size is not None]
    none = [sweep.kernel for sweep, size in found if size is None]
    under = "" if budget is None else f"under the memory budget of {format_bytes(budget)}"
    also = f" and {under}" if under else ""
    words = [f"The smallest chunk within the interval of the best{also} is {_once(fits)}"] if fits else []
    words += [f"{'no' if fits else 'No'} chunk of {listed(none)} is known to keep {under}"] if none else []
    if words:
        yield f"{'; '.join(words)}."


def _memory(sweep: Sweep, size: int) -> str:
    """The peak of the knee's pass; and that it has no interval: then it is the best itself, or may not be as good."""
    point = sweep.points[size]
    peak = point.number("peak_bytes")
    words = [] if peak is None else [format_bytes(peak) + _OF]
    words += ["without an interval yet"] if math.isnan(point.median.width) else []
    return f" ({', '.join(words)})" if words else ""


def _once(fits: Sequence[str]) -> str:
    """What the bytes are is said with the first of them."""
    head, said, tail = ", ".join(fits).partition(_OF)
    return head + said + tail.replace(_OF, "")
