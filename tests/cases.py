"""Problems as data: pools with logits and features, and small float64 networks of every layer kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as functional
from hypothesis import settings
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


def randomised(examples: int) -> settings:
    """Return the settings of a randomised test: the same examples every time, no deadline."""
    return settings(max_examples=examples, derandomize=True, deadline=None)


@dataclass(frozen=True)
class Problem:
    """A pool and what is asked of it."""

    logits: Tensor
    features: Tensor
    labelled: Tensor
    batch_size: int
    regularisation: float | str = 1.0
    oversample: float = 2.0


# How the features and logits of a pool are made degenerate. Each takes (logits, features, generator).
def _plain(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    return logits, features


def _confident(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    return 12.0 * logits, features


def _huge_logits(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    # Some samples have p = 1 exactly, so V_x = 0: scores of 0 that tie.
    some = torch.rand(len(logits), generator=g) < 0.4
    return torch.where(some[:, None], 1e3 * logits.sign(), logits), features


def _rank_one(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    return logits, features[:, :1] * torch.ones_like(features)


def _repeated_feature(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    half = features[:, : (features.shape[1] + 1) // 2]
    return logits, torch.cat([half, half], 1)[:, : features.shape[1]]


def _duplicates(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    source = torch.randint(max(1, len(logits) // 3), (len(logits),), generator=g)
    return logits[source], features[source]


def _uneven(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    return logits, features * 10.0 ** torch.linspace(-2, 1, features.shape[1], dtype=torch.float64)


def _shifted_logits(logits: Tensor, features: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    return logits - 1e3, features


SHAPES: dict[str, Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]] = {
    "plain": _plain,
    "confident": _confident,
    "huge logits": _huge_logits,
    "rank one": _rank_one,
    "repeated feature": _repeated_feature,
    "duplicates": _duplicates,
    "uneven": _uneven,
    "shifted logits": _shifted_logits,
}
TIED = {"huge logits", "duplicates"}  # equal scores are their point, so gaps are 0 there


def problem(
    seed: int,
    *,
    shape: str = "plain",
    n: int = 24,
    k: int = 3,
    h: int = 4,
    labelled: int = 4,
    batch_size: int = 4,
    regularisation: float | str = 1.0,
    oversample: float = 2.0,
) -> Problem:
    """Return a random pool; the values are exact in float32, so that both precisions see the same one."""
    g = torch.Generator().manual_seed(seed)
    logits = 2.0 * torch.randn(n, k, generator=g, dtype=torch.float64)
    features = torch.randn(n, h, generator=g, dtype=torch.float64)
    logits, features = SHAPES[shape](logits, features, g)
    return Problem(
        logits.float().double(),
        features.float().double(),
        torch.randperm(n, generator=g)[:labelled],
        batch_size,
        regularisation,
        oversample,
    )


class Residual(nn.Module):
    """Two convolutions with batch norm; the sum is in place, which corrupts captured outputs, or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(y))
        if self.in_place:
            out += y
        else:
            out = out + y
        return self.fc(functional.relu(out).mean((2, 3)))


class InPlaceOnConvolution(nn.Module):
    """Adds in place to a convolution's own output, and to a linear layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.fc1 = nn.Linear(3, 3)
        self.fc2 = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.conv1(x))
        y = self.conv2(x)
        y += x
        z = torch.tanh(y).mean((2, 3))
        out = self.fc1(z)
        out += z
        return self.fc2(out)


class Reused(nn.Module):
    """One linear layer called twice, and another that shares its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.shared = nn.Linear(4, 4, bias=False)
        self.shared.weight = self.first.weight
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(torch.tanh(self.first(x))))
        return self.last(torch.tanh(self.shared(x)))


class Loose(nn.Module):
    """Parameters that belong to no layer, one layer whose weight is read but never called, one unused."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.read = nn.Linear(4, 4)
        self.unused = nn.Linear(2, 2)
        self.last = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(functional.linear(x * self.scale, self.read.weight)))


class Sequence(nn.Module):
    """Linear layers over a [samples, steps, channels] tensor, as in a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.token = nn.Linear(4, 5)
        self.last = nn.Linear(5, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.token(self.norm(x))).mean(1))


class Folded(nn.Module):
    """A linear layer over [samples·steps, channels]: its first axis is not the samples."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Linear(4, 5)
        self.last = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.tanh(self.token(x.flatten(0, 1)))
        return self.last(tokens.unflatten(0, (-1, 3)).mean(1))


class StepsFirst(nn.Module):
    """A linear layer over [steps, samples, channels], as in an older transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Linear(4, 5)
        self.last = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.token(x.transpose(0, 1))).mean(0))


class ByKeyword(nn.Module):
    """Calls its layer with a keyword, which a hook's positional arguments lack."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(input=x)


class DeadBranch(nn.Module):
    """Runs a layer whose output never reaches the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Linear(4, 2)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.aside(x)
        return self.last(x)


