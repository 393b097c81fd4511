"""Networks whose S replicas live in one module, so that S trainings run side by side as one.

Layout: input x [b, S·c, H, W] and logits [b, S·k], replica-major along dim 1; inside, every convolution has
S groups. Every parameter and buffer is stacked along dim 0, so one replica's state is a chunk along dim 0
(``replica``) and the whole is their concatenation (``stack``). With S = 1 this is the ordinary network, made
of ``nn.Conv2d``, ``nn.BatchNorm2d`` and an ``nn.Linear`` called ``classifier``. Residual additions and ReLUs
are never in place: that would overwrite the activations that hooks capture.

Padding keeps every stride-2 convolution at one pixel or more and the features are averaged over pixels, so
images of any size fit. ``Perceptron`` takes inputs of any shape, flattened: [b, S·c, H, W] → [b, S·(c·H·W)].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fbench.errors import InputError

__all__ = ["GroupedLinear", "Perceptron", "ResNet18", "ResidualBlock", "SmallNet", "replica", "stack"]

StateDict = Mapping[str, Tensor]
"""A network's parameters and buffers by name, as ``state_dict`` gives them."""


def stack(states: Sequence[StateDict]) -> dict[str, Tensor]:
    """The state of S replicas, concatenated from S states. Of scalars (batch norm's step count) the first is kept.

    Example:
        >>> stack([{"weight": torch.zeros(1, 2)}, {"weight": torch.ones(1, 2)}])["weight"].tolist()
        [[0.0, 0.0], [1.0, 1.0]]
    """
    first = states[0]
    return {
        name: torch.cat([state[name] for state in states]) if value.dim() else value for name, value in first.items()
    }


def replica(state: StateDict, index: int, replicas: int) -> dict[str, Tensor]:
    """The state of replica ``index`` out of ``replicas``, as views; the inverse of ``stack``.

    Example:
        >>> both = {"weight": torch.tensor([[0.0, 0.0], [1.0, 1.0]])}
        >>> replica(both, 1, replicas=2)["weight"].tolist()
        [[1.0, 1.0]]
    """
    return {name: value.chunk(replicas)[index] if value.dim() else value for name, value in state.items()}


