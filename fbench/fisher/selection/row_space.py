"""BAIT in row space: the same picks from the inner products K = V Vᵀ of a pool's rows, whatever d is.

The mathematics is in ../MATH.md, "BAIT in row space". Nothing of size d exists: a selection costs memory for N²
numbers and 2N²r operations a pick, N = n·r, and so may run on all weights of a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fbench.errors import InputError, TooLargeError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.likelihood import check_finite
from fbench.fisher.planning.plan import StepCounts, with_margin
from fbench.fisher.planning.row_space import ROW_BLOCK, growth_in_rows
from fbench.fisher.selection.bait import Selection
from fbench.fisher.selection.candidates.choice import candidates
from fbench.fisher.selection.checks import check_batch, labelled_positions, selection_dtype
from fbench.fisher.selection.curvature import rows_of_update
from fbench.fisher.selection.engines import IncrementalEngine, have_fallen
from fbench.fisher.selection.greedy import Greedy
from fbench.fisher.selection.pools import WholePool
from fbench.fisher.selection.row_information import RowInformation
from fbench.fisher.selection.unit_rows import UnitRows, diagonal_blocks, row_numbers
from fbench.fisher.work import StepListener, did, phase_of
from fbench.machine import free_bytes
from fbench.units import format_bytes


@torch.no_grad()
def bait_select_rows(
    K: Tensor,
    rows: int,
    batch_size: int,
    *,
    labelled: Tensor | Sequence[int],
    dim: int,
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
    progress: StepListener | None = None,
) -> Selection:
    """Choose ``batch_size`` candidates by BAIT, from K = V Vᵀ alone: the batch of ``bait_select`` on V.

    Args:
        K: [n·r, n·r], symmetric, in float64 or float32; ``gram_of_rows`` or ``network_gram``. It is left as it is.
        rows: r, of each candidate.
        batch_size: B.
        labelled: positions in the pool that have their labels; may be empty.
        dim: d, the weights behind K; only ``rel:c`` and ``deff:c`` ask for it.
        regularisation: λ, a positive number; ``rel:c`` for c · tr F/d; or ``deff:c`` for the λ at which d_eff is c.
        oversample: forward picks over B; 1 leaves no backward removals.
        progress: told as by ``bait_select``.

    Returns:
        The selection, on the CPU. Its ``drift`` is that of V_S M⁻¹V_Sᵀ between the rows of the forward picks, as a
        share of its norm.

    Raises:
        InputError: any value out of its range, named.
        TooLargeError: what a selection holds beside K does not fit what is free.

    Example:
        >>> import fbench
        >>> from fbench.fisher.row_gram import gram_of_rows
        >>> features = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
        >>> V = fbench.last_layer_embedding(torch.zeros(4, 3), features)
        >>> bait_select_rows(gram_of_rows(V), 2, 2, labelled=[0], dim=V.dim).indices.tolist()
        [2, 3]
    """
    n = _candidates_of(K, rows, dim)
    bought = labelled_positions(labelled, n).to(K.device)
    check_batch(batch_size, oversample, n - len(bought))
    counts = StepCounts.of(batch_size, oversample, n - len(bought))
    _check_room(K, rows, len(bought) + counts.picks)
    tell: StepListener = progress or (lambda phase, done, total: None)
    with phase_of("fisher", 0.0, tell):
        information = RowInformation(K, rows, bought, batch_size, regularisation, dim)

    def engine(V: UnitRows, information: RowInformation, sign: int) -> RowEngine:
        return RowEngine(V, information, sign, counts.picks)

    pool = UnitRows.of(K, rows)
    forward = Greedy(engine, WholePool(pool), information, pool.at, taken=bought, listener=tell)
    forward.run(counts.picks, lambda done: tell("forward", done, counts.picks))
    picked, scores, gaps = forward.taken()
    drift, refreshes = forward.drift, forward.refreshes
    del forward  # its E is as large as the objective's
    kept = _kept(information, picked, counts.removals, rows, tell)
    with phase_of("objective", 2 / 3 * float(len(K)) ** 3, tell):
        objective, effective = information.objective(kept), information.effective_dimension()
    return Selection(
        indices=picked[torch.isin(picked, kept)].cpu(),
        forward=picked.cpu(),
        scores=scores.cpu(),
        gaps=gaps.cpu(),
        objective=objective,
        regularisation=information.lam,
        effective_dimension=effective,
        drift=drift,
        refreshes=refreshes,
        jitter=information.jitter,
    )


def _kept(information: RowInformation, picked: Tensor, removals: int, rows: int, tell: StepListener) -> Tensor:
    """What is left of the forward picks after the removals, which go on among their rows alone, in float64."""
    if removals == 0:
        return picked
    order = picked.sort().values  # so that the lowest pool index wins a tie here as well
    few = UnitRows.of(torch.empty(len(order) * rows, 0, dtype=torch.float64, device=order.device), rows)
    backward = Greedy(IncrementalEngine, WholePool(few), information.among(order), order, sign=-1, listener=tell)
    backward.run(removals, lambda done: tell("backward", done, removals))
    return backward.picks()


class RowEngine:
    """The exact engine of forward picks in row space: V M⁻¹Vᵀ = (K − EᵀE)/λ, and each candidate's G and H.

    A pick s costs one product with K, of the r rows of V_s M⁻¹Vᵀ, and adds r rows to E.
    """

    updates = True

    def __init__(self, V: UnitRows, information: RowInformation, sign: int, picks: int) -> None:
        self._V, self._information, self._sign, self.refreshes = V, information, sign, -1
        self._left, self._bought = picks, V.at[:0]
        self._candidates = candidates(V, information.alpha, sign)
        self.load_operations = float(V.dim) ** 2 * V.rows * (len(information.labelled) + 2)

    def load(self, picks: Tensor) -> None:
        """Make E from K, then G and H."""
        self.__dict__.pop("_E", None)  # the old one makes room
        V = self._V
        self._bought = picks
        self._E = self._information.factor(picks, room=V.rows * (self._left - len(picks)))
        self._used = len(self._E) - V.rows * (self._left - len(picks))
        G, H = (self._E.new_zeros(V.n, V.rows, V.rows) for _ in range(2))
        step = max(1, ROW_BLOCK // V.rows)
        for start in range(0, V.n, step):
            self._add_blocks(slice(start, min(start + step, V.n)), G, H)
        alpha = self._information.alpha
        self._candidates.fill(G.mul_(alpha), H.mul_(alpha / self._information.n))
        self._at_load = self._candidates.traces().median()
        self.refreshes += 1

    def _add_blocks(self, part: slice, G: Tensor, H: Tensor) -> None:
        """Add to the blocks of V M⁻¹Vᵀ and of its square what the rows of ``part`` make on and above the diagonal."""
        r, E = self._V.rows, self._E[: self._used]
        at, end = part.start * r, part.stop * r
        above = torch.addmm(self._information.K[at:end, at:], E[:, at:end].T, E[:, at:], alpha=-1)
        above.div_(self._information.lam)
        G[part] = diagonal_blocks(above[:, : end - at], r)
        rows = above.view(-1, r, above.shape[1])
        H[part].baddbmm_(rows, rows.mT)
        beyond = above[:, end - at :].view(len(above), self._V.n - part.stop, r)
        columns = beyond.permute(1, 2, 0)  # of each candidate beyond, transposed
        H[part.stop :].baddbmm_(columns, columns.mT)
        did(2 * above.numel() * (self._used + 2 * r))

    def scores(self) -> Tensor:
        return self._candidates.scores()

    def update(self, s: Embedding) -> None:
        assert isinstance(s, UnitRows)
        how, E, root = self._information, self._E[: self._used], self._information.alpha**0.5
        at = s.row_numbers()
        X = root * self._between(at)  # √α V_s M⁻¹Vᵀ [r, N]
        Y = ((X @ how.K) - (X @ E.T) @ E).div_(how.lam * how.n)  # √α V_s M⁻¹FM⁻¹Vᵀ
        rows = rows_of_update(torch.cat([X, Y], dim=1), root * X[:, at], root * Y[:, at], self._sign)
        self._candidates.absorb(rows)
        torch.mul(rows[: s.rows], how.lam**0.5, out=self._E[self._used : self._used + s.rows])
        self._used += s.rows
        self._bought = torch.cat([self._bought, s.at])

    def stale(self) -> Tensor:
        return have_fallen(self._candidates.traces(), self._at_load)

    def drift(self, M: Tensor) -> float:
        at = row_numbers(self._bought, self._V.rows)
        return float((self._between(at)[:, at].double() - M).norm() / M.norm())

    def _between(self, at: slice | Tensor) -> Tensor:
        """V_x M⁻¹Vᵀ [m, N] of the rows ``at``."""
        E = self._E[: self._used]
        return torch.addmm(self._information.K[at], E[:, at].T, E, alpha=-1).div_(self._information.lam)


def _candidates_of(K: Tensor, rows: int, dim: int) -> int:
    """The number n of candidates, of a matrix that can be one of inner products of rows."""
    if not isinstance(K, Tensor) or K.ndim != 2 or K.shape[0] != K.shape[1] or len(K) == 0:
        shape = f"of shape {list(K.shape)}" if isinstance(K, Tensor) else f"a {type(K).__name__}"
        raise InputError(f"K is {shape}: give the [N, N] inner products of the pool's rows (gram_of_rows)")
    if isinstance(rows, bool) or not hasattr(rows, "__index__") or rows < 1 or len(K) % rows:
        raise InputError(f"rows {rows}: must be a whole number that divides the {len(K)} rows of K")
    if isinstance(dim, bool) or not hasattr(dim, "__index__") or dim < 1:
        raise InputError(f"dim {dim}: must be a whole number from 1, the weights behind K")
    selection_dtype(K.dtype)
    check_finite("K", K)
    if bool((K.diagonal() < 0).any()):
        at = int((K.diagonal() < 0).nonzero()[0])
        raise InputError(f"K[{at}, {at}] is {float(K[at, at]):g}: no row has a negative square, so K is no Gram matrix")
    return len(K) // rows


def _check_room(K: Tensor, rows: int, bought: int) -> None:
    needed, free = with_margin(growth_in_rows(len(K), bought * rows, K.element_size())), free_bytes(K.device)
    if free is not None and needed > free:
        raise TooLargeError(
            f"the selection needs {format_bytes(needed)} beside K, and {format_bytes(free)} are free on {K.device}: "
            f"{len(K) // rows:,} candidates × {rows} rows give N = {len(K):,}, and {bought * rows:,} rows in M; "
            "take a smaller pool"
        )
