"""torchvision's classifiers as models: their head has as many outputs as there are classes, their weights are drawn.

Nothing is downloaded: pretrained weights come from a file (``fbench.learning.weights``). They take colour images;
of grey ones all three colours are the one channel. Auxiliary heads, which only training would have, are left out.
"""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor, nn

from fbench.errors import InputError
from fbench.harness.registry import Model

__all__ = ["classifier_model"]

_MORE: dict[str, dict[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
"""What a network's maker is given beside the classes."""


@functools.lru_cache(maxsize=64)
def classifier_model(name: str) -> Model | None:
    """The classifier of torchvision of that name as a model, trained alone; None where there is none.

    Example:
        >>> classifier_model("mobilenet_v3_small").name
        'torchvision:mobilenet_v3_small'
        >>> classifier_model("fcn_resnet50") is None  # segments, and gives no class an image
        True
    """
    from torchvision import models

    if name not in models.list_models(module=models):
        return None
    return Model(f"torchvision:{name}", f"torchvision's {name}", functools.partial(_build, name))


def _build(name: str, replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The network with weights from torch's default generator.

    Raises:
        InputError: inputs that are no images of one or three channels.
    """
    from torchvision import models

    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(
            f"--model torchvision:{name} takes images [n, c, h, w] of 1 or 3 channels, and inputs have shape "
            f"[n, {', '.join(map(str, shape))}]; take another model (fbench list models)"
        )
    network: nn.Module = models.get_model(name, weights=None, num_classes=classes, **_MORE.get(name, {}))
    if shape[0] == 1:
        network.register_forward_pre_hook(_in_colour)
    return network


def _in_colour(network: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Give all three colours the one channel of grey images [n, 1, h, w]."""
    return inputs[0].expand(-1, 3, -1, -1)
