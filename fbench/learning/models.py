"""The networks by name, for ``--model``; torch is imported only when one is built.

``build(replicas, channels, size, classes)`` gives one module that holds ``replicas`` networks (see
``fbench.learning.networks``). ``block`` networks are trained side by side: that pays where one network alone
leaves the cores idle, which the small one does and the residual ones do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.harness.registry import model

if TYPE_CHECKING:
    from torch import nn

__all__ = ["resnet18", "small", "thin_resnet18"]


@model("small", "three 3×3 convolutions of 16, 32 and 16 channels, for 8×8 images", block=8)
def small(replicas: int, channels: int, size: int, classes: int) -> nn.Module:
    """The default network: d = 16·classes in its last layer.

    Example:
        >>> small(1, 1, 8, 10).classifier
        Linear(in_features=16, out_features=10, bias=False)
    """
    from fbench.learning.networks import SmallNet

    return SmallNet(replicas, channels, classes)


@model("thin-resnet18", "ResNet-18 of widths 16-32-64-128, as in the FISH-mask experiments", block=1)
def thin_resnet18(replicas: int, channels: int, size: int, classes: int) -> nn.Module:
    """The published thin network: d = 128·classes in its last layer, 701,456 parameters on CIFAR-10.

    Example:
        >>> sum(weights.numel() for weights in thin_resnet18(1, 3, 32, 10).parameters())
        701456
    """
    from fbench.learning.networks import ResNet18

    return ResNet18(replicas, channels, classes, widths=(16, 32, 64, 128))


@model("resnet18", "ResNet-18 of widths 64-128-256-512 with the stem for small images", block=1)
def resnet18(replicas: int, channels: int, size: int, classes: int) -> nn.Module:
    """The full network: d = 512·classes in its last layer, 11.2 million parameters.

    Example:
        >>> resnet18(1, 3, 32, 10).classifier
        Linear(in_features=512, out_features=10, bias=False)
    """
    from fbench.learning.networks import ResNet18

    return ResNet18(replicas, channels, classes)
