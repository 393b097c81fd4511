"""BAIT, and what it is compared with, as scikit-learn's active-learning libraries are called: ``query(X, y, clf)``.

As in scikit-activeml, y holds the labels of the whole pool with ``missing_label`` where there is none, candidates are
all the unlabelled unless named, and utilities are [batch_size, n]. No such library is imported, nor needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from torch import Tensor

from fbench.acquisition.pool_strategies import BAIT, PoolStrategy, pool_strategy_of
from fbench.acquisition.views import PoolView
from fbench.errors import InputError
from fbench.fisher.selection.bait import bait_select
from fbench.fisher.selection.methods import parse_embedding_method
from fbench.pick.classifiers import probabilities_of, warn_of_unseen

LEAST_PROBABILITY = 1e-12
"""The probability that 0 is raised to: log 0 is no logit, and a class below this adds nothing to V_xᵀV_x that float64
could tell from none."""
_ROWS = 1024
"""Of a sparse matrix that are made dense at a time."""


def query(
    X: ArrayLike,
    y: ArrayLike,
    clf: Any = None,
    *,
    strategy: str = BAIT,
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
    random_state: int | None = 0,
) -> NDArray[np.int64] | tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices of the ``batch_size`` samples of X whose labels BAIT, or another strategy, would buy.

    Args:
        X: [n, …], the whole pool, labelled and unlabelled; a sparse matrix of scipy's is made dense where features are
            needed.
        y: [n], ``missing_label`` where a sample has no label.
        clf: fitted, with ``predict_proba(X)``: the logits are log p, p = 0 raised to 1e-12. Not needed beside logits.
        strategy: ``bait``, or one that needs no network: ``random``, ``least-confidence``, ``margin``, ``entropy``,
            ``coreset``, ``badge``, ``typiclust``, ``probcover``.
        candidates: indices into X that may be chosen; every unlabelled one if not given. Candidates and labelled then
            are the whole pool: F is their mean, and all that is left out costs nothing.
        batch_size: B.
        return_utilities: give the utilities as well.
        logits: [n, k], of your own network, in place of clf's.
        features: [n, h], what enters its last layer; ``embed(X)``, or else X itself, if not given.
        embed: gives the features [n, h] from X.
        missing_label: marks what is unlabelled: None, or any value of y's own. NaN stands for what is usual: NaN and
            None, and −1 in a y of numbers that has neither.
        method: ``exact``, ``top2``, ``binary``, ``diagonal`` or ``pca:H``, as in ``fbench pick``.
        regularisation: λ, ``rel:c`` for c · tr F/d, or ``deff:c`` for the λ at which d_eff = c.
        oversample: forward picks over B; 1 leaves no backward removals.
        random_state: seeds what a strategy draws, None with another number each time; BAIT draws nothing.

    Returns:
        Indices [B]; with ``return_utilities`` also utilities [B, n]: row b holds, for the b-th sample chosen, its own
        score (BAIT's: by how much it lowered tr(F M⁻¹) when it was picked), and NaN for all others. BAIT scores every
        candidate for every forward pick, twice as many as are kept, so no row of scores would belong to a kept pick.

    Raises:
        UnknownNameError: another strategy.
        InputError: lengths that differ, nothing left to choose, a clf that is not fitted or fails, a candidate that
            has its label, an option of BAIT's beside another strategy, and what ``last_layer_embedding`` and
            ``bait_select`` refuse.

    Example:
        >>> import numpy, fbench
        >>> X = numpy.array([[1.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 3.0], [0.1, 0.1]])
        >>> y = [0, 1, numpy.nan, numpy.nan, numpy.nan]
        >>> sorted(fbench.query(X, y, logits=numpy.zeros((5, 2)), batch_size=2).tolist())
        [2, 3]
    """
    baseline = pool_strategy_of(strategy)
    known = ~_is_missing(y, missing_label)
    _check_left(known, missing_label)
    n, pool, arrays = len(known), _pool(candidates, known), {}
    needs = ("logits", "features") if baseline is None else baseline.needs
    if "logits" in needs:
        arrays["logits"] = _tensor("logits", _log_probabilities(clf, X) if logits is None else logits, n)[pool]
        if logits is None:
            warn_of_unseen(clf, np.asarray(y)[known])
    if "features" in needs:
        entering = features if features is not None else X if embed is None else embed(X)
        arrays["features"] = _tensor("features", entering, n)[pool]
    labelled = torch.from_numpy(known[pool].nonzero()[0])
    if baseline is None:
        how = {"regularisation": regularisation, "oversample": oversample}
        chosen, scores = _bait(arrays, batch_size, labelled, method, how)
    else:
        _refuse_options_of_bait(baseline, method=method, regularisation=regularisation, oversample=oversample)
        picks = baseline.pick(PoolView(len(pool), labelled, _generator(random_state), **arrays), batch_size)
        chosen, scores = picks.positions, picks.scores
    indices: NDArray[np.int64] = pool[chosen.numpy()]
    return (indices, _utilities(scores, indices, n)) if return_utilities else indices


