"""A network's last layer as scikit-learn's classifiers are: of features [n, h] it gives the network's probabilities.

Libraries fit a classifier before they ask it. Fitted on what the network was trained on, this one stays the network's;
fitted on other labels, as strategies do that try one out, it is logistic regression on the features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression


class NetworkHead(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """The last layer of a trained network.

    Args:
        weight: [k, h].
        bias: [k].
        trained_on: [L, h], the features of the network's labelled samples.

    Example:
        >>> head = NetworkHead(np.eye(2), np.zeros(2), np.zeros((1, 2))).fit(np.zeros((1, 2)), np.array([0]))
        >>> head.predict_proba(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, weight: Any = None, bias: Any = None, trained_on: Any = None) -> None:
        self.weight, self.bias, self.trained_on = weight, bias, trained_on

    def fit(self, X: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None) -> NetworkHead:
        """Keep the network's layer, or fit another on features and labels that are not the network's."""
        self.refitted_ = None
        self.classes_ = np.arange(len(self.weight))
        if not np.array_equal(X, self.trained_on):
            self.refitted_ = LogisticRegression().fit(X, y, sample_weight)
            self.classes_ = self.refitted_.classes_
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """[n, classes]."""
        if self.refitted_ is not None:
            fitted: NDArray[np.float64] = self.refitted_.predict_proba(X)
            return fitted
        p: NDArray[np.float64] = softmax(X @ self.weight.T + self.bias, axis=1)
        return p

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """The likeliest class [n]."""
        classes: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return classes
