"""Sentences of ``fbench chunksize``, one a question: what chunk size is worth, why, the knee, how kernels compare."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from fbench.results.ratios import factor
from fbench.results.words import between, counted, entries, listed
from fbench.units import format_bytes

from .conduct import how_it_went
from .explanations import more_sizes, predictions, why
from .kernels import compared
from .options import Options
from .points import ChunkRun
from .rows import ProblemKey
from .sweeps import LEAST_BLOCKS, PROBLEM_LETTERS, Effect, Sweep, effect, group_sweeps, knee_of, varying_in_sweeps

_OF = " of temporaries"


def findings(run: ChunkRun, options: Options) -> list[str]:
    """What a run says: problem by problem over all kernels, then how the run went."""
    swept = group_sweeps(run.points)
    problems = list(dict.fromkeys(sweep.problem for sweep in swept))
    sentences: list[str] = []
    for problem in problems:
        sweeps, where = [sweep for sweep in swept if sweep.problem == problem], _where(problem, problems)
        sentences += [where + sentence for sentence in _problem(sweeps, run, options)]
    if not swept:
        sentences.append("No pass was timed, so nothing can be said of chunk sizes: see the rows' reasons.")
    return [*sentences, *how_it_went(run, options)]


def _where(problem: ProblemKey, problems: Sequence[ProblemKey]) -> str:
    """What varies over the run's problems, as the beginning of a sentence."""
    sizes = problem._asdict()
    varying = varying_in_sweeps(problems)
    named = [sizes[name] if name == "dtype" else f"{PROBLEM_LETTERS[name]} = {sizes[name]:,}" for name in varying]
    return f"{', '.join(named)}: " if named else ""


def _problem(sweeps: Sequence[Sweep], run: ChunkRun, options: Options) -> Iterable[str]:
    """The effect, its explanation and the knee come first: they are what the run was asked."""
    yield from _effects(sweeps)
    explained = (why(sweep, run.multiprocessors, options.seed) for sweep in sweeps)
    yield from (" ".join(sentences) for sentences in explained if sentences)
    yield from more_sizes(sweeps, run.multiprocessors)
    yield from predictions(sweeps)
    yield from _knees(sweeps, options.memory_budget or None)
    yield from compared(sweeps, run.control)


def _effects(sweeps: Sequence[Sweep]) -> Iterable[str]:
    """Kernels on which chunk size has an effect, those on which none was resolved, those of too few blocks."""
    effects = {sweep.kernel: worth for sweep in sweeps if (worth := effect(sweep)) is not None}
    if not effects:
        return
    sure = {kernel: worth for kernel, worth in effects.items() if worth.known and worth.resolved}
    rest = {kernel: worth for kernel, worth in effects.items() if worth.known and not worth.resolved}
    few = {kernel: worth for kernel, worth in effects.items() if not worth.known}
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


def _times(effects: Mapping[str, Effect]) -> str:
    """``1.48 times as long as the best by published (…; 16 against 256), 1.51 by fused (…)``."""
    sizes = {kernel: f"; {worth.worst:,} against {worth.best:,}" for kernel, worth in effects.items()}
    ratios = {kernel: worth.ratio for kernel, worth in effects.items()}
    first = "{mean} times as long as the best by {kernel}"
    return entries(ratios, factor, first, "{mean} by {kernel}", inside=sizes.__getitem__)


def _too_few(effects: Mapping[str, Effect]) -> str:
    common = counted((worth.blocks for worth in effects.values()), "block")
    return (
        f"blocks are too few by {listed(list(effects))}, whose best and worst chunk have {common} in common, and "
        f"{LEAST_BLOCKS} are needed"
    )


def _halves(known: Mapping[str, Effect]) -> str:
    if not known:
        return ""
    odd = between(worth.ratio.n for worth in known.values())
    return f" Best and worst were chosen on the even blocks and compared on the odd ones, {odd} of them."


def _knees(sweeps: Sequence[Sweep], budget: int | None) -> Iterable[str]:
    """The smallest chunk that is as good as the best, with its memory; kernels of which none keeps to the budget."""
    knees = [(sweep, knee_of(sweep, budget)) for sweep in sweeps if len(sweep.points) > 1]
    fits = [f"{size:,} by {sweep.kernel}{_memory(sweep, size)}" for sweep, size in knees if size is not None]
    none = [sweep.kernel for sweep, size in knees if size is None]
    under = "" if budget is None else f"under the memory budget of {format_bytes(budget)}"
    also = f" and {under}" if under else ""
    words = [f"The smallest chunk within the interval of the best{also} is {_once(fits)}"] if fits else []
    words += [f"{'no' if fits else 'No'} chunk of {listed(none)} is known to keep {under}"] if none else []
    if words:
        yield f"{'; '.join(words)}."


def _memory(sweep: Sweep, size: int) -> str:
    """The peak of the knee's pass; and that it has no interval: then it is the best itself, or may not be as good."""
    point = sweep.points[size]
    words = [] if point.peak_bytes is None else [format_bytes(point.peak_bytes) + _OF]
    words += ["without an interval yet"] if math.isnan(point.median.width) else []
    return f" ({', '.join(words)})" if words else ""


def _once(fits: Sequence[str]) -> str:
    """The knees joined; what the bytes are stands with the first of them only."""
    head, of, tail = ", ".join(fits).partition(_OF)
    return head + of + tail.replace(_OF, "")
