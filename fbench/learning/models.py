"""The networks by name, for ``--model``; torch is imported only when one is built.

``build(replicas, shape, classes)`` gives one module that holds ``replicas`` networks (see ``fbench.learning.networks``)
for inputs of ``shape``: (c, h, w) of an image, (features,) of a row. ``block`` networks are trained side by side: that
pays where one network alone leaves the cores idle, which the small ones do and the residual ones do not. A ``build``
that takes ``hidden`` or ``dropout`` too is given ``--hidden`` or ``--dropout``. torchvision's classifiers are a family:
made when one is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fbench.errors import InputError
from fbench.harness.registry import MODELS, Model, NameFamily, model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["linear_head", "mlp", "resnet18", "small", "thin_resnet18"]

HIDDEN = 128
"""Width of ``mlp``'s hidden layer where none is asked for."""


@model("small", "three 3×3 convolutions of 16, 32 and 16 channels, for 8×8 images", block=8)
def small(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The default network: d = 16·classes in its last layer.

    Example:
        >>> small(1, (1, 8, 8), 10).classifier
        Linear(in_features=16, out_features=10, bias=False)
    """
    from fbench.learning.networks import SmallNet

    return SmallNet(replicas, _channels("small", shape), classes)


@model("thin-resnet18", "ResNet-18 of widths 16-32-64-128, as in the FISH-mask experiments", block=1)
def thin_resnet18(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The published thin network: d = 128·classes in its last layer, 701,456 parameters on CIFAR-10.

    Example:
        >>> sum(weights.numel() for weights in thin_resnet18(1, (3, 32, 32), 10).parameters())
        701456
    """
    from fbench.learning.networks import ResNet18

    return ResNet18(replicas, _channels("thin-resnet18", shape), classes, widths=(16, 32, 64, 128))


@model("resnet18", "ResNet-18 of widths 64-128-256-512 with the stem for small images", block=1)
def resnet18(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The full network: d = 512·classes in its last layer, 11.2 million parameters.

    Example:
        >>> resnet18(1, (3, 32, 32), 10).classifier
        Linear(in_features=512, out_features=10, bias=False)
    """
    from fbench.learning.networks import ResNet18

    return ResNet18(replicas, _channels("resnet18", shape), classes)


@model("linear", "multinomial logistic regression on the inputs as they are, flattened", block=8)
def linear_head(replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The head of a linear probe: d = features·classes, with a bias, from zero weights.

    Example:
        >>> linear_head(1, (512,), 10).classifier
        Linear(in_features=512, out_features=10, bias=True)
    """
    from fbench.learning.networks import Perceptron

    return Perceptron(replicas, math.prod(shape), classes)


@model("mlp", f"one hidden layer with ReLU, {HIDDEN} wide or --hidden, on the inputs flattened", block=8)
def mlp(replicas: int, shape: tuple[int, ...], classes: int, hidden: int = HIDDEN, dropout: float = 0.0) -> nn.Module:
    """A perceptron: d = hidden·classes in its last layer; with ``dropout`` training drops that share of hidden units.

    Example:
        >>> mlp(1, (512,), 10, hidden=64).classifier
        Linear(in_features=64, out_features=10, bias=True)
    """
    from fbench.learning.networks import Perceptron

    return Perceptron(replicas, math.prod(shape), classes, hidden=(hidden,), dropout=dropout)


def _channels(name: str, shape: tuple[int, ...]) -> int:
    """The channels of images.

    Raises:
        InputError: inputs that are no images.
    """
    if len(shape) != 3:
        raise InputError(
            f"--model {name} takes images [n, c, h, w], and inputs have shape {['n', *shape]}".replace("'", "")
            + "; take linear or mlp, or a model of your own (--load)"
        )
    return shape[0]


def _torchvision(name: str) -> Model | None:
    """The classifier of torchvision of that name, with or without ``torchvision:`` before it."""
    from fbench.learning.torchvision_models import classifier_model

    return classifier_model(name.removeprefix("torchvision:"))


MODELS.add_family(
    NameFamily(
        "torchvision:NAME",
        "any classifier of torchvision, its head fitted to the classes; weights are random, or of --weights FILE",
        _torchvision,
    )
)
