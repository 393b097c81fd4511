"""Is there a period in an evenly spaced series, and could red noise have made it?

Noise that remembers its past wanders slowly and has peaks of its own at long periods, so a peak is held not
against a flat background but against that of first-order autoregressive noise fitted to the series, and the
highest of all peaks against the highest ones of series drawn from that noise.

Layout: series [..., n], spectra [..., frequencies]; frequencies are in cycles a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fbench.errors import InputError
from fbench.measure.arrays import ROUNDING, Floats

__all__ = ["LEAST_FOR_PERIOD", "Period", "Spectrum", "even_run", "find_period", "spectrum"]


LEAST_FOR_PERIOD = 32
"""Values under which no period is looked for."""

OVERSAMPLING = 4  # frequencies a resolution interval: a sine between them loses 5 % of its power at most
SEEN = 3  # times that a period must fit into the span: two humps are what any noise has
LARGEST_PHI = 0.99  # as good as a random walk at these lengths, and still stationary
HARMONICS = (3, 2)  # the peaks of a sawtooth that could pass for its period
STANDS_OUT = 0.95  # quantile of the noise's highest peaks


@dataclass(frozen=True)
class Spectrum:
    """Share of the variance that a sine of each period has, longest period first, in the unit of the step.

    Four periods a resolution interval, so that shares overlap: every fourth one sums to 1.
    """

    periods: list[float]
    power: list[float]


@dataclass(frozen=True)
class Period:
    """The strongest period, its resolution interval, its share of the variance, and p against red noise."""

    period: float
    low: float
    high: float
    share: float
    p: float


def even_run(sizes: Sequence[int]) -> list[int]:
    """The longest run of sizes with a constant step, whatever lies between them; of equal ones the widest.

    64 to 1,024 by 64 with a few powers of two between gives the lattice of 64. Time and memory go with the
    square of the number of sizes: a thousand take a tenth of a second.

    Example:
        >>> even_run([1, 64, 100, 128, 192, 256])
        [64, 128, 192, 256]
    """
    values = np.unique(np.asarray(sizes, dtype=np.int64))
    if values.size < 3:
        return [int(value) for value in values]
    lengths = _run_lengths(values)
    steps = values - values[:, None]
    before, last = np.unravel_index(np.argmax(lengths * (steps.max() + 1) + steps), lengths.shape)
    step, end = int(steps[before, last]), int(values[last])
    return [end - step * back for back in reversed(range(int(lengths[before, last])))]


def spectrum(values: Sequence[float], step: float) -> Spectrum:
    """Periodogram of an evenly spaced series, its mean removed; all of it 0 where nothing varies.

    Args:
        values: [n], finite.
        step: distance between neighbours, such as candidates; a period of under two steps cannot be seen, and
            appears as a longer one.

    Raises:
        InputError: for values that are not finite, another shape, or a step that is not positive.

    Example:
        >>> wave = spectrum([1.0, -1.0] * 16, step=64)
        >>> wave.periods[-1], round(wave.power[-1], 12)
        (128.0, 1.0)
    """
    series = _series(values, step)
    frequencies = _frequencies(series.size)
    centred = series - series.mean() if _varies(series) else np.zeros_like(series)
    seen = frequencies * series.size >= 1
    return Spectrum((step / frequencies[seen]).tolist(), _power(centred)[seen].tolist())


def find_period(values: Sequence[float], step: float, *, seed: int = 0, draws: int = 999) -> Period | None:
    """The strongest period of a series, and how often red noise has one that stands out as much.

    A straight line is taken off first. Periods from two steps to a third of the span are looked at. The peak is
    the largest ratio of power to the spectrum of the fitted noise; where the double or triple of its period has
    more power and stands out by itself, that is the period and the peak its harmonic. p is the share of draws
    whose highest ratio is as large, their line and their noise fitted anew each: it is below 0.05 in 1 to 6 % of
    series without a period (white or red with phi up to 0.95, 32 to 500 values). A period under two steps cannot
    be seen and shows as a longer one. Nor is a pattern found that has died out within three periods: multiply
    the values by what it falls with.

    Args:
        values: [n], finite.
        step: distance between neighbours, in the unit of the period.
        seed: of the draws.
        draws: series of noise; p is never below 1/(1 + draws).

    Returns:
        The interval is the frequency ± half of the resolution 1/(n·step). None under 32 values, or where nothing
        varies about a straight line.

    Raises:
        InputError: for values that are not finite, another shape, a step that is not positive, or no draws.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal(64)
        >>> series = np.sin(2 * np.pi * np.arange(64) / 8) + 0.1 * noise
        >>> found = find_period(series, step=1)
        >>> found.period, found.p
        (8.0, 0.001)
    """
    if draws < 1:
        raise InputError(f"draws = {draws}: a p value needs one or more, such as 999")
    series = _series(values, step)
    if series.size < LEAST_FOR_PERIOD or not _varies(_detrended(series), np.abs(series).max()):
        return None
    power, ratio, phi = _against_noise(series)
    noise = _red_noise(float(phi), series.size, draws, np.random.default_rng(seed))
    highest = _against_noise(noise)[1].max(axis=-1)
    at = _fundamental(power, ratio, float(np.quantile(highest, STANDS_OUT)), series.size)
    frequency, half = float(_candidates(series.size)[at]), 0.5 / series.size
    p = (1 + int((highest >= ratio[at]).sum())) / (1 + draws)
    ends = (step / (frequency + half), step / (frequency - half))
    return Period(step / frequency, *ends, share=float(power[at]), p=p)


def _fundamental(power: Floats, ratio: Floats, stands_out: float, n: int) -> int:
    """Index of the peak with the largest ratio, or of the longer period that it is a harmonic of."""
    frequencies, peak = _candidates(n), int(np.argmax(ratio))
    for harmonic in HARMONICS:
        near = np.abs(frequencies - frequencies[peak] / harmonic) <= 0.5 / n
        longer = int(np.argmax(np.where(near, power, -1.0)))
        if near.any() and power[longer] > power[peak] and ratio[longer] > stands_out:
            return longer
    return peak


def _against_noise(series: Floats) -> tuple[Floats, Floats, Floats]:
    """Power at the candidate frequencies, its ratio to the spectrum of the fitted noise, and that noise's phi."""
    series = _detrended(series)
    n = series.shape[-1]
    power = _power(series)[..., _is_candidate(n)]
    phi = _phi(series)
    turn = np.cos(2 * math.pi * _candidates(n))
    background = (1 - phi**2)[..., None] / (1 + phi[..., None] ** 2 - 2 * phi[..., None] * turn)
    return power, power / background, phi


