"""A classifier of scikit-learn's kind as ``fbench.query`` asks it, and what is said where it does not answer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fbench.errors import InputError, shorten


def probabilities_of(clf: Any, X: ArrayLike) -> Any:
    """What ``clf.predict_proba(X)`` gives, [n, k].

    Raises:
        InputError: it is no fitted classifier, X has other features than it was fitted on, or it fails.

    Example:
        >>> probabilities_of(None, [[1.0]])
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: no clf: give a fitted classifier that has predict_proba, or logits
    """
    name = type(clf).__name__
    if not hasattr(clf, "predict_proba"):
        what = "no clf" if clf is None else f"clf, a {name}, has no predict_proba"
        raise InputError(f"{what}: give a fitted classifier that has predict_proba, or logits")
    _check_width(clf, X)
    try:
        return clf.predict_proba(X)
    except Exception as error:  # another library's, whatever its kind
        if type(error).__name__ == "NotFittedError":  # scikit-learn is not imported for its name
            raise InputError(f"clf, a {name}, is not fitted; fit it on the labelled samples first") from error
        first = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"clf.predict_proba(X) raised {type(error).__name__}: {first}; give X as the classifier was fitted on, or "
            "logits of your own"
        ) from error


def _check_width(clf: Any, X: ArrayLike) -> None:
    """Refuse another number of features than the classifier was fitted on, where both are known."""
    wanted, shape = getattr(clf, "n_features_in_", None), np.shape(X)
    if wanted is not None and len(shape) == 2 and shape[1] != wanted:
        raise InputError(
            f"X has {shape[1]:,} features, and clf was fitted on {wanted:,}; give X as it was fitted on, and other "
            "features by features= or embed="
        )


def warn_of_unseen(clf: Any, labels: NDArray[Any]) -> None:
    """Warn of labels that the classifier was not fitted on: it gives them no probability."""
    classes = getattr(clf, "classes_", None)
    if classes is None:
        return
    known = set(np.asarray(classes).tolist())
    unseen = [label for label in dict.fromkeys(labels.tolist()) if label not in known]
    if unseen:
        more = f" and {len(unseen) - 1} more" if len(unseen) > 1 else ""
        warnings.warn(
            f"y has the label {shorten(repr(unseen[0]))}{more}, which clf was not fitted on; fit it on all the labels, "
            "so that it gives every class a probability",
            stacklevel=3,
        )
