"""The overlap of two sets as their Jaccard index, and what chance alone would give.

Chance: both sets drawn at random, each with its own count in every layer. The weights that they share in a layer of m
are then hypergeometric, X_l ~ Hyp(m_l, a_l, b_l), the layers independent, and the whole index's expectation is
E[J] = Σ_x P(Σ_l X_l = x)·x/(a + b − x) with a = Σ a_l and b = Σ b_l. Putting the mean of X in its place is half off for
small sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fbench.errors import InputError
from fbench.measure.arrays import Floats

__all__ = ["expected_jaccard", "jaccard"]


_DEVIATIONS = 10  # a hypergeometric tail further out holds less than 1e-20, were it normal …
_LEAST_REACH = 40  # … and so does one of mean 1, which is not


def jaccard(shared: int, first: int, second: int) -> float | None:
    """The shared members over all members of two sets of so many; None where both are empty.

    Raises:
        InputError: for a negative count, or more shared members than either set has.

    Example:
        >>> jaccard(shared=2, first=4, second=6)
        0.25
    """
    if not 0 <= shared <= min(first, second):
        raise InputError(
            f"{shared:,} members shared by sets of {first:,} and {second:,}: "
            "give counts of 0 or more, and no more shared than the smaller set has"
        )
    together = first + second - shared
    return shared / together if together else None


def expected_jaccard(sizes: Sequence[int], first: Sequence[int], second: Sequence[int]) -> float | None:
    """The expected index of two random sets that take given counts of every layer.

    Exact to 1e-12: each layer's probabilities are products of neighbours' ratios, and the layers are convolved by one
    Fourier transform each, on a window of ten deviations of the sum on either side.

    Args:
        sizes: [l], members to choose from in every layer.
        first: [l], how many of them the first set takes.
        second: [l], how many the second takes.

    Returns:
        Between 0 and 1; None where both sets are empty.

    Raises:
        InputError: for unequal lengths, a negative count, or a count above its layer's size.

    Example:
        >>> round(expected_jaccard([2], [1], [1]), 12)  # of two weights both take one: the same, or not
        0.5
    """
    layers = _checked(sizes, first, second)
    taken = sum(layer.first + layer.second for layer in layers)
    if not taken:
        return None
    open_layers = [layer for layer in layers if layer.low < layer.high]
    centre = sum(layer.low for layer in layers if layer.low == layer.high) + sum(layer.mode for layer in open_layers)
    weights, offset = _sum_of(open_layers)
    shared = centre + offset
    possible = (shared >= sum(layer.low for layer in layers)) & (shared <= sum(layer.high for layer in layers))
    shared, weights = shared[possible], weights[possible]
    return float(np.sum(weights * (shared / (taken - shared))) / np.sum(weights))


class _Layer(NamedTuple):
    """The counts of two random sets within one layer."""

    size: int
    first: int
    second: int

    @property
    def low(self) -> int:
        """The fewest members they can share."""
        return max(0, self.first + self.second - self.size)

    @property
    def high(self) -> int:
        """The most they can share."""
        return min(self.first, self.second)

    @property
    def mode(self) -> int:
        """The likeliest number shared, within 1 of the mean."""
        return (self.first + 1) * (self.second + 1) // (self.size + 2)

    @property
    def variance(self) -> float:
        """The variance of the number shared."""
        first, second = self.first / self.size, self.second / self.size
        return self.size * first * second * (1 - first) * (1 - second) * self.size / max(self.size - 1, 1)


def _checked(sizes: Sequence[int], first: Sequence[int], second: Sequence[int]) -> list[_Layer]:
    if not len(sizes) == len(first) == len(second):
        raise InputError(
            f"{len(sizes)} layers with {len(first)} and {len(second)} counts: give one count of each set a layer"
        )
    layers = [_Layer(*map(int, numbers)) for numbers in zip(sizes, first, second, strict=True)]
    for index, layer in enumerate(layers):
        if not 0 <= min(layer.first, layer.second) <= max(layer.first, layer.second) <= layer.size:
            raise InputError(
                f"layer {index} of {layer.size:,} members with {layer.first:,} and {layer.second:,} taken: "
                "give counts from 0 to the layer's size"
            )
    return layers


def _sum_of(layers: list[_Layer]) -> tuple[Floats, NDArray[np.int64]]:
    """The probabilities [n] of Σ (X_l − mode_l), and the numbers [n] that they belong to.

    A transform of n points adds modulo n, so n must exceed what the sum can be off the modes, and no more: a layer
    cannot be further off than their sum, and the modes together are off the mean by one a layer at the most.
    """
    deviation = math.sqrt(sum(layer.variance for layer in layers))
    reach = math.ceil(_DEVIATIONS * deviation) + _LEAST_REACH + len(layers)
    points = 1 << (2 * reach).bit_length()
    spectrum = np.ones(points // 2 + 1, dtype=np.complex128)
    for layer in layers:
        spectrum *= np.fft.rfft(_around_mode(layer, reach, points))
    weights = np.fft.fftshift(np.fft.irfft(spectrum, points))
    return np.maximum(weights, 0), np.arange(points) - points // 2


def _around_mode(layer: _Layer, reach: int, points: int) -> Floats:
    """P(X_l = mode_l + i) at index i modulo ``points``, from P(x + 1)/P(x) = (a−x)(b−x) / ((x+1)(m−a−b+x+1))."""
    reach = min(reach, math.ceil(_DEVIATIONS * math.sqrt(layer.variance)) + _LEAST_REACH)
    low, high = max(layer.low, layer.mode - reach), min(layer.high, layer.mode + reach)
    x = np.arange(low, high, dtype=np.float64)
    ratios = (layer.first - x) * (layer.second - x) / ((x + 1) * (layer.size - layer.first - layer.second + x + 1))
    below = layer.mode - low
    probabilities = np.zeros(points)
    probabilities[0] = 1
    probabilities[1 : high - layer.mode + 1] = np.cumprod(ratios[below:])
    probabilities[points - below :] = np.cumprod(1 / ratios[:below][::-1])[::-1]
    probabilities /= probabilities.sum()
    return probabilities
