"""Why a kernel's times wiggle with chunk size: shares of the variance, and the periods found and expected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from fbench.harness.contract import Row
from fbench.measure import spectrum
from fbench.results.words import counted, listed
from fbench.units import format_percent

from .decomposition import Decomposition, decompose, smooth
from .points import number
from .sweeps import Sweep, errors

SURE = 0.01
"""A period is claimed at this p: several kernels are asked, and each twice."""
_TILE = 128 * 128
_NORMAL = 2 * 1.959964
"""Standard deviations that a normal 95 % interval is wide."""
_PERIODS = 8
"""With fewer of them in the range, stairs of 1 % noise were not told from red noise: p = 0.04 at six, 0.5 at three."""
_FEW, _MANY = 48, 64
"""Sizes that a sweep for a period is given: clear of the least, and no more than it takes."""


def why(sweep: Sweep, conditions: Sequence[Row], seed: int) -> list[str]:
    """Sentences that explain the wiggle, as far as the sizes measured allow: of few there are none."""
    shares = _shares(sweep) if len(sweep.sizes) >= spectrum.LEAST_FOR_PERIOD else ()
    return [*shares, *_periods(sweep, expected_period(sweep, conditions), seed)]


def decomposed(sweep: Sweep, sizes: Sequence[int] | None = None) -> Decomposition | None:
    """What explains the wiggle over ``sizes`` (all of them by default); None where too little is known."""
    own = {size: sweep.points[size] for size in (sweep.sizes if sizes is None else sizes)}
    times = {size: point.median.median for size, point in own.items()}
    noise = {size: (point.median.width / _NORMAL) ** 2 for size, point in own.items()}
    return decompose(sweep.shard, times, sweep.tau(), noise)


class Wiggle(NamedTuple):
    """Deviations from a smooth trend at evenly spaced sizes."""

    sizes: list[int]
    values: list[float]

    @property
    def step(self) -> int:
        """From one size to the next."""
        return self.sizes[1] - self.sizes[0]


def pass_wiggle(sweep: Sweep) -> Wiggle | None:
    """Of t(c), relative, at as many evenly spaced sizes as a period takes; None where there are fewer, or no trend."""
    sizes = sweep.even_sizes()
    found = decomposed(sweep, sizes) if len(sizes) >= spectrum.LEAST_FOR_PERIOD else None
    return None if found is None or found.sizes != sizes else Wiggle(sizes, found.residual)


def single_wiggle(sweep: Sweep) -> Wiggle | None:
    """Of τ(m), in seconds, at as many evenly spaced m as a period takes; None where there are fewer.

    Not relative: stairs are all as high, so that in seconds their amplitude stays, and they are found where of
    τ(m)/τ̃(m) − 1, which falls with m, only the first few would show.
    """
    sizes, tau = sweep.even_singles(), sweep.tau()
    curve = smooth(tau)
    if len(sizes) < spectrum.LEAST_FOR_PERIOD or curve is None:
        return None
    return Wiggle(sizes, [tau[m] - curve(m) for m in sizes])


def expected_period(sweep: Sweep, conditions: Sequence[Row]) -> float | None:
    """Candidates in a wave of 128×128 tiles, one a multiprocessor; None where there is no GPU to say so."""
    row = sweep.row
    counts = [count for each in conditions if (count := number(each, "multiprocessors"))]
    if not str(row["device"]).startswith("cuda") or not counts or not number(row, "rows"):
        return None
    return float(counts[0] * _TILE / (row["rows"] * row["dim"]))


def suggested(sweep: Sweep, expected: float | None) -> tuple[int, int, int] | None:
    """First, last and step of a sweep that would show a period; None where the range measured is too narrow for one.

    In that range, by a power of two: about 64 sizes, four or more to a period expected, and eight of those if it can.
    """
    low, high = sweep.sizes[0], min(sweep.sizes[-1], sweep.shard)
    step = 2 ** max(0, math.floor(math.log2(max(1, (high - low) / (_FEW - 1)))))
    while expected is not None and step > 1 and 4 * step > expected:
        step //= 2
    most = max(_MANY - 1, math.ceil(_PERIODS * (expected or 0) / step))
    last = min(high, low + most * step)
    last -= (last - low) % step
    return (low, last, step) if (last - low) // step + 1 >= spectrum.LEAST_FOR_PERIOD else None


def thirds(wiggle: Wiggle) -> tuple[float, float]:
    """Standard deviation in the first and in the last third of the sizes: waves fade as more of them fit a chunk."""
    n = len(wiggle.values) // 3
    first, last = wiggle.values[:n], wiggle.values[-n:]
    return _sd(first), _sd(last)


def _sd(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _shares(sweep: Sweep) -> Iterable[str]:
    """What explains the variance of t(c) about its trend."""
    found = decomposed(sweep)
    if found is None:
        return
    sizes = len(found.sizes)
    if found.noise_share >= 1:
        spread = format_percent(_sd(found.residual))
        yield f"Over {sizes} sizes {sweep.kernel}'s time strays from its trend by {spread}, no more than noise would."
        return
    noise = f", where noise alone would leave {_percent(found.noise_share)}" if found.noise_share >= 0 else ""
    yield (
        f"Of the variance of {sweep.kernel}'s time about its trend over {sizes} sizes, the number of chunks "
        f"explains {_explained(found.remainder_share)} and the staircase of single chunks "
        f"{_explained(found.staircase_share)}; {_percent(min(found.unexplained_share, 1))} is unexplained{noise}."
    )


def _explained(share: float) -> str:
    """A prediction that only adds to the variance has a share below 0, and explains nothing."""
    return _percent(share) if share > 0 else "none"


def _percent(share: float) -> str:
    """Two digits are all that a share of variance has."""
    return format_percent(float(f"{share:.2g}"))


def _periods(sweep: Sweep, expected: float | None, seed: int) -> Iterable[str]:
    """The period of a pass and of a single chunk, each beside the one expected, and whether the wiggle fades."""
    found = {"t(c)": pass_wiggle(sweep), "τ(m)": single_wiggle(sweep)}
    for name, wiggle in found.items():
        if wiggle is not None:
            yield f"{sweep.kernel}'s {name} {_period(wiggle, expected, seed)}."
    whole = found["t(c)"]
    if whole is not None:
        first, last = thirds(whole)
        how = "falls" if last < first else "does not fall"
        yield (
            f"The spread of t(c) about its trend {how}: {format_percent(first)} in the first third of the sizes, "
            f"{format_percent(last)} in the last."
        )
    if any(found.values()):
        yield _expected(sweep, expected)


_EDGE = 3
"""Steps to a period below which one too short to be seen cannot be told from it."""


def _period(wiggle: Wiggle, expected: float | None, seed: int) -> str:
    found = spectrum.find_period(wiggle.values, wiggle.step, seed=seed)
    if found is None:
        return "does not vary about its trend"
    limits = _limits(wiggle, expected)
    if found.p > SURE:
        return (
            f"shows no period over {len(wiggle.sizes)} sizes: the strongest, {found.period:.3g} candidates, is what "
            f"red noise may give (p = {found.p:.2g}{limits})"
        )
    if found.period < _EDGE * wiggle.step:
        return (
            f"may have a period of {found.period:.3g} candidates (p = {found.p:.2g} against red noise{limits}), but "
            f"that is under {_EDGE} steps of {wiggle.step:g}, where a shorter one shows as well: a finer step "
            "would tell"
        )
    return (
        f"has a period of {found.period:.3g} candidates ({found.low:.3g} to {found.high:.3g}): "
        f"{_percent(found.share)} of its variance about the trend, p = {found.p:.2g} against red noise{limits}"
    )


def _limits(wiggle: Wiggle, expected: float | None) -> str:
    """Why these sizes could not have shown the period expected."""
    if expected is None:
        return ""
    if 2 * wiggle.step > expected:
        return f"; at a step of {wiggle.step} the one expected would show as a slower, false one"
    times = wiggle.step * len(wiggle.sizes) / expected
    return f"; they span {times:.2g} of the period expected, and {_PERIODS} are needed" if times < _PERIODS else ""


def _expected(sweep: Sweep, expected: float | None) -> str:
    if expected is not None:
        return f"A wave of 128×128 tiles, one a multiprocessor, would be {expected:.3g} candidates."
    if str(sweep.row["device"]).startswith("cpu"):
        return "On a CPU no pattern of waves is expected."
    return "The period expected is not known: the run has no number of multiprocessors."


def more_sizes(same: Sequence[Sweep], conditions: Sequence[Row]) -> Iterable[str]:
    """What to type for a period, where these sizes cannot give one: a sentence for all kernels of a problem."""
    short = [sweep for sweep in same if len(sweep.even_sizes()) < spectrum.LEAST_FOR_PERIOD]
    if not short:
        return
    most = max(short, key=lambda sweep: len(sweep.sizes))
    even, many = len(most.even_sizes()), len(most.sizes) >= spectrum.LEAST_FOR_PERIOD
    spaced = f", {even} of them evenly spaced," if many else ""
    who = f" of {listed([sweep.kernel for sweep in short])}" if len(short) < len(same) else ""
    begin = f"From {counted((len(sweep.sizes) for sweep in short), 'size')}{who}{spaced} a period cannot be measured"
    yield begin + _proposed(most, expected_period(most, conditions))


def _proposed(sweep: Sweep, expected: float | None) -> str:
    found = suggested(sweep, expected)
    if found is not None:
        low, high, step = found
        return f"; --sizes {low}..{high}:+{step} would ({(high - low) // step + 1} sizes)."
    if sweep.shard < spectrum.LEAST_FOR_PERIOD:
        return f", and {sweep.shard:,} candidates are too few for a sweep that could: take more."
    return f": give --sizes a range that holds {spectrum.LEAST_FOR_PERIOD} or more, up to {sweep.shard:,}."


def predictions(same: Sequence[Sweep]) -> Iterable[str]:
    """How well single chunks predict a pass: a sentence for all kernels of a problem."""
    found = {sweep.kernel: own for sweep in same if (own := errors(sweep))}
    if not found:
        return
    typical = {kernel: _percent(median(abs(error) for error in own.values())) for kernel, own in found.items()}
    each = ", ".join(f"{error} ({kernel})" for kernel, error in typical.items())
    sizes = counted((len(own) for own in found.values()), "size")
    inside = [held for sweep in same for held in _held(sweep)]
    repeat = f"; {sum(inside)} of {len(inside)} predictions lie where a second run's median would" if inside else ""
    yield (
        f"Single chunks alone, ⌊n/c⌋·τ(c) + τ(n mod c), predict a pass to {each}, in the median over {sizes}{repeat}."
    )


def _held(sweep: Sweep) -> Iterable[bool]:
    """Whether each prediction falls where the median of a second run does; of points for which that is known."""
    for point in sweep.points.values():
        predicted = point.number("predicted_s")
        if predicted and not math.isnan(point.repeat.low):
            yield point.repeat.low <= predicted <= point.repeat.high
