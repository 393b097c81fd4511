"""fbench: benchmarks and profiles Fisher-information batch active learning.

BAIT (batch active learning via information matrices), FISH (masks of the weights with the largest Fisher
information) and BAIT on FISH masks. The names below load on first use: ``import fbench`` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "DenseEmbedding": "fbench.fisher.embeddings",
    "Embedding": "fbench.fisher.embeddings",
    "FactoredEmbedding": "fbench.fisher.embeddings",
    "Mask": "fbench.fisher.masks",
    "MaskKey": "fbench.learning.mask_files",
    "Run": "fbench.runs.opening",
    "Selection": "fbench.fisher.selection.bait",
    "ShardedPool": "fbench.fisher.selection.sharded_pool",
    "bait_select": "fbench.fisher.selection.bait",
    "choose_chunk": "fbench.pick.chunk_choice",
    "dense_embedding": "fbench.fisher.embeddings",
    "fisher_diagonal": "fbench.fisher.gradients.diagonal",
    "last_layer_embedding": "fbench.fisher.embeddings",
    "load_masks": "fbench.learning.mask_files",
    "masked_embedding": "fbench.fisher.gradients.masked",
    "merge_runs": "fbench.runs.merging",
    "open_run": "fbench.runs.opening",
    "query": "fbench.pick.query",
    "random_mask": "fbench.fisher.masks",
    "run": "fbench.runs.running",
    "sharded_pool": "fbench.fisher.selection.sharded_pool",
    "top_mask": "fbench.fisher.masks",
    "trace": "fbench.fisher.selection.trace",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