class Detached(nn.Module):
    """Stops the gradient between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.last = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(x)).detach())


def _linear() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 3))


def _two_classes() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh(), nn.Linear(3, 2))


def _convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2, padding=2, dilation=2, bias=False),
        nn.Tanh(),
        nn.Conv2d(4, 6, (1, 2), stride=(2, 1), padding=(0, 1), groups=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def _paddings() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding="same", dilation=2),
        nn.Tanh(),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
        nn.Tanh(),
        nn.Conv2d(3, 3, 2, padding="valid", stride=2),
        nn.Flatten(),
        nn.Linear(12, 3),
    )


def _group_norm() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.GroupNorm(2, 4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LayerNorm(16),
        nn.Linear(16, 3),
    )


def _in_place_relu() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(3, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(3, 4),
        nn.ReLU(inplace=True),
        nn.Linear(4, 3),
    )


def _conv1d() -> nn.Module:
    return nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(9, 3))


def _conv3d() -> nn.Module:
    return nn.Sequential(
        nn.Conv3d(1, 4, (2, 3, 1), stride=(1, 2, 1), padding=(0, 1, 1), padding_mode="replicate", bias=False),
        nn.BatchNorm3d(4, affine=False),
        nn.Tanh(),
        nn.Flatten(2),
        nn.Conv1d(4, 6, 3, stride=2, padding=2, padding_mode="circular", groups=2),
        nn.BatchNorm1d(6),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(66, 3),
    )


def _one_position() -> nn.Module:
    """Convolutions down to one pixel, with groups: the contraction of one position."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 4, groups=2),
        nn.BatchNorm2d(4, eps=0.1),
        nn.Tanh(),
        nn.Conv2d(4, 4, 1, groups=4),
        nn.Flatten(),
        nn.BatchNorm1d(4),
        nn.Linear(4, 3),
    )


def _channels_last() -> nn.Module:
    """Activations whose strides are not those of their shape."""
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.Tanh(), nn.Conv2d(4, 3, 2), nn.Flatten(), nn.Linear(36, 3)
    )
    return network.to(memory_format=torch.channels_last)


def _stock_resnet() -> nn.Module:
    """torchvision's own blocks: ReLU modules in place, and a residual sum in place on batch norm's output."""
    down = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2, bias=False), nn.BatchNorm2d(6))
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        BasicBlock(4, 4),
        BasicBlock(4, 6, stride=2, downsample=down),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


@dataclass(frozen=True)
class ModelCase:
    """A network and the shape of one input."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    inputs: int = 5
    seed: int = field(default=0)


MODELS = {
    "linear": ModelCase(_linear, (4,)),
    "two classes": ModelCase(_two_classes, (4,)),
    "convolutions": ModelCase(_convolutions, (2, 7, 6)),
    "paddings": ModelCase(_paddings, (2, 5, 5)),
    "batch norm": ModelCase(lambda: Residual(in_place=False), (2, 4, 5)),
    "group and layer norm": ModelCase(_group_norm, (2, 4, 4)),
    "in-place relu": ModelCase(_in_place_relu, (2, 5, 5)),
    "in-place residual": ModelCase(lambda: Residual(in_place=True), (2, 4, 5)),
    "in-place on convolution": ModelCase(InPlaceOnConvolution, (2, 4, 4)),
    "reused layer, tied weight": ModelCase(Reused, (4,)),
    "loose parameters": ModelCase(Loose, (4,)),
    "sequence": ModelCase(Sequence, (3, 4)),
    "conv1d": ModelCase(_conv1d, (2, 5)),
    "steps folded into samples": ModelCase(Folded, (3, 4)),
    "steps first": ModelCase(StepsFirst, (3, 4)),
    "as many steps as samples": ModelCase(StepsFirst, (5, 4)),
    "called by keyword": ModelCase(ByKeyword, (4,)),
    "dead branch": ModelCase(DeadBranch, (4,)),
    "detached": ModelCase(Detached, (4,)),
    "conv3d": ModelCase(_conv3d, (1, 3, 4, 3)),
    "one position": ModelCase(_one_position, (2, 4, 4)),
    "stock resnet": ModelCase(_stock_resnet, (2, 6, 6)),
    "channels last": ModelCase(_channels_last, (2, 5, 4)),
    "single layer": ModelCase(lambda: nn.Linear(4, 3), (4,)),
}


def model(name: str) -> tuple[nn.Module, Tensor]:
    """Return the named network, float64, eval mode, every parameter and statistic random; and its inputs."""
    case = MODELS[name]
    g = torch.Generator().manual_seed(case.seed)
    network = case.build().double().eval()
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(0.7 * torch.randn(p.shape, generator=g, dtype=torch.float64))
        for key, buffer in network.named_buffers():
            if key.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=g, dtype=torch.float64))
            elif key.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=g, dtype=torch.float64))
    return network, torch.randn(case.inputs, *case.shape, generator=g, dtype=torch.float64)


def wide() -> tuple[nn.Module, Tensor]:
    """Return a float32 network and 256 inputs that need 190 megabytes or more, were there one batch."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.MaxPool2d(4),
            nn.Flatten(),
            nn.Linear(512, 10),
        )
        return network, torch.randn(256, 3, 16, 16)
