"""A pool of which every process of a ``torch.distributed`` group holds a shard.

Each keeps P, Q and all else of size d² for itself; G and H it keeps of its own candidates alone. They exchange F once,
the rows of the labelled once, and for a pick one small table and the rows V_s of the one that was picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.selection.checks import selection_dtype
from fbench.fisher.selection.pools import Choice, tie_threshold
from fbench.fisher.selection.ranks import Ranks

_SENT = 1 << 24
"""Numbers of a message: what is sent lies in memory twice."""
_DTYPES = (torch.float32, torch.float64)


def sharded_pool(shard: Embedding, group: Any = None) -> ShardedPool:
    """The pool whose candidates are those of rank 0, then of rank 1, … of a process group; all ranks call this.

    Args:
        shard: V of this rank's candidates; none at all, ``V[:0]``, is one as well.
        group: of ``torch.distributed``; the default one if not given.

    Returns:
        What ``bait_select`` takes in place of an embedding: positions, ``labelled`` among them, are then those of the
        whole pool, and every rank gets the same selection. Destroy the group at the end, after an error too: torch may
        abort a process that ends with its group.

    Raises:
        InputError: no group was begun, or the shards are of different r, d, classes or dtype, or of no candidates.
        LostRankError: a rank has ended or does not answer.

    Example:
        >>> import torch, torch.distributed, fbench
        >>> store = torch.distributed.HashStore()
        >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> pool = fbench.sharded_pool(fbench.dense_embedding(torch.eye(4)[:, None]))
        >>> pool.n, len(fbench.bait_select(pool, 2, labelled=[0]).indices)
        (4, 2)
        >>> torch.distributed.destroy_process_group()
    """
    return ShardedPool(shard, Ranks(group))


class ShardedPool:
    """A shard of a pool, and the ranks that hold the others; ``sharded_pool`` makes one.

    Example:
        >>> import torch, torch.distributed, fbench
        >>> store = torch.distributed.HashStore()
        >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
        >>> pool = fbench.sharded_pool(fbench.dense_embedding(torch.eye(4)[:, None]))
        >>> isinstance(pool, fbench.ShardedPool), pool[torch.tensor([3])].dense().tolist()
        (True, [[[0.0, 0.0, 0.0, 1.0]]])
        >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, shard: Embedding, ranks: Ranks) -> None:
        self.here, self.ranks = shard, ranks
        self.rows, self.dim, self.dtype, self.device = shard.rows, shard.dim, shard.dtype, shard.device
        sizes = ranks.gathered(torch.tensor(_sizes(shard), dtype=torch.int64))
        _check_alike(sizes[:, 1:])
        self._ends = sizes[:, 0].cumsum(0).tolist()
        self.n: int = self._ends[-1]
        if not self.n:
            raise InputError("the shards hold no candidates at all")
        self.begin: int = self._ends[ranks.index] - shard.n
        self._bought: dict[int, Tensor] = {}
        self._stale = self._any_stale = False

    def to(self, dtype: torch.dtype) -> ShardedPool:
        """The same pool in another dtype; all ranks ask for it."""
        return self if dtype == self.dtype else ShardedPool(self.here.to(dtype=dtype), self.ranks)

    def reduced(self) -> ShardedPool:
        """The same pool in fewer weights (``Embedding.reduced``), where every rank's shard allows it; all ranks ask."""
        shard = self.here.reduced()
        allow = self.ranks.gathered(torch.tensor([int(shard is not self.here)]))
        return ShardedPool(shard, self.ranks) if bool(allow.all()) else self

    def check_same(self, what: str, numbers: Sequence[float]) -> None:
        """Refuse ranks of which one was given other ``numbers`` than the others; ``what`` names them.

        Raises:
            InputError: they differ.
        """
        lengths = self.ranks.gathered(torch.tensor([len(numbers)]))
        same = bool((lengths == lengths[0]).all())
        if same:
            everyone = self.ranks.gathered(torch.tensor(list(numbers), dtype=torch.float64))
            same = bool((everyone == everyone[0]).all())
        if not same:
            raise InputError(f"the ranks were given different {what}; all must be given the same")

    def __getitem__(self, index: Tensor) -> Embedding:
        """The embedding of candidates anywhere in the pool; what came once from another rank is kept."""
        self.bring(index)
        flat = [self._bought[place] for place in index.tolist()]
        return self.here.of_flat(torch.stack(flat) if flat else self.here[:0].flat())

    def bring(self, index: Tensor) -> None:
        """Have the rows of these candidates here, each from the rank that holds it; all ranks ask for the same."""
        missing = [place for place in index.tolist() if place not in self._bought]
        begin = 0
        for owner, end in enumerate(self._ends):
            its = [place for place in missing if begin <= place < end]
            step = max(1, _SENT // self.here.numbers)
            for first in range(0, len(its), step):
                self._send(its[first : first + step], owner)
            begin = end

    def gram(self) -> Tensor:
        """Σ_x V_xᵀV_x over all ranks: [d, d]."""
        return self.ranks.summed(self.here.gram())

    def gram_diagonal(self) -> Tensor:
        """The diagonal of ``gram``, in float64: [d]."""
        return self.ranks.summed(self.here.gram_diagonal())

    def choose(self, scores: Tensor) -> Choice:
        """The best of all ranks' ``scores``, by the tie rule of one process.

        One table is gathered. A second is only where the lowest of a rank's ties with its own best does not tie with
        the best of all.
        """
        told = torch.tensor([*_leaders(scores, self.begin), float(self._stale)], dtype=torch.float64)
        table = self.ranks.gathered(told)
        self._any_stale = bool(table[:, 4].any())
        threshold, gap = tie_threshold(table[:, :2].flatten().to(self.dtype).topk(2).values)
        best, place, its_score = table[:, 0].to(self.dtype), table[:, 2], table[:, 3].to(self.dtype)
        if bool(((best >= threshold) & (its_score < threshold)).any()):
            table = self.ranks.gathered(torch.tensor(_lowest(scores, threshold, self.begin), dtype=torch.float64))
            place, its_score = table[:, 0], table[:, 1].to(self.dtype)
        ties = torch.where(its_score >= threshold, place, torch.inf)
        owner = int(ties.argmin())
        chosen = place[owner].to(torch.int64)
        return Choice(*(value.to(self.device) for value in (chosen, its_score[owner], gap)))

    def any_stale(self, stale: bool) -> bool:
        """Whether any rank had said so when the last candidate was chosen: it is told with the scores of the next."""
        self._stale = stale and not self._any_stale  # what is made afresh now is not told as stale once more
        return self._any_stale

    def agree(self, kept: Tensor, numbers: Sequence[float]) -> tuple[Tensor, list[float]]:
        """What rank 0 kept, and the largest of each number: processors may round differently."""
        largest = self.ranks.gathered(torch.tensor(list(numbers), dtype=torch.float64)).max(0).values
        return self.ranks.sent(kept, 0), largest.tolist()

    def _send(self, places: list[int], owner: int) -> None:
        if owner == self.ranks.index:
            flat = self.here[torch.tensor(places, device=self.device) - self.begin].flat()
        else:
            flat = torch.empty(len(places), self.here.numbers, dtype=self.dtype, device=self.device)
        self._bought.update(zip(places, self.ranks.sent(flat, owner), strict=True))


def _sizes(shard: Embedding) -> list[int]:
    """n, r, d, k and dtype as numbers; k is 0 where V is held whole."""
    return [shard.n, shard.rows, shard.dim, getattr(shard, "k", 0), _DTYPES.index(selection_dtype(shard.dtype))]


def _check_alike(sizes: Tensor) -> None:
    if bool((sizes == sizes[0]).all()):
        return
    rank = int((sizes != sizes[0]).any(1).nonzero()[0])
    first, other = (
        f"r = {r}, d = {d}" + (f", k = {k}" if k else "") + f" in {str(_DTYPES[t]).removeprefix('torch.')}"
        for r, d, k, t in (sizes[0].tolist(), sizes[rank].tolist())
    )
    raise InputError(f"the shards differ: rank 0 holds {first}, rank {rank} {other}")


def _leaders(scores: Tensor, begin: int) -> list[float]:
    """The two best of ``scores``, the place in the pool of the lowest that equals the best, and that one's score."""
    if not len(scores):
        return [-torch.inf] * 2 + [0.0, -torch.inf]
    top = scores.topk(min(2, len(scores))).values
    threshold, _ = tie_threshold(top)
    second = float(top[1]) if len(top) > 1 else -torch.inf
    return [float(top[0]), second, *_lowest(scores, threshold, begin)]


def _lowest(scores: Tensor, threshold: Tensor, begin: int) -> list[float]:
    """The place in the pool of the first of ``scores`` that reaches the threshold, and its score; −∞ if none does."""
    reaching = scores >= threshold.to(scores.device)
    if not bool(reaching.any()):
        return [0.0, -torch.inf]
    at = int(reaching.to(torch.uint8).argmax())
    return [float(begin + at), float(scores[at])]