class GroupedLinear(nn.Module):
    """S linear maps: [b, S·h] → [b, S·k], with ``weight`` [S·k, h] and, if any, ``bias`` [S·k]."""

    def __init__(self, replicas: int, features: int, classes: int, *, bias: bool = False) -> None:
        super().__init__()
        self.replicas = replicas
        self.weight = nn.Parameter(torch.empty(replicas * classes, features))
        self.bias = nn.Parameter(torch.zeros(replicas * classes)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Replica s's features through replica s's weights."""
        weight = self.weight.view(self.replicas, -1, self.weight.shape[1])
        features = x.view(len(x), self.replicas, -1)
        outputs = torch.einsum("bsh,skh->bsk", features, weight).flatten(1)
        return outputs if self.bias is None else outputs + self.bias


class SmallNet(nn.Module):
    """Three 3×3 convolutions with batch norm and ReLU, average pooling, a linear classifier: for 8×8 images.

    Args:
        replicas: S.
        channels: of one image.
        classes: k.
        widths: channels after each convolution.
        strides: of each convolution. The first halves the image: two thirds of the cost are saved there.
    """

    def __init__(
        self,
        replicas: int,
        channels: int,
        classes: int,
        widths: Sequence[int] = (16, 32, 16),
        strides: Sequence[int] = (2, 1, 1),
    ) -> None:
        super().__init__()
        _check_counts(replicas=replicas, channels=channels, classes=classes)
        inputs = (channels, *widths[:-1])
        self.convolutions = nn.ModuleList(
            _convolution(replicas, a, b, 3, stride) for a, b, stride in zip(inputs, widths, strides, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(replicas * width) for width in widths)
        self.classifier = _classifier(replicas, widths[-1], classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """[b, S·c, H, W] → [b, S·k]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = F.relu(norm(convolution(x)))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016), the shortcut 1×1 where the shape changes."""

    def __init__(self, replicas: int, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(replicas, inputs, width, 3, stride)
        self.norm1 = nn.BatchNorm2d(replicas * width)
        self.conv2 = _convolution(replicas, width, width, 3, 1)
        self.norm2 = nn.BatchNorm2d(replicas * width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            projection = _convolution(replicas, inputs, width, 1, stride)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(replicas * width))

    def forward(self, x: Tensor) -> Tensor:
        """[b, S·inputs, H, W] → [b, S·width, ⌈H/stride⌉, ⌈W/stride⌉]."""
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 with the stem for small images: a 3×3 convolution of stride 1 and no max pooling.

    Args:
        replicas: S.
        channels: of one image.
        classes: k.
        widths: of the four stages, two blocks each. (16, 32, 64, 128) is the published thin network: 701,456
            parameters for three channels and ten classes, 1,280 of them the classifier.
    """

    def __init__(self, replicas: int, channels: int, classes: int, widths: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__()
        _check_counts(replicas=replicas, channels=channels, classes=classes)
        self.stem = _convolution(replicas, channels, widths[0], 3, 1)
        self.norm = nn.BatchNorm2d(replicas * widths[0])
        blocks: list[nn.Module] = []
        inputs = widths[0]
        for stage, width in enumerate(widths):
            blocks += [ResidualBlock(replicas, inputs, width, 1 if stage == 0 else 2)]
            blocks += [ResidualBlock(replicas, width, width, 1)]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.classifier = _classifier(replicas, inputs, classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """[b, S·c, H, W] → [b, S·k]."""
        x = self.blocks(F.relu(self.norm(self.stem(x))))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


class Perceptron(nn.Module):
    """Linear layers with ReLU between them, on flattened inputs; without hidden ones it is multinomial regression.

    That starts from zero weights, the same for every seed: its loss is convex, and what random weights say about
    directions that no labelled input has, nothing would unlearn.

    Args:
        replicas: S.
        features: numbers of one input.
        classes: k.
        hidden: widths of the hidden layers.
        dropout: share of every hidden layer's units that training drops (Srivastava et al. 2014).
    """

    def __init__(
        self, replicas: int, features: int, classes: int, hidden: Sequence[int] = (), dropout: float = 0.0
    ) -> None:
        super().__init__()
        _check_counts(replicas=replicas, features=features, classes=classes, hidden=min(hidden, default=1))
        widths = (features, *hidden)
        self.hidden = nn.ModuleList(_linear(replicas, a, b) for a, b in itertools.pairwise(widths))
        self.dropping: nn.Module = nn.Dropout(dropout) if dropout else nn.Identity()
        self.classifier = _linear(replicas, widths[-1], classes)
        for layer in self.hidden:
            _draw(layer, gain=2)  # He et al. 2015, eq. 10
        _draw(self.classifier, gain=1 if hidden else 0)

    def forward(self, x: Tensor) -> Tensor:
        """[b, S·c, …] → [b, S·k]."""
        x = x.flatten(1)
        for layer in self.hidden:
            x = self.dropping(F.relu(layer(x)))
        logits: Tensor = self.classifier(x)
        return logits


def _convolution(replicas: int, inputs: int, width: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(replicas * inputs, replicas * width, kernel, stride, kernel // 2, groups=replicas, bias=False)


def _classifier(replicas: int, features: int, classes: int) -> nn.Module:
    if replicas == 1:
        return nn.Linear(features, classes, bias=False)
    return GroupedLinear(replicas, features, classes)


def _linear(replicas: int, features: int, outputs: int) -> nn.Linear | GroupedLinear:
    if replicas == 1:
        return nn.Linear(features, outputs)
    return GroupedLinear(replicas, features, outputs, bias=True)


def _draw(layer: nn.Module, gain: float) -> None:
    """Normal weights of variance gain/fan-in, and no bias, so that inputs of length √fan-in give about √gain."""
    weight, bias = (parameter for parameter in layer.parameters())
    nn.init.normal_(weight, std=math.sqrt(gain / weight.shape[1]))
    nn.init.zeros_(bias)


def _initialise(network: nn.Module) -> None:
    """Draw the weights from torch's default generator; batch norm starts as torch sets it, at 1 and 0.

    Fan-in, because it is the same number whatever S is (torch counts fan-out over all groups).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear | GroupedLinear):
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise InputError(f"{name} is {value}; a network needs at least 1")