def _bait(
    arrays: dict[str, Tensor], batch_size: int, labelled: Tensor, method: str, how: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Positions [B] in the pool, and each one's score when it was picked."""
    way, number = parse_embedding_method(method)
    embedding = way.make(arrays["logits"], arrays["features"], number)
    chosen = bait_select(embedding, batch_size, labelled=labelled, method=way.engine, **how)
    scores = dict(zip(chosen.forward.tolist(), chosen.scores.tolist(), strict=True))
    return chosen.indices, torch.tensor([scores[index] for index in chosen.indices.tolist()], dtype=torch.float64)


def _generator(random_state: int | None) -> torch.Generator:
    generator = torch.Generator()
    if random_state is None:
        generator.seed()
        return generator
    if isinstance(random_state, bool) or not hasattr(random_state, "__index__"):
        raise InputError(f"random_state {random_state!r}: must be a whole number, or None for another one each time")
    if not 0 <= int(random_state) < 2**63:
        raise InputError(f"random_state {random_state}: must be from 0 to 2^63 − 1, or None for another one each time")
    return generator.manual_seed(int(random_state))


def _refuse_options_of_bait(baseline: PoolStrategy, **typed: Any) -> None:
    usual = {"method": "exact", "regularisation": 1.0, "oversample": 2.0}
    for name, value in typed.items():
        if value != usual[name]:
            raise InputError(f"{name} {value} is BAIT's; leave it out with strategy {baseline.name!r}")


def _utilities(scores: Tensor, indices: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    utilities = np.full((len(indices), n), np.nan)
    utilities[np.arange(len(indices)), indices] = scores.numpy()
    return utilities


def _is_missing(y: ArrayLike, missing_label: Any) -> NDArray[np.bool_]:
    """Where y holds ``missing_label``; NaN, which equals nothing, is told by that, and stands for what is usual."""
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise InputError(f"y has shape {list(labels.shape)}; it must be [n], one label a sample")
    values = labels.tolist()
    if missing_label == missing_label:
        return np.array([label is missing_label or label == missing_label for label in values], dtype=bool)
    missing = np.array([label is None or label != label for label in values], dtype=bool)
    return missing if missing.any() else np.array([_is_minus_one(label) for label in values], dtype=bool)


def _is_minus_one(label: Any) -> bool:
    return isinstance(label, int | float) and label == -1


def _check_left(known: NDArray[np.bool_], missing_label: Any) -> None:
    if known.all():
        raise InputError(
            f"y has a label for each of its {len(known):,} samples, and none is left to choose; mark those without by "
            f"missing_label ({missing_label!r})"
        )


def _log_probabilities(clf: Any, X: ArrayLike) -> NDArray[Any]:
    log_p: NDArray[Any] = np.log(np.maximum(probabilities_of(clf, X), LEAST_PROBABILITY))
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


def _tensor(name: str, values: Any, n: int) -> Tensor:
    """``values`` as a floating-point tensor of n rows; whole numbers and float16 are widened."""
    if sparse.issparse(values):
        values = _dense(values)
    array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} have dtype {array.dtype}; they must be numbers")
    if array.ndim == 0 or len(array) != n:
        raise InputError(f"{name} have shape {list(array.shape)} beside {n} labels in y; they must be [{n}, …]")
    wide = np.float32 if array.dtype in (np.float16, np.float32) else np.float64
    return torch.from_numpy(np.array(array, dtype=wide))


def _dense(matrix: Any) -> NDArray[Any]:
    """A sparse matrix as an array of floating-point numbers, filled by blocks of rows: no second one is held."""
    rows = matrix.tocsr()
    wide = np.float32 if rows.dtype == np.float32 else np.float64
    dense = np.empty(rows.shape, dtype=wide)
    for first in range(0, len(dense), _ROWS):
        dense[first : first + _ROWS] = rows[first : first + _ROWS].toarray()
    return dense
