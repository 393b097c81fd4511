"""How the kernels of a chunk sweep compare: with the matrix product, with the published one, on devices, in error."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from fbench.results.ratios import Ratio, factor
from fbench.results.words import entries, known, over_blocks
from fbench.units import format_percent

from .points import Control
from .sweeps import BASE, Sweep, against, gemm_share, scaling

_WRONG = {"float32": 1e-3, "float64": 1e-9}
"""Of the largest score: beyond it a kernel's scores are other numbers, not rounded ones."""
_STEPWISE = "incremental"
"""The kernel that is given the state before the last pick; all others are given none."""


def compared(same: Sequence[Sweep], control: Control) -> Iterable[str]:
    """A sentence a question over all kernels of a problem; none to a question that the run cannot answer."""
    yield from _rates(same, control)
    yield from _against(same)
    yield from _efficiencies(same)
    yield from _errors(same)


def _rates(same: Sequence[Sweep], control: Control) -> Iterable[str]:
    found = {sweep.kernel: gemm_share(sweep.best, control) for sweep in same}
    if shares := known(found):
        first = "{kernel} reaches {mean} of the rate of the matrix product timed beside it"
        yield f"At its best chunk {entries(shares, format_percent, first)}{over_blocks(found)}."


def _against(same: Sequence[Sweep]) -> Iterable[str]:
    """Each variant beside its own published kernel: only one variant's kernels give the same numbers."""
    words: list[str] = []
    whole: dict[str, Ratio] = {}
    for variant in dict.fromkeys(sweep.variant for sweep in same):
        own = [sweep for sweep in same if sweep.variant == variant]
        found = {sweep.kernel: each for sweep in own if (each := against(sweep, same)) is not None}
        whole |= found
        if common := known(found):
            where = "" if words else ", each at its best chunk,"
            words.append(f"{'without' if variant else 'with'} A⁻¹{where} {_times(common, BASE + variant)}")
    if words:
        text = "; ".join(words)
        yield f"{text[0].upper()}{text[1:]}{over_blocks(whole)}."


def _times(found: Mapping[str, Ratio], base: str) -> str:
    """``fused takes 2 times less than published (…), factored 10 (…), slow takes 3 times more than published (…)``."""
    less = {kernel: each for kernel, each in found.items() if each.mean >= 1}
    more = {kernel: each.inverse() for kernel, each in found.items() if each.mean < 1}
    both = {"less": less, "more": more}
    parts = [entries(own, factor, _form(how, base), after=_given) for how, own in both.items() if own]
    return ", ".join(parts)


def _form(how: str, base: str) -> str:
    return f"{{kernel}} takes {{mean}} times {how} than {base}"


def _given(kernel: str) -> str:
    return " for one more pick from the state before it" if kernel.partition(":")[0] == _STEPWISE else ""


def _efficiencies(same: Sequence[Sweep]) -> Iterable[str]:
    """A sentence for each number of devices; where a kernel failed on all of them there is but one."""
    counts = dict.fromkeys(sweep.row["gpus"] for sweep in same if sweep.alone)
    for count in counts:
        own = {sweep.kernel: sweep for sweep in same if sweep.alone and sweep.row["gpus"] == count}
        yield from _efficiency(own, count)


def _efficiency(own: Mapping[str, Sweep], count: int) -> Iterable[str]:
    found = {kernel: each for kernel, sweep in own.items() if (each := scaling(sweep)) is not None}
    if shares := known(found):
        chunks = {kernel: f" at chunk {sweep.best.row['chunk_size']:,}" for kernel, sweep in own.items()}
        first = f"{{kernel}} on {count} devices reaches an efficiency t₁/({count}·t) of {{mean}}"
        yield f"{entries(shares, format_percent, first, after=chunks.__getitem__)}{over_blocks(found)}."


def _errors(same: Sequence[Sweep]) -> Iterable[str]:
    """Kernels whose scores are not the scores, then the largest error of all others."""
    worst: dict[str, tuple[float, int]] = {}
    for sweep in same:
        found = [(error, size) for size, p in sweep.points.items() if (error := p.number("max_rel_error")) is not None]
        worst |= {sweep.kernel: max(found)} if found else {}
    limit = _WRONG.get(same[0].problem[-1], 0.1)
    if wrong := {kernel: found for kernel, found in worst.items() if found[0] > limit}:
        of = itertools.chain([" of the largest score"], itertools.repeat(""))
        off = [f"{kernel} by {error:.0e}{next(of)} at chunk {size:,}" for kernel, (error, size) in wrong.items()]
        whose = "its times answer" if len(off) == 1 else "their times answer"
        yield f"Scores are wrong: {', '.join(off)}; {whose} another question."
    if right := {kernel: found for kernel, found in worst.items() if found[0] <= limit}:
        far = max(right, key=right.__getitem__)
        yield f"Scores are within {right[far][0]:.0e} of the float64 ones, over the largest ({far} is the farthest)."
