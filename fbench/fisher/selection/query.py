"""BAIT with the calling convention of scikit-learn's active-learning libraries: ``query(X, y, clf)`` gives indices.

As in scikit-activeml, y holds the labels of the whole pool with ``missing_label`` where there is none, candidates are
all the unlabelled unless named, and utilities are [batch_size, n]. No such library is imported, nor needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fbench.errors import InputError
from fbench.fisher.selection.bait import Selection, bait_select
from fbench.fisher.selection.methods import parse_embedding_method

LEAST_PROBABILITY = 1e-12
"""The probability that 0 is raised to: log 0 is no logit, and a class below this adds nothing to V_xᵀV_x that float64
could tell from none."""


def query(
    X: ArrayLike,
    y: ArrayLike,
    clf: Any = None,
    *,
    candidates: ArrayLike | None = None,
    batch_size: int = 1,
    return_utilities: bool = False,
    logits: ArrayLike | None = None,
    features: ArrayLike | None = None,
    embed: Callable[[Any], ArrayLike] | None = None,
    missing_label: Any = np.nan,
    method: str = "exact",
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
) -> NDArray[np.int64] | tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices of the ``batch_size`` samples of X whose labels BAIT would buy.

    Args:
        X: [n, …], the whole pool, labelled and unlabelled.
        y: [n], ``missing_label`` where a sample has no label.
        clf: fitted, with ``predict_proba(X)``: the logits are log p, p = 0 raised to 1e-12. Not needed beside logits.
        candidates: indices into X that may be chosen; every unlabelled one if not given. Candidates and labelled then
            are the whole pool: F is their mean, and all that is left out costs nothing.
        batch_size: B.
        return_utilities: give the utilities as well.
        logits: [n, k], of your own network, in place of clf's.
        features: [n, h], what enters its last layer; ``embed(X)``, or else X itself, if not given.
        embed: gives the features [n, h] from X.
        missing_label: marks what is unlabelled: NaN, None, or any value of y's own.
        method: ``exact``, ``top2``, ``binary``, ``diagonal`` or ``pca:H``, as in ``fbench pick``.
        regularisation: λ, or ``rel:c``.
        oversample: forward picks over B; 1 leaves no backward removals.

    Returns:
        Indices [B]; with ``return_utilities`` also utilities [B, n]: row b holds, for the b-th sample chosen, its own
        score (by how much it lowered tr(F M⁻¹) when it was picked), and NaN for all others. BAIT scores every
        candidate for every forward pick, twice as many as are kept, so no row of scores would belong to a kept pick.

    Raises:
        InputError: lengths that differ, nothing left to choose, a candidate that has its label, and what
            ``last_layer_embedding`` and ``bait_select`` refuse.

    Example:
        >>> import numpy, fbench
        >>> X = numpy.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 3.0], [0.1, 0.1]])
        >>> y = [0, 1, numpy.nan, numpy.nan, numpy.nan]
        >>> sorted(fbench.query(X, y, logits=numpy.zeros((5, 2)), batch_size=2).tolist())
        [2, 3]
    """
    known = ~_is_missing(y, missing_label)
    n = len(known)
    scored = _log_probabilities(clf, X) if logits is None else logits
    entering = features if features is not None else X if embed is None else embed(X)
    pool = _pool(candidates, known)
    way, number = parse_embedding_method(method)
    embedding = way.make(_tensor("logits", scored, n)[pool], _tensor("features", entering, n)[pool], number)
    chosen = bait_select(
        embedding,
        batch_size,
        labelled=torch.from_numpy(known[pool].nonzero()[0]),
        regularisation=regularisation,
        oversample=oversample,
        method=way.engine,
    )
    indices = pool[chosen.indices.numpy()]
    return (indices, _utilities(chosen, indices, n)) if return_utilities else indices


def _utilities(chosen: Selection, indices: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    scores = dict(zip(chosen.forward.tolist(), chosen.scores.tolist(), strict=True))
    utilities = np.full((len(indices), n), np.nan)
    utilities[np.arange(len(indices)), indices] = [scores[index] for index in chosen.indices.tolist()]
    return utilities


def _is_missing(y: ArrayLike, missing_label: Any) -> NDArray[np.bool_]:
    """Where y holds ``missing_label``; NaN, which equals nothing, is told by that."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"y has shape {list(labels.shape)}; it must be [n], one label a sample")
    if missing_label != missing_label:
        return np.array([label != label for label in labels.tolist()], dtype=bool)
    return np.array([label is missing_label or label == missing_label for label in labels.tolist()], dtype=bool)


def _log_probabilities(clf: Any, X: ArrayLike) -> NDArray[Any]:
    if not hasattr(clf, "predict_proba"):
        classifier = "no clf" if clf is None else f"clf, a {type(clf).__name__}, has no predict_proba"
        raise InputError(f"{classifier}: give a fitted classifier that has predict_proba, or logits")
    log_p: NDArray[Any] = np.log(np.maximum(clf.predict_proba(X), LEAST_PROBABILITY))
    return log_p


def _pool(candidates: ArrayLike | None, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Positions in X of the candidates and the labelled, ascending.

    Raises:
        InputError: candidates that are no indices, out of range, or labelled.
    """
    if candidates is None:
        return np.arange(len(known))
    typed = np.asarray(candidates)
    if typed.ndim != 1 or typed.dtype.kind not in "iu":
        raise InputError(
            f"candidates have shape {list(typed.shape)} and dtype {typed.dtype}; give indices into X, as [0, 5, 7]"
        )
    outside = typed[(typed < 0) | (typed >= len(known))]
    if len(outside):
        raise InputError(f"candidate {outside[0]} is outside X: must be from 0 to {len(known) - 1}")
    if known[typed].any():
        raise InputError(f"candidate {typed[known[typed]][0]} has its label already; leave it out")
    return np.union1d(typed, known.nonzero()[0]).astype(np.int64)


def _tensor(name: str, values: ArrayLike, n: int) -> Tensor:
    """``values`` as a floating-point tensor of n rows; whole numbers and float16 are widened."""
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} have dtype {array.dtype}; they must be numbers")
    if array.ndim == 0 or len(array) != n:
        raise InputError(f"{name} have shape {list(array.shape)} beside {n} labels in y; they must be [{n}, …]")
    wide = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    return torch.from_numpy(np.array(array, dtype=wide))
