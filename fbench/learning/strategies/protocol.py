"""What a strategy is told and what it gives: the settings, the state it may look at, its proposal, what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fbench.fisher.planning.plan import SelectionPlan, Shape, StepCounts, plan_selection
from fbench.fisher.selection.methods import EMBEDDING_METHODS
from fbench.learning import seeds

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from fbench.learning.data import Pool
    from fbench.learning.fisher_draws import FisherDraws


@dataclass(frozen=True)
class Acquisition:
    """What the BAIT arms share; fixed before a run.

    Attributes:
        regularisation: λ, ``rel:c`` or ``deff:c``.
        oversample: forward picks over B.
        mask_fraction: q of a FISH mask, the classifier included.
        fisher_samples: N, images behind the FISH diagonal, a random draw that stays all rounds.
        fisher_cuts: fewer of them whose diagonals somebody wants to see too (``FisherDraws``).
        fisher_on: ``pool``, ``unlabelled`` or ``labelled``: where they are drawn.
        dtype: ``float32`` or ``float64`` of the selection.
        devices: shards of the selection; the network lies on the first.
    """

    regularisation: str = "1"
    oversample: float = 2.0
    mask_fraction: float = 0.05
    fisher_samples: int = 1024
    fisher_cuts: tuple[int, ...] = ()
    fisher_on: str = "pool"
    dtype: str = "float32"
    devices: tuple[str, ...] = ("cpu",)


@dataclass(frozen=True)
class LearnerState:
    """What a strategy may look at.

    Attributes:
        network: trained on the labelled, in evaluation mode, on the pool's device.
        pool: n candidates; targets that have not been bought are −1, and there are no test images.
        labelled: positions in the pool, in the order in which they were bought.
        seed: the arm's.
        round: the round whose labels are to be bought.
        acquisition: the settings that the BAIT arms share.
    """

    network: nn.Module
    pool: Pool
    labelled: Tensor
    seed: int
    round: int
    acquisition: Acquisition

    def generator(self, *more: int) -> torch.Generator:
        """A generator of the strategy's own family: drawing from it moves nobody else's numbers."""
        return seeds.generator("strategy", self.seed, self.round, *more)

    def unlabelled(self) -> Tensor:
        """Positions without a label, ascending."""
        import torch

        free = torch.ones(len(self.pool.ids), dtype=torch.bool)
        free[self.labelled] = False
        return free.nonzero()[:, 0]

    @cached_property
    def fisher(self) -> FisherDraws:
        """The network's Fisher diagonals on the run's draws."""
        return self.fisher_draws(0)

    def fisher_draws(self, pair: int) -> FisherDraws:
        """The network's Fisher diagonals on another pair of draws."""
        from fbench.learning.fisher_draws import FisherDraws, two_draws

        how, n = self.acquisition, len(self.pool.ids)
        draws = two_draws(self._fisher_population(), n, how.fisher_samples, self.seed, pair)
        return FisherDraws(self.network, self.pool.images, draws, how.fisher_cuts)

    def _fisher_population(self) -> Tensor:
        import torch

        match self.acquisition.fisher_on:
            case "unlabelled":
                return self.unlabelled()
            case "labelled":
                return self.labelled.cpu()
        return torch.arange(len(self.pool.ids))


@dataclass(frozen=True)
class Proposal:
    """B distinct unlabelled positions in the order chosen, and facts for the row (``dim``, ``d_eff``)."""

    positions: Tensor
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """What a strategy's plan is made from, before a network is trained.

    Attributes:
        n: candidates in the pool.
        labels: of them labelled before the last batch is chosen.
        batch: B.
        classes: k.
        features: h, entering the last layer.
        masked: weights that a mask keeps.
        dtype: of the selection.
        oversample: forward picks over B.
        weights: all of the network's.
    """

    n: int
    labels: int
    batch: int
    classes: int
    features: int
    masked: int
    dtype: str = "float32"
    oversample: float = 2.0
    weights: int = 0

    @property
    def counts(self) -> StepCounts:
        """How many forward picks and removals a batch takes."""
        return StepCounts.of(self.batch, self.oversample, self.n - self.labels, labelled=self.labels)

    def last_layer(self, method: str = "exact", number: int = 0, *, n: int = 0) -> SelectionPlan:
        """The plan of BAIT on the last layer by one of ``fisher.selection.methods``, on n candidates if not all."""
        way = EMBEDDING_METHODS[method]
        shape = way.shape(n or self.n, self.classes, self.features, number)
        return plan_selection(shape, dtype=self.dtype, method=way.engine, counts=self.counts)

    def mask(self, dim: int = 0) -> SelectionPlan:
        """The plan of BAIT on a mask's dense embedding, of ``dim`` weights if not of as many as the fraction gives."""
        shape = Shape(self.n, self.classes - 1, dim or self.masked)
        return plan_selection(shape, dtype=self.dtype, counts=self.counts)


@dataclass(frozen=True)
class Effort:
    """What a batch costs a strategy that says so.

    Attributes:
        passes: of its network over the pool.
        operations: beside them.
        held: bytes at its peak, where they are worth telling.
    """

    passes: float
    operations: float
    held: int = 0
