"""The last linear layer of a network: its parameters, whether masks hold them, and the width of what enters it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from torch import nn


def classifier_parameters(network: nn.Module) -> list[str]:
    """Names of the last linear layer's parameters.

    Example:
        >>> from torch import nn
        >>> classifier_parameters(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        ['2.weight', '2.bias']
    """
    from fbench.learning.inference import classifier_name

    layer = classifier_name(network)
    return [name for name, _ in network.named_parameters() if name.rpartition(".")[0] == layer]


def kept_whole(network: nn.Module) -> list[str]:
    """Names of the parameters that every mask of the network holds: the classifier's, if it has others.

    Of a network that is nothing but its classifier, as a linear head on features, a mask chooses among those weights.

    Example:
        >>> from torch import nn
        >>> kept_whole(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))), kept_whole(nn.Linear(4, 3))
        (['2.weight', '2.bias'], [])
    """
    classifier = classifier_parameters(network)
    return classifier if len(classifier) < sum(1 for _ in network.parameters()) else []


def classifier_width(network: nn.Module) -> int:
    """The number h of features that enter the last linear layer.

    Example:
        >>> from torch import nn
        >>> classifier_width(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        3
    """
    return _classifier(network).in_features


def classifier_outputs(network: nn.Module) -> int:
    """The number k of classes that the last linear layer tells apart.

    Example:
        >>> from torch import nn
        >>> classifier_outputs(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
        2
    """
    return _classifier(network).out_features


def _classifier(network: nn.Module) -> nn.Linear:
    from fbench.learning.inference import classifier_name

    return cast("nn.Linear", network.get_submodule(classifier_name(network)))
