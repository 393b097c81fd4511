"""What BAIT is compared with: one table, read by ``fbench pick``, ``fbench.query`` and the arms of the suites.

A new baseline is one more value. torch is imported inside functions, since strategies are listed without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.acquisition.views import Picks, PoolView


@dataclass(frozen=True)
class PoolStrategy:
    """A way to choose a batch from what a network says of its pool.

    Attributes:
        name: what is typed.
        description: one line, with its paper.
        choose: a function from (view, B) to the picks.
        needs: which of ``logits`` and ``features`` it looks at.
        score: what a pick's score is, in words.
        operations: a function from (n, L, B, k, h) to the floating-point operations of a batch, about.
    """

    name: str
    description: str
    choose: Callable[[PoolView, int], Picks]
    needs: tuple[str, ...]
    score: str
    operations: Callable[[int, int, int, int, int], float] = lambda n, labels, batch, k, h: 4.0 * n * k

    def pick(self, view: PoolView, count: int) -> Picks:
        """The ``count`` picks of a view.

        Raises:
            InputError: a count below 1, or above what is left unlabelled.
        """
        left = len(view.free)
        if isinstance(count, bool) or not hasattr(count, "__index__") or not 1 <= count <= left:
            raise InputError(f"batch_size {count}: must be from 1 to {left}, what is left unlabelled in the pool")
        return self.choose(view, count)


def _random(view: PoolView, count: int) -> Picks:
    import torch

    from fbench.acquisition.views import Picks

    order = torch.randperm(len(view.free), generator=view.generator)[:count]
    return Picks(view.free[order.to(view.device)], torch.full((count,), torch.nan, dtype=torch.float64))


def _by(view: PoolView, count: int, score: Callable[[Tensor], Tensor]) -> Picks:
    from fbench.acquisition.views import top_scored

    return top_scored(score(view.probabilities), view.free, count)


def _least_confidence(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.uncertainty import least_confidence

    return _by(view, count, least_confidence)


def _margin(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.uncertainty import smallest_margin

    return _by(view, count, smallest_margin)


def _entropy(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.uncertainty import entropy

    return _by(view, count, entropy)


def _coreset(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.coreset import k_centre_greedy

    return k_centre_greedy(view.points, view.labelled, view.free, count)


def _badge(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.badge import badge

    return badge(view.probabilities, view.points, view.free, count, view.generator)


def _typiclust(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.typiclust import typiclust

    return typiclust(view.points, view.labelled, view.free, count, view.generator)


def _probcover(view: PoolView, count: int) -> Picks:
    from fbench.acquisition.probcover import probcover

    classes = view.probabilities.shape[1]
    return probcover(view.points, view.labelled, view.free, count, classes, view.generator)


_K_MEANS_STEPS = 100
"""Some thirty and a start that costs as much, at a third of the rate of matrix products."""

POOL_STRATEGIES = {
    baseline.name: baseline
    for baseline in (
        PoolStrategy(
            "random",
            "uniform draws from the unlabelled pool: the baseline",
            _random,
            (),
            "",
            lambda n, labels, batch, k, h: float(n),
        ),
        PoolStrategy(
            "least-confidence",
            "the smallest largest probability (Lewis and Gale 1994)",
            _least_confidence,
            ("logits",),
            "1 less the largest probability",
        ),
        PoolStrategy(
            "margin",
            "the smallest lead of the likeliest class over the next (Scheffer et al. 2001)",
            _margin,
            ("logits",),
            "1 less the lead of the likeliest class over the next",
        ),
        PoolStrategy(
            "entropy",
            "the largest entropy of the probabilities (Settles 2009)",
            _entropy,
            ("logits",),
            "the entropy in nats",
        ),
        PoolStrategy(
            "coreset",
            "the farthest from all that is labelled: greedy k-centre on the features (Sener and Savarese 2018)",
            _coreset,
            ("features",),
            "the distance to the nearest that was labelled or chosen before, inf where there is none",
            lambda n, labels, batch, k, h: 2.0 * n * h * (labels + 2 * batch),
        ),
        PoolStrategy(
            "badge",
            "k-means++ on the gradients of the likeliest labels, kept factored (Ash et al. 2020)",
            _badge,
            ("logits", "features"),
            "the squared distance to the nearest chosen before, of the first its gradient's squared length",
            lambda n, labels, batch, k, h: 4.0 * n * (k + h) * batch,
        ),
        PoolStrategy(
            "typiclust",
            "the most typical of each of the largest clusters without a label (Hacohen et al. 2022)",
            _typiclust,
            ("features",),
            "the typicality",
            lambda n, labels, batch, k, h: 2.0 * n * h * min(labels + batch, 500) * _K_MEANS_STEPS,
        ),
        PoolStrategy(
            "probcover",
            "the ball that covers most of what no ball covers yet (Yehuda et al. 2022)",
            _probcover,
            ("logits", "features"),
            "how many it was the first to cover",
            lambda n, labels, batch, k, h: 3 * 2.0 * n * n * h,
        ),
    )
}


BAIT = "bait"
"""The name of what is no baseline; it has options of its own."""


def pool_strategy_of(name: str, kind: str = "strategy") -> PoolStrategy | None:
    """The baseline called ``name``, None for BAIT.

    Raises:
        UnknownNameError: another name.

    Example:
        >>> pool_strategy_of("margin").needs, pool_strategy_of("bait")
        (('logits',), None)
    """
    if name != BAIT and name not in POOL_STRATEGIES:
        raise UnknownNameError(kind, name, [BAIT, *POOL_STRATEGIES])
    return POOL_STRATEGIES.get(name)
