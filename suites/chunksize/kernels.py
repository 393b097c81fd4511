"""How the kernels of a chunk sweep compare: with the matrix product, with the published one, on devices, in error."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from fbench.results.ratios import Ratio, factor
from fbench.results.words import entries, known, over_blocks
from fbench.units import format_percent

from .control import Control
from .sweeps import BASE, Sweep, against, gemm_share, scaling

_WRONG = {"float32": 1e-3, "float64": 1e-9}
"""Of the largest score: beyond it a kernel's scores are other numbers, not rounded ones."""
_STEPWISE = "incremental"
"""The kernel that is given the state before the last pick; all others are given none."""


def wrong_scores(max_rel_error: float | None, dtype: str) -> bool:
    """Tell whether an error is one of other numbers, not of rounding; one that was not measured is none."""
    return max_rel_error is not None and max_rel_error > _WRONG.get(dtype, 0.1)


def compared(sweeps: Sequence[Sweep], control: Control) -> Iterable[str]:
    """Answer a question a sentence over all kernels of a problem; none to a question that the run cannot answer."""
    yield from _rates(sweeps, control)
    yield from _against(sweeps)
    yield from _efficiencies(sweeps)
    yield from _errors(sweeps)


def _rates(sweeps: Sequence[Sweep], control: Control) -> Iterable[str]:
    """The share of the ceiling's rate that every kernel reaches."""
    shares = {sweep.kernel: gemm_share(sweep.best, control) for sweep in sweeps}
    if measured := known(shares):
        first = "{kernel} reaches {mean} of the rate of the matrix product timed beside it"
        yield f"At its best chunk {entries(measured, format_percent, first)}{over_blocks(shares)}."


def _against(sweeps: Sequence[Sweep]) -> Iterable[str]:
    """Each variant beside its own published kernel: only one variant's kernels give the same numbers."""
    words: list[str] = []
    whole: dict[str, Ratio] = {}
    for variant in dict.fromkeys(sweep.variant for sweep in sweeps):
        alike = [sweep for sweep in sweeps if sweep.variant == variant]
        ratios = {sweep.kernel: less for sweep in alike if (less := against(sweep, sweeps)) is not None}
        whole |= ratios
        if common := known(ratios):
            where = "" if words else ", each at its best chunk,"
            words.append(f"{'without' if variant else 'with'} A⁻¹{where} {_times(common, BASE + variant)}")
    if words:
        text = "; ".join(words)
        yield f"{text[0].upper()}{text[1:]}{over_blocks(whole)}."


def _times(ratios: Mapping[str, Ratio], base: str) -> str:
    """``fused takes 2 times less than published (…), factored 10 (…), slow takes 3 times more than published (…)``."""
    less = {kernel: times for kernel, times in ratios.items() if times.mean >= 1}
    more = {kernel: times.inverse() for kernel, times in ratios.items() if times.mean < 1}
    both = {"less": less, "more": more}
    return ", ".join(entries(part, factor, _form(how, base), after=_stepwise) for how, part in both.items() if part)


def _form(how: str, base: str) -> str:
    return f"{{kernel}} takes {{mean}} times {how} than {base}"


def _stepwise(kernel: str) -> str:
    """What the incremental kernel is asked for in place of scores from nothing; empty for all others."""
    return " for one more pick from the state before it" if kernel.partition(":")[0] == _STEPWISE else ""


def _efficiencies(sweeps: Sequence[Sweep]) -> Iterable[str]:
    """A sentence for each number of devices; where a kernel failed on all of them there is but one."""
    shared = [sweep for sweep in sweeps if sweep.alone]
    for count in dict.fromkeys(sweep.gpus for sweep in shared):
        yield from _efficiency([sweep for sweep in shared if sweep.gpus == count], count)


def _efficiency(sweeps: Sequence[Sweep], count: int) -> Iterable[str]:
    efficiencies = {sweep.kernel: share for sweep in sweeps if (share := scaling(sweep)) is not None}
    if measured := known(efficiencies):
        chunks = {sweep.kernel: f" at chunk {sweep.best.key.chunk_size:,}" for sweep in sweeps}
        first = f"{{kernel}} on {count} devices reaches an efficiency t₁/({count}·t) of {{mean}}"
        yield f"{entries(measured, format_percent, first, after=chunks.__getitem__)}{over_blocks(efficiencies)}."


def _errors(sweeps: Sequence[Sweep]) -> Iterable[str]:
    """Kernels whose scores are not the scores, then the largest error of all others."""
    worst: dict[str, tuple[float, int]] = {}
    for sweep in sweeps:
        errors = [(p.max_rel_error, size) for size, p in sweep.points.items() if p.max_rel_error is not None]
        worst |= {sweep.kernel: max(errors)} if errors else {}
    wrong = {kernel: worse for kernel, worse in worst.items() if wrong_scores(worse[0], sweeps[0].problem.dtype)}
    if wrong:
        of = itertools.chain([" of the largest score"], itertools.repeat(""))
        off = [f"{kernel} by {error:.0e}{next(of)} at chunk {size:,}" for kernel, (error, size) in wrong.items()]
        whose = "its times answer" if len(off) == 1 else "their times answer"
        yield f"Scores are wrong: {', '.join(off)}; {whose} another question."
    if right := {kernel: worse for kernel, worse in worst.items() if kernel not in wrong}:
        far = max(right, key=right.__getitem__)
        yield f"Scores are within {right[far][0]:.0e} of the float64 ones, over the largest ({far} is the farthest)."
