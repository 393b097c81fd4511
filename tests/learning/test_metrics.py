"""Scores against scikit-learn's and against loops that are evidently right."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss, recall_score
from torch import Tensor

from fbench.errors import InputError
from fbench.learning.metrics import BINS, calibration_error, score_predictions


def predictions(classes: int, present: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, for targets of the first ``present`` classes, imbalanced."""
    g = torch.Generator().manual_seed(seed)
    weights = 0.5 ** torch.arange(present).double()
    targets = torch.multinomial(weights, 200, replacement=True, generator=g)
    logits = torch.randn(200, classes, generator=g)
    logits[torch.arange(200), targets] += 1.0
    return logits, targets


@pytest.mark.parametrize(("classes", "present"), [(2, 2), (5, 5), (7, 4)])
def test_scores_are_scikit_learns(classes: int, present: int) -> None:
    logits, targets = predictions(classes, present)
    guessed = logits.argmax(1)
    scores = score_predictions(logits, targets)
    recall = recall_score(targets, guessed, average=None, labels=targets.unique())
    assert scores.accuracy == pytest.approx(accuracy_score(targets, guessed))
    if present == classes:  # scikit-learn warns of predictions of other classes
        assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(targets, guessed))
    assert scores.balanced_accuracy == pytest.approx(recall.mean())
    assert scores.worst_recall == pytest.approx(recall.min())
    assert scores.macro_f1 == pytest.approx(f1_score(targets, guessed, average="macro"))
    chances = logits.double().softmax(1).numpy()
    assert scores.nll == pytest.approx(log_loss(targets, chances, labels=list(range(classes))))


def test_the_calibration_error_is_the_loop_over_bins() -> None:
    logits, targets = predictions(4, 4)
    confidence = logits.double().softmax(1).amax(1).numpy()
    right = (logits.argmax(1) == targets).double()
    expected = 0.0
    for low, high in zip(np.linspace(0, 1, BINS + 1)[:-1], np.linspace(0, 1, BINS + 1)[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            expected += inside.mean() * abs(right.numpy()[inside].mean() - confidence[inside].mean())
    assert calibration_error(logits, right) == pytest.approx(expected)
    assert score_predictions(logits, targets).calibration_error == pytest.approx(expected)


def test_what_is_never_right_scores_nothing() -> None:
    scores = score_predictions(torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0]]), torch.tensor([1, 1]))
    assert (scores.accuracy, scores.balanced_accuracy, scores.macro_f1, scores.worst_recall) == (0, 0, 0, 0)
    assert scores.calibration_error == pytest.approx(1.0, abs=1e-3)


def test_no_predictions_are_refused() -> None:
    with pytest.raises(InputError, match="there are no test images; accuracy needs at least 1"):
        score_predictions(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
