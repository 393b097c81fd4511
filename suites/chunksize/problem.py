"""What the timed passes of ``fbench chunksize`` work on: a pool's V, M⁻¹ and F, prepared kernels, float64 scores.

Everything is made once a process and kept, for cases take turns.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from fbench.fisher.embeddings import Embedding, FactoredEmbedding, dense_embedding, last_layer_embedding
from fbench.fisher.selection.greedy import shard_edges
from fbench.harness import guard
from fbench.harness.registry import KERNELS
from fbench.learning.synthetic import synthetic_outputs

from .decomposition import chunks
from .options import parse_kernel

_REFERENCE_CHUNK = 256


@dataclass(frozen=True)
class ShardedProblem:
    """A pool of n candidates, k classes and d weights, on one device or shared by several.

    V is a last layer's where k divides d; otherwise its first d columns are built, as for a mask of d weights.
    """

    n: int
    k: int
    d: int
    dtype: str
    devices: tuple[str, ...]
    seed: int

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype that ``dtype`` names."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype

    @property
    def shards(self) -> list[slice]:
        """The candidates of each device, as slices of the pool; they partition it."""
        return [slice(a, b) for a, b in itertools.pairwise(shard_edges(self.n, len(self.devices)))]


@lru_cache(maxsize=4)
def pool(n: int, k: int, d: int, seed: int) -> Embedding:
    """V [n, k − 1, d] on the CPU in float64, exact in float32 up to the rounding of its rows."""
    outputs = synthetic_outputs(n, k, -(-d // k), 0, seed)
    V = last_layer_embedding(outputs.logits.double(), outputs.features.double())
    return V if d % k == 0 else dense_embedding(V.dense()[:, :, :d].clone())


@lru_cache(maxsize=4)
@torch.no_grad()
def matrices(n: int, k: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """M⁻¹ and F [d, d] in float64: λ = 1, and a labelled set that is like the pool."""
    V = pool(n, k, d, seed)
    F = V.gram() / n
    return torch.linalg.inv(torch.eye(d, dtype=F.dtype) + F), F


_made: set[tuple[ShardedProblem, bool]] = set()
"""Problems of which V is held already, built or not."""


@lru_cache(maxsize=16)
@torch.no_grad()
def shard_embedding(problem: ShardedProblem, shard: int, built: bool) -> Embedding:
    """V of one device's shard, in the problem's dtype; as [n of the shard, r, d] if it is to be ``built``."""
    exact = pool(problem.n, problem.k, problem.d, problem.seed)[problem.shards[shard]]
    _made.add((problem, built))
    V = exact.to(problem.devices[shard], problem.torch_dtype)
    return dense_embedding(V.dense()) if built else V


@lru_cache(maxsize=64)
@torch.no_grad()
def prepared(problem: ShardedProblem, kernel: str, shard: int) -> Any:
    """What the kernel prepared from the shard, M⁻¹ and F; preparing is not timed.

    A user's kernel works on copies: what it writes into them reaches no other.
    """
    device, dtype = problem.devices[shard], problem.torch_dtype
    inverse, F = (A.to(device, dtype) for A in matrices(problem.n, problem.k, problem.d, problem.seed))
    chosen = KERNELS.get(kernel)
    V = shard_embedding(problem, shard, chosen.takes == "dense")
    if guard.is_foreign(chosen.run):
        V, inverse, F = V[torch.arange(V.n, device=V.device)], inverse.clone(), F.clone()
    return chosen.prepare(V, inverse, F, 1)


@lru_cache(maxsize=64)
@torch.no_grad()
def reference_scores(problem: ShardedProblem, shard: int, with_inner: bool) -> Tensor:
    """Scores [n of the shard] in float64, by the factored formula where V has factors; on the shard's device."""
    V = pool(problem.n, problem.k, problem.d, problem.seed)[problem.shards[shard]].to(problem.devices[shard])
    kernel = KERNELS.get("factored" if isinstance(V, FactoredEmbedding) else "fused")
    state = kernel.prepare(V, *(A.to(V.device) for A in matrices(problem.n, problem.k, problem.d, problem.seed)), 1)
    parts = [slice(a, min(a + _REFERENCE_CHUNK, V.n)) for a in range(0, V.n, _REFERENCE_CHUNK)]
    return torch.cat([kernel.run(state, part, with_inner) for part in parts])


def needed_bytes(problem: ShardedProblem, kernel: str, chunk_size: int) -> int:
    """Bytes that the first device must still find room for; 0 for a kernel that works on V's factors.

    On a built V these are V unless it is held already, M⁻¹, F and Q, and three products of a chunk. CPU shards are all
    on one device.
    """
    if parse_kernel(kernel).kernel.takes != "dense" and problem.d % problem.k == 0:
        return 0
    rows, size = problem.k - 1, torch.empty(0, dtype=problem.torch_dtype).element_size()
    shards = len(problem.devices) if problem.devices[0] == "cpu" else 1
    n = shards * chunks(problem.n, len(problem.devices))
    chunk = shards * min(chunk_size, problem.n)
    held = 0 if (problem, True) in _made else n * rows * problem.d + 3 * problem.d**2
    return size * (held + 3 * chunk * rows * problem.d)
