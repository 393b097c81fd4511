"""What a trained network says: logits, the features that enter its last layer, and how good its answers are.

Layout: images [n, c, h, w] or other inputs [n, …], features [n, h], logits [n, k]. Images may lie
elsewhere than the network and go to it batch by batch; results stay on its device. Batch norm is always frozen,
gradients are not recorded.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.fisher.gradients.capture import evaluating
from fbench.learning.metrics import NetworkScores, score_predictions
from fbench.stored_samples import StoredSamples

__all__ = ["classifier_name", "evaluate", "logits_and_features", "predict"]

BATCH = 512
"""Images a forward pass, everywhere: another batch size may change the last bit of a logit."""


def classifier_name(network: nn.Module) -> str:
    """Qualified name of the last ``nn.Linear`` in ``network``, in the order of declaration.

    Raises:
        InputError: there is none.

    Example:
        >>> classifier_name(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        '3'
    """
    names: list[str] = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise InputError(
            f"{type(network).__name__} has no nn.Linear layer; last-layer methods need one to give the logits"
        )
    return names[-1]


def predict(network: nn.Module, images: Tensor, batch_size: int = BATCH) -> Tensor:
    """Logits [n, k] of images [n, c, h, w].

    Raises:
        InputError: a batch size below 1.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> predict(network, torch.zeros(5, 1, 2, 2)).shape
        torch.Size([5, 3])
    """
    if batch_size < 1:
        raise InputError(f"batch size is {batch_size}; it must be at least 1")
    device = next(network.parameters()).device
    with evaluating(network), torch.no_grad():  # not inference_mode: its tensors could not enter a graph later
        return torch.cat([network(batch.to(device)) for batch in torch.split(images, batch_size)])


def logits_and_features(
    network: nn.Module,
    images: Tensor,
    classifier: str | None = None,
    batch_size: int = BATCH,
    *,
    leave_stored: bool = False,
) -> tuple[Tensor, Tensor]:
    """Logits [n, k] and the features [n, h] that enter the last layer.

    Args:
        network: ends in an ``nn.Linear``.
        images: [n, c, h, w].
        classifier: qualified name of that layer; the last ``nn.Linear`` by default.
        batch_size: images a forward pass.
        leave_stored: where inputs [n, h] lie in a file and enter that layer as they are, give them as the features, and
            hold none of them.

    Raises:
        InputError: no such layer, or one that is not entered once by [n, h].

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        >>> logits, features = logits_and_features(network, torch.ones(5, 1, 2, 2))
        >>> logits.shape, features.shape
        (torch.Size([5, 3]), torch.Size([5, 4]))
    """
    name = classifier if classifier is not None else classifier_name(network)
    layer = dict(network.named_modules()).get(name)
    if not isinstance(layer, nn.Linear):
        raise InputError(f"classifier {name!r} is not an nn.Linear layer of {type(network).__name__}")
    if leave_stored and isinstance(images, StoredSamples) and _enter_as_they_are(network, layer, images[:1]):
        return predict(network, images, batch_size), images
    logits, captured = _entering(network, layer, images, batch_size)
    if any(features.dim() != 2 for features in captured) or sum(map(len, captured)) != len(images):
        raise InputError(
            f"classifier {name!r} is not entered once by features [n, h]; name the nn.Linear layer that is"
        )
    return logits, torch.cat(captured)


def _entering(network: nn.Module, layer: nn.Module, images: Tensor, batch_size: int) -> tuple[Tensor, list[Tensor]]:
    """Logits, and what enters a layer on the way to them, pass by pass."""
    captured: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, inputs, output: captured.append(inputs[0].detach()))
    try:
        return predict(network, images, batch_size), captured
    finally:
        handle.remove()


def _enter_as_they_are(network: nn.Module, layer: nn.Module, images: Tensor) -> bool:
    """Whether what enters a layer is the images [n, h] themselves, in the memory where they were."""
    _, captured = _entering(network, layer, images, 1)
    same = [entered.shape == images.shape and entered.data_ptr() == images.data_ptr() for entered in captured]
    return same == [True]


def evaluate(network: nn.Module, images: Tensor, targets: Tensor) -> NetworkScores:
    """Accuracy and the other scores on images [n, c, h, w] with targets [n].

    Raises:
        InputError: no images.

    Example:
        >>> network = nn.Sequential(nn.Flatten(), nn.PReLU())  # zeros in, zeros out
        >>> scores = evaluate(network, torch.zeros(4, 1, 1, 2), torch.tensor([0, 0, 0, 1]))
        >>> scores.accuracy, round(scores.nll, 3)
        (0.75, 0.693)
    """
    return score_predictions(predict(network, images), targets)
