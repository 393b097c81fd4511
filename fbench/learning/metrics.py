"""What predictions are worth, beside how many of them are right: what imbalance hides, and whether they know it.

Layout: logits [m, k], targets [m]; a class is one of the k. Sums are taken in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from fbench.errors import InputError

__all__ = ["BINS", "NetworkScores", "score_predictions"]

BINS = 15
"""Bins of the calibration error, of equal width."""


class NetworkScores(NamedTuple):
    """A network's scores on a test set.

    Attributes:
        accuracy: share that is right.
        balanced_accuracy: mean recall of the classes in the test set.
        macro_f1: mean F1 of the classes in the test set or among the predictions; 0 for one that is never right.
        worst_recall: least recall of a class in the test set.
        nll: mean negative log likelihood, in nats.
        calibration_error: mean distance between confidence and accuracy, over ``BINS`` bins of confidence.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    worst_recall: float
    nll: float
    calibration_error: float


def score_predictions(logits: Tensor, targets: Tensor) -> NetworkScores:
    """All scores of logits [m, k] for targets [m].

    Raises:
        InputError: no predictions.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
        >>> scores = score_predictions(logits, torch.tensor([0, 0, 1, 1]))
        >>> scores.accuracy, scores.balanced_accuracy, scores.worst_recall, round(scores.macro_f1, 3)
        (0.75, 0.75, 0.5, 0.733)
    """
    if len(logits) < 1:
        raise InputError("there are no test images; accuracy needs at least 1")
    targets = targets.to(logits.device)
    predicted, classes = logits.argmax(1), logits.shape[1]
    right = (predicted == targets).double()
    hits = torch.bincount(targets, right, minlength=classes)
    of_class, guesses = (torch.bincount(labels, minlength=classes).double() for labels in (targets, predicted))
    recall = (hits / of_class)[of_class > 0]
    f1 = (2 * hits / (of_class + guesses))[of_class + guesses > 0]
    return NetworkScores(
        accuracy=float(right.mean()),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        worst_recall=float(recall.min()),
        nll=float(F.cross_entropy(logits.double(), targets)),
        calibration_error=calibration_error(logits, right),
    )


def calibration_error(logits: Tensor, right: Tensor) -> float:
    """The expected calibration error (Guo et al. 2017, eq. 3), over ``BINS`` bins of equal width.

    Args:
        logits: [m, k].
        right: [m], 1.0 where the likeliest class is the right one, else 0.0.

    Example:
        >>> calibration_error(torch.tensor([[50.0, 0.0], [50.0, 0.0]]), torch.tensor([1.0, 0.0]).double())
        0.5
    """
    confidence = logits.double().softmax(1).amax(1)
    bins = (confidence * BINS).ceil().long().clamp(1, BINS)  # the ends belong to the bin below
    apart = torch.bincount(bins, right - confidence, minlength=BINS + 1)
    return float(apart.abs().sum() / len(logits))
