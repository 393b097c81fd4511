"""BAIT's batch selection: greedy forward picks that minimise tr(F M⁻¹), then backward removals.

Ash, Goel, Krishnamurthy and Kakade, "Gone Fishing: Neural Active Learning with Fisher Embeddings" (2021),
algorithm 1. min(⌈oversample·B⌉, what is left) forward picks, each the largest score; then removals down to B,
each the pick whose loss costs least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from fbench.errors import InputError, UnknownNameError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.planning.fitting import check_plan
from fbench.fisher.planning.plan import CHUNK_SIZE, StepCounts
from fbench.fisher.selection.checks import check_batch, labelled_positions, selection_dtype, usable_devices
from fbench.fisher.selection.engines import SELECTION_METHODS
from fbench.fisher.selection.greedy import Greedy
from fbench.fisher.selection.pools import CandidatePool, WholePool
from fbench.fisher.selection.sharded_pool import ShardedPool
from fbench.fisher.selection.trace import check_takes
from fbench.fisher.work import StepListener, phase_of


@dataclass(frozen=True)
class Selection:
    """What ``bait_select`` chose. Indices are into the pool that the embedding covers.

    Attributes:
        indices: [B], distinct and unlabelled, in the order in which the kept ones were picked.
        forward: every forward pick, in order.
        scores: of the forward picks: by how much each lowered tr(F M⁻¹).
        gaps: of the forward picks: the lead over the runner-up, relative to the score; ∞ when nothing else was left.
        objective: tr(F M⁻¹) for the batch that was kept.
        regularisation: λ as a number.
        effective_dimension: d_eff = tr F(F + λI)⁻¹.
        drift: ‖P M v − v‖ / ‖v‖ on a probe v after the forward picks: what rounding has done to P = M⁻¹.
        refreshes: how often P, Q, G and H were made afresh from M during the forward picks.
        jitter: what had to be added to M's diagonal to factorise it; 0 but for an M lost to rounding.

    Example:
        >>> import torch, fbench
        >>> V = fbench.last_layer_embedding(torch.zeros(9, 3), torch.arange(9.0)[:, None] + 1)
        >>> chosen = fbench.bait_select(V, 2, labelled=[0], oversample=1.5)
        >>> isinstance(chosen, fbench.Selection), len(chosen.indices), len(chosen.forward), chosen.jitter
        (True, 2, 3, 0.0)
    """

    indices: Tensor
    forward: Tensor
    scores: Tensor
    gaps: Tensor
    objective: float
    regularisation: float
    effective_dimension: float
    drift: float
    refreshes: int
    jitter: float


@torch.no_grad()
def bait_select(
    embedding: Embedding | ShardedPool,
    batch_size: int,
    *,
    labelled: Tensor | Sequence[int],
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
    method: str = "incremental",
    dtype: torch.dtype | None = None,
    devices: Sequence[str | torch.device] | None = None,
    chunk_size: int = CHUNK_SIZE,
    progress: StepListener | None = None,
) -> Selection:
    """Choose ``batch_size`` candidates by BAIT.

    Args:
        embedding: V of the whole pool, labelled and unlabelled; or this process's share of it (``sharded_pool``), where
            every rank calls with the same arguments otherwise.
        batch_size: B.
        labelled: positions in the pool that have their labels; may be empty.
        regularisation: λ, a positive number; ``rel:c`` for c · tr F/d; or ``deff:c`` for the λ at which d_eff is c.
        oversample: forward picks over B; 1 leaves no backward removals.
        method: ``incremental``, exact and fast; ``published``, ``fused`` or ``factored``, the same batch with every
            score anew for every pick, by the trace kernel of that name (``factored`` on a last layer only); or
            ``diagonal``, which keeps only the diagonals of F and M: an approximation that holds no d×d matrix.
        dtype: float64 or float32; the embedding's own if not given.
        devices: shards the pool over these; the embedding's own device if not given.
        chunk_size: candidates of a chunk of a trace kernel; ``incremental`` and ``diagonal`` take none.
        progress: told (phase, done, total) of one phase after the other: "fisher", "setup", "forward", "setup of
            removals", "backward", "objective". Picks and removals are counted, the others go in hundredths. Forward
            picks may be interrupted by a "refresh".

    Returns:
        The selection, on the CPU.

    Raises:
        InputError: any value out of its range, named.
        UnknownNameError: no such method.
        DeviceError: a device that torch cannot use.
        TooLargeError: the d×d matrices do not fit what is free; the message names what would fit.
        LostRankError: of a pool in shards: another rank has ended or does not answer.

    Example:
        >>> import torch, fbench
        >>> features = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
        >>> V = fbench.last_layer_embedding(torch.zeros(4, 3), features)
        >>> fbench.bait_select(V, 2, labelled=[0]).indices.tolist()
        [2, 3]
    """
    search = Search(
        embedding,
        batch_size,
        labelled=labelled,
        regularisation=regularisation,
        oversample=oversample,
        method=method,
        dtype=dtype,
        devices=devices,
        chunk_size=chunk_size,
        progress=progress,
    )
    search.set_up()
    search.forward()
    search.backward()
    return search.finish()


class Search:
    """One selection, phase by phase: ``set_up`` (``fisher``, then ``start``), ``forward``, ``backward``, ``finish``.

    ``bait_select`` runs them in turn; whoever measures the phases apart, or takes a few steps of each, runs them here.
    The arguments are those of ``bait_select``.

    Example:
        >>> import torch, fbench
        >>> search = Search(fbench.dense_embedding(torch.eye(4)[:, None]), 1, labelled=[])
        >>> search.set_up()
        >>> search.forward(steps=1)
        >>> search.forward()
        >>> search.backward()
        >>> len(search.finish().forward), len(search.finish().indices)
        (2, 1)
    """

    @torch.no_grad()
    def __init__(
        self,
        embedding: Embedding | ShardedPool,
        batch_size: int,
        *,
        labelled: Tensor | Sequence[int],
        regularisation: float | str = 1.0,
        oversample: float = 2.0,
        method: str = "incremental",
        dtype: torch.dtype | None = None,
        devices: Sequence[str | torch.device] | None = None,
        chunk_size: int = CHUNK_SIZE,
        progress: StepListener | None = None,
    ) -> None:
        if method not in SELECTION_METHODS:
            raise UnknownNameError("method", method, SELECTION_METHODS)
        if not isinstance(embedding, Embedding | ShardedPool):
            raise InputError(
                f"embedding is a {type(embedding).__name__}: make one by last_layer_embedding or dense_embedding"
            )
        here = embedding.here if isinstance(embedding, ShardedPool) else embedding
        engine, self._information_type, chunked, reduces = SELECTION_METHODS[method]
        if chunked:  # F comes before the first score, which would be refused as well
            check_takes(method, here)
        positions = labelled_positions(labelled, embedding.n)
        left = embedding.n - len(positions)
        check_batch(batch_size, oversample, left)
        if chunk_size < 1:
            raise InputError(f"chunk_size {chunk_size}: must be at least 1")
        self._devices = usable_devices(devices or [embedding.device])
        dtype = selection_dtype(dtype or embedding.dtype)
        counts = StepCounts.of(batch_size, oversample, left, chunk_size, len(positions))
        self.picks = counts.picks
        """How many forward picks there will be."""
        check_plan(here, dtype, method, self._devices, counts)
        self._weights = embedding.dim
        embedding = embedding.reduced() if reduces else embedding
        self._labelled = positions.to(embedding.device)
        self._batch_size, self._regularisation = batch_size, regularisation
        self._pool: CandidatePool
        if isinstance(embedding, ShardedPool):
            self._pool = embedding.to(dtype)
            self._check_same(embedding, f"{regularisation} {method} {dtype} {chunk_size}")
        else:
            self._pool = WholePool(embedding.to(dtype=dtype))
        self._engine = partial(engine, chunk_size=chunk_size) if chunked else engine
        self._progress: StepListener = progress or (lambda phase, done, total: None)

    def _check_same(self, pool: ShardedPool, words: str) -> None:
        """Ranks that were told differently would wait for each other, or mix two selections."""
        numbers = [*self._labelled.tolist(), -1, self._batch_size, self.picks, *words.encode()]
        pool.check_same("labelled positions, batch, λ, method, dtype or chunk", numbers)

    def set_up(self) -> None:
        """Make F, λ, M and the first scores."""
        self.fisher()
        self.start()

    @torch.no_grad()
    def fisher(self) -> None:
        """Make F and λ."""
        with phase_of("fisher", self._pool.here.gram_operations, self._progress):
            self._pool.bring(self._labelled)
            asked = self._labelled, self._batch_size, self._regularisation, self._weights
            self._information = self._information_type(self._pool, *asked)

    @torch.no_grad()
    def start(self) -> None:
        """Make M and the state of the forward picks."""
        everyone = torch.arange(self._pool.n, device=self._pool.device)
        self._forward: Greedy | None = Greedy(
            self._engine,
            self._pool,
            self._information,
            everyone,
            devices=self._devices,
            taken=self._labelled,
            listener=self._progress,
        )
        self._drift, self._refreshes = 0.0, 0

    @torch.no_grad()
    def forward(self, steps: int | None = None) -> None:
        """Take all forward picks, or the next ``steps`` of them."""
        assert self._forward is not None  # forward picks come before removals
        done = len(self._forward.taken()[0])
        steps = self.picks - done if steps is None else min(steps, self.picks - done)
        self._forward.run(steps, lambda done: self._progress("forward", done, self.picks))
        self._picked = self._forward.taken()

    @torch.no_grad()
    def refresh(self) -> None:
        """Make P, Q, G and H afresh from M, as happens by itself where scores have fallen far."""
        assert self._forward is not None  # forward picks come before removals
        self._forward.load()

    def adopt(self, picks: Tensor) -> None:
        """Take ``picks`` (pool positions) for the forward picks: their removal can then be timed without them."""
        nothing = torch.full((len(picks),), torch.nan, dtype=self._pool.dtype)
        self._picked = picks.to(self._pool.device), nothing, nothing

    @torch.no_grad()
    def backward(self, steps: int | None = None) -> None:
        """Take all removals, or the first ``steps``, in float64: I − G is of order λ/‖V_x‖², below float32's digits.

        The state of the forward picks is freed first: a second set of d×d matrices may not fit beside it.
        """
        picked = self._picked[0]
        self._leave_forward()
        total = len(picked) - self._batch_size
        if total == 0:
            self._kept = picked
            return
        order = picked.sort().values  # so that the lowest pool index wins a tie here as well
        few = WholePool(self._pool[order].to(dtype=torch.float64))
        backward = Greedy(self._engine, few, self._information, order, sign=-1, listener=self._progress)
        backward.run(
            total if steps is None else min(steps, total), lambda done: self._progress("backward", done, total)
        )
        self._kept = backward.picks()

    def _leave_forward(self) -> None:
        if self._forward is not None:
            self._drift, self._refreshes = self._forward.drift, self._forward.refreshes
            self._forward = None

    @torch.no_grad()
    def finish(self) -> Selection:
        """The selection as it stands after the removals."""
        forward, scores, gaps = self._picked
        with phase_of("objective", 2 * float(self._pool.dim) ** 3, self._progress):
            objective, effective = self._information.objective(self._kept), self._information.effective_dimension()
        told = [objective, effective, self._drift, self._refreshes, self._information.jitter]
        kept, (objective, effective, drift, refreshes, jitter) = self._pool.agree(self._kept, told)
        return Selection(
            indices=forward[torch.isin(forward, kept)].cpu(),
            forward=forward.cpu(),
            scores=scores.cpu(),
            gaps=gaps.cpu(),
            objective=objective,
            regularisation=self._information.lam,
            effective_dimension=effective,
            drift=drift,
            refreshes=int(refreshes),
            jitter=jitter,
        )
