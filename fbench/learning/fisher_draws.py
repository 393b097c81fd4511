"""The Fisher diagonals of one trained network, on two disjoint draws of images that stay the same all rounds of a seed.

A FISH mask is made from both. That they are disjoint, and the same for every network of the seed, is what drift is
measured by: masks of two networks from one draw each share no sample, as little as two masks of one network do, so
that what is lost beyond that is the networks' doing. Whoever asks first has the pass measured; it is made once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from fbench.fisher.gradients.diagonal import fisher_diagonals
from fbench.fisher.gradients.kept import KeptBatch, KeptPasses
from fbench.learning import seeds
from fbench.measure.timing import elapsed

FisherDiagonal = dict[str, Tensor]
"""The diagonal of the Fisher information, by parameter and in its shape."""


def two_draws(population: Tensor, n: int, size: int, seed: int, pair: int = 0) -> tuple[Tensor, Tensor]:
    """Two disjoint random draws from a population, ``size`` positions in all, the first larger by one if that is odd.

    They are the population's first and last in an order of the pool that depends on the seed and the pair alone. So
    they are the same in every round where the population is; and where it only grows, or only shrinks, the first of any
    round and the second of any other are disjoint too, as long as the population has ``size`` members in both.

    Args:
        population: [m] distinct positions.
        n: the pool's candidates.
        size: of both draws together; all of the population where that has fewer.
        seed: of the run.
        pair: numbers independent pairs of draws.

    Example:
        >>> first, second = two_draws(torch.arange(100), n=100, size=9, seed=0)
        >>> len(first), len(second), set(first.tolist()) & set(second.tolist())
        (5, 4, set())
    """
    order = torch.randperm(n, generator=seeds.generator("strategy", seed, 0, pair))  # rounds of choosing begin at 1
    rank = torch.empty_like(order)
    rank[order] = torch.arange(n)
    ordered = population[rank[population].argsort()]
    size = min(size, len(population))
    return ordered[: size - size // 2], ordered[len(ordered) - size // 2 :].flip(0)


class FisherDraws:
    """The diagonals of a network on two draws of images; nothing is computed until it is asked for.

    Args:
        network: in evaluation mode.
        images: the pool's [n, c, h, w].
        draws: positions of the first and of the second draw, the first larger by one at most.
        cuts: sizes of which ``pair`` is to be asked, beside that of the second draw.

    Attributes:
        seconds: that the pass took; 0.0 until it was made.
        used: whether ``whole`` was asked for.
    """

    def __init__(
        self, network: nn.Module, images: Tensor, draws: tuple[Tensor, Tensor], cuts: Sequence[int] = ()
    ) -> None:
        self._network, self._images, self._draws = network, images, draws
        self._cuts = sorted({0, *(cut for cut in cuts if cut < len(draws[1])), len(draws[1])})
        self.seconds, self.used = 0.0, False
        self._keeping = False
        self._keep: KeptPasses | None = None

    @cached_property
    def _running(self) -> tuple[list[FisherDiagonal], list[FisherDiagonal]]:
        """For both draws, the diagonal of the first 0, 1, … parts between the cuts."""
        parts = [[draw[a:b] for a, b in itertools.pairwise(self._ends(draw))] for draw in self._draws]
        at = [positions.to(self._images.device) for of_draw in parts for positions in of_draw]
        if self._keeping:
            self._keep = KeptPasses(at)
        with elapsed(str(self._images.device)) as spent:
            diagonals = fisher_diagonals(self._network, [self._images[positions] for positions in at], keep=self._keep)
        self.seconds = spent.seconds
        split = len(parts[0])
        return _running_means(parts[0], diagonals[:split]), _running_means(parts[1], diagonals[split:])

    def _ends(self, draw: Tensor) -> list[int]:
        return [*self._cuts, len(draw)] if len(draw) > self._cuts[-1] else self._cuts

    def pair(self, size: int) -> tuple[FisherDiagonal, FisherDiagonal]:
        """The diagonals of the first ``size`` images of either draw; a cut, or the second draw's size."""
        number = self._cuts.index(size) - 1
        return self._running[0][number], self._running[1][number]

    def whole(self, *, keep: bool = False) -> FisherDiagonal:
        """The diagonal of both draws together; ``keep`` its passes for ``passes``, if they are not made already."""
        self.used, self._keeping = True, keep
        first, second = self._running
        if not second:
            return first[-1]
        sizes = [len(draw) for draw in self._draws]
        return _mean(first[-1], sizes[0], second[-1], sizes[1])

    def passes(self) -> Sequence[KeptBatch]:
        """The passes that were kept, by positions in the pool, for one use: they are let go of here."""
        kept, self._keep = self._keep, None
        return kept.batches if kept else ()


def _running_means(parts: Sequence[Tensor], diagonals: Sequence[FisherDiagonal]) -> list[FisherDiagonal]:
    means: list[FisherDiagonal] = []
    size = 0
    for positions, diagonal in zip(parts, diagonals, strict=True):
        means.append(_mean(means[-1], size, diagonal, len(positions)) if means else diagonal)
        size += len(positions)
    return means


def _mean(first: FisherDiagonal, m: int, second: FisherDiagonal, n: int) -> FisherDiagonal:
    """The mean diagonal of m and n samples together."""
    return {name: value.mul(m / (m + n)).add_(second[name], alpha=n / (m + n)) for name, value in first.items()}