def _phi(series: Floats) -> Floats:
    """Lag-one autocorrelation of the noise about a line, from 0 up.

    The fitted line takes slow wandering with it, which lowers the estimate by (2 + 4·phi)/n: undone here.
    """
    n = series.shape[-1]
    lagged = (series[..., 1:] * series[..., :-1]).sum(axis=-1) / (series**2).sum(axis=-1)
    return np.asarray(np.clip((n * lagged + 2) / (n - 4), 0, LARGEST_PHI))


def _red_noise(phi: float, n: int, draws: int, rng: np.random.Generator) -> Floats:
    """[draws, n] of the stationary x[t] = phi·x[t−1] + e[t]."""
    series = rng.standard_normal((n, draws))
    series[0] /= math.sqrt(1 - phi**2)
    for now in range(1, n):
        series[now] += phi * series[now - 1]
    return series.T


def _detrended(series: Floats) -> Floats:
    time = np.arange(series.shape[-1]) - (series.shape[-1] - 1) / 2
    slope = series @ time / (time @ time)
    return np.asarray(series - series.mean(axis=-1, keepdims=True) - slope[..., None] * time)


def _power(centred: Floats) -> Floats:
    """Share of the variance at every frequency but 0; at most 1, which it may overshoot between Fourier's frequencies.

    ``scipy.signal.periodogram`` is the same transform in another unit: turning its density into this share takes as
    many lines, the halved cosine at two steps and the constant series included.
    """
    n = centred.shape[-1]
    amplitudes = np.abs(np.fft.rfft(centred, OVERSAMPLING * n))[..., 1:]
    amplitudes[..., -1] /= math.sqrt(2)  # at two steps there is a cosine and no sine
    total = np.maximum((centred**2).sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    return np.asarray(np.minimum(2 * amplitudes**2 / (n * total), 1.0))


def _frequencies(n: int) -> Floats:
    return np.arange(1, OVERSAMPLING * n // 2 + 1) / (OVERSAMPLING * n)


def _is_candidate(n: int) -> NDArray[np.bool_]:
    return np.asarray(_frequencies(n) * (n - 1) >= SEEN)


def _candidates(n: int) -> Floats:
    return _frequencies(n)[_is_candidate(n)]


def _run_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """[i, j]: length of the longest even run that ends in values i and j; 0 where j is not after i."""
    count = values.size
    lengths = np.zeros((count, count), dtype=np.int64)
    for i in range(count - 1):
        wanted = 2 * values[i] - values[i + 1 :]  # what comes before i in a run that goes on to j
        before = np.searchsorted(values, wanted)
        lengths[i, i + 1 :] = np.where(values[before] == wanted, lengths[before, i] + 1, 2)
    return lengths


def _varies(series: Floats, largest: float | None = None) -> bool:
    scale = np.abs(series).max() if largest is None else largest
    return bool(np.ptp(series) > ROUNDING * scale)


def _series(values: Sequence[float], step: float) -> Floats:
    if not 0 < step < math.inf:
        raise InputError(f"step = {step:g} is out of range: give the positive distance between neighbours")
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or not series.size:
        raise InputError(f"the series has shape {series.shape}: give a list of one value or more, evenly spaced")
    if not np.isfinite(series).all():
        position = int(np.argmin(np.isfinite(series)))
        raise InputError(f"the series holds {series[position]} at position {position}: it needs every value, finite")
    return series
