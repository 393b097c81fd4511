"""Sentences on why a kernel's times wiggle: shares of the variance, periods found and expected, how well τ predicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median, stdev

from fbench.measure import spectrum
from fbench.results.words import counted, listed
from fbench.units import format_percent

from .sweeps import Sweep, prediction_errors
from .wiggles import (
    LEAST_PERIODS,
    SURE,
    Wiggle,
    decomposed,
    expected_period,
    pass_wiggle,
    single_wiggle,
    suggested,
    thirds,
)

_EDGE = 3
"""Steps to a period below which one too short to be seen cannot be told from it."""


def why(sweep: Sweep, multiprocessors: int | None, seed: int) -> list[str]:
    """Sentences that explain the wiggle, as far as the sizes measured allow: of few there are none."""
    shares = _shares(sweep) if len(sweep.sizes) >= spectrum.LEAST_FOR_PERIOD else ()
    return [*shares, *_periods(sweep, expected_period(sweep, multiprocessors), seed)]


def _shares(sweep: Sweep) -> Iterable[str]:
    """What explains the variance of t(c) about its trend."""
    parts = decomposed(sweep)
    if parts is None:
        return
    sizes = len(parts.sizes)
    if parts.noise_share >= 1:
        spread = format_percent(stdev(parts.residual))
        yield f"Over {sizes} sizes {sweep.kernel}'s time strays from its trend by {spread}, no more than noise would."
        return
    noise = f", where noise alone would leave {_percent(parts.noise_share)}" if parts.noise_share >= 0 else ""
    yield (
        f"Of the variance of {sweep.kernel}'s time about its trend over {sizes} sizes, the number of chunks "
        f"explains {_explained(parts.remainder_share)} and the staircase of single chunks "
        f"{_explained(parts.staircase_share)}; {_percent(min(parts.unexplained_share, 1))} is unexplained{noise}."
    )


def _explained(share: float) -> str:
    """A share in words: a prediction that only adds to the variance has one below 0, and explains nothing."""
    return _percent(share) if share > 0 else "none"


def _percent(share: float) -> str:
    """A share to two digits, which are all that a share of variance has."""
    return format_percent(float(f"{share:.2g}"))


def _periods(sweep: Sweep, expected: float | None, seed: int) -> Iterable[str]:
    """The period of a pass and of a single chunk, each beside the one expected, and whether the wiggle fades."""
    passes, singles = pass_wiggle(sweep), single_wiggle(sweep)
    for name, wiggle in (("t(c)", passes), ("τ(m)", singles)):
        if wiggle is not None:
            yield f"{sweep.kernel}'s {name} {_period(wiggle, expected, seed)}."
    if passes is not None:
        first, last = thirds(passes)
        how = "falls" if last < first else "does not fall"
        yield (
            f"The spread of t(c) about its trend {how}: {format_percent(first)} in the first third of the sizes, "
            f"{format_percent(last)} in the last."
        )
    if passes or singles:
        yield _expected(sweep, expected)


def _period(wiggle: Wiggle, expected: float | None, seed: int) -> str:
    """What a wiggle's strongest period may be called, after its name."""
    strongest = spectrum.find_period(wiggle.values, wiggle.step, seed=seed)
    if strongest is None:
        return "does not vary about its trend"
    limits = _limits(wiggle, expected)
    if strongest.p > SURE:
        return (
            f"shows no period over {len(wiggle.sizes)} sizes: the strongest, {strongest.period:.3g} candidates, is "
            f"what red noise may give (p = {strongest.p:.2g}{limits})"
        )
    if strongest.period < _EDGE * wiggle.step:
        return (
            f"may have a period of {strongest.period:.3g} candidates (p = {strongest.p:.2g} against red noise"
            f"{limits}), but that is under {_EDGE} steps of {wiggle.step:g}, where a shorter one shows as well: a "
            "finer step would tell"
        )
    return (
        f"has a period of {strongest.period:.3g} candidates ({strongest.low:.3g} to {strongest.high:.3g}): "
        f"{_percent(strongest.share)} of its variance about the trend, p = {strongest.p:.2g} against red noise{limits}"
    )


def _limits(wiggle: Wiggle, expected: float | None) -> str:
    """Why these sizes could not have shown the period expected; empty where they could."""
    if expected is None:
        return ""
    if 2 * wiggle.step > expected:
        return f"; at a step of {wiggle.step} the one expected would show as a slower, false one"
    times = wiggle.step * len(wiggle.sizes) / expected
    few = times < LEAST_PERIODS
    return f"; they span {times:.2g} of the period expected, and {LEAST_PERIODS} are needed" if few else ""


def _expected(sweep: Sweep, expected: float | None) -> str:
    if expected is not None:
        return f"A wave of 128×128 tiles, one a multiprocessor, would be {expected:.3g} candidates."
    if str(sweep.any_point.key.device).startswith("cpu"):
        return "On a CPU no pattern of waves is expected."
    return "The period expected is not known: the run has no number of multiprocessors."


def more_sizes(sweeps: Sequence[Sweep], multiprocessors: int | None) -> Iterable[str]:
    """What to type for a period, where these sizes cannot give one: a sentence for all kernels of a problem."""
    short = [sweep for sweep in sweeps if len(sweep.even_sizes()) < spectrum.LEAST_FOR_PERIOD]
    if not short:
        return
    most = max(short, key=lambda sweep: len(sweep.sizes))
    even, many = len(most.even_sizes()), len(most.sizes) >= spectrum.LEAST_FOR_PERIOD
    spaced = f", {even} of them evenly spaced," if many else ""
    who = f" of {listed([sweep.kernel for sweep in short])}" if len(short) < len(sweeps) else ""
    begin = f"From {counted((len(sweep.sizes) for sweep in short), 'size')}{who}{spaced} a period cannot be measured"
    yield begin + _proposed(most, expected_period(most, multiprocessors))


def _proposed(sweep: Sweep, expected: float | None) -> str:
    range_ = suggested(sweep, expected)
    if range_ is not None:
        low, high, step = range_
        return f"; --sizes {low}..{high}:+{step} would ({(high - low) // step + 1} sizes)."
    if sweep.shard < spectrum.LEAST_FOR_PERIOD:
        return f", and {sweep.shard:,} candidates are too few for a sweep that could: take more."
    return f": give --sizes a range that holds {spectrum.LEAST_FOR_PERIOD} or more, up to {sweep.shard:,}."


def predictions(sweeps: Sequence[Sweep]) -> Iterable[str]:
    """How well single chunks predict a pass: a sentence for all kernels of a problem."""
    errors = {sweep.kernel: by_size for sweep in sweeps if (by_size := prediction_errors(sweep))}
    if not errors:
        return
    typical = {kernel: _percent(median(map(abs, by_size.values()))) for kernel, by_size in errors.items()}
    kernels = ", ".join(f"{error} ({kernel})" for kernel, error in typical.items())
    sizes = counted((len(by_size) for by_size in errors.values()), "size")
    inside = [held for sweep in sweeps for held in _held(sweep)]
    repeat = f"; {sum(inside)} of {len(inside)} predictions lie where a second run's median would" if inside else ""
    yield (
        f"Single chunks alone, ⌊n/c⌋·τ(c) + τ(n mod c), predict a pass to {kernels}, in the median over "
        f"{sizes}{repeat}."
    )


def _held(sweep: Sweep) -> Iterable[bool]:
    """Whether each prediction falls where the median of a second run does; of points for which that is known."""
    for point in sweep.points.values():
        if point.predicted_s and not math.isnan(point.repeat.low):
            yield point.repeat.low <= point.predicted_s <= point.repeat.high
