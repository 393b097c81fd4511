"""What a user's model must give, tried once on a few images: before a run's folder exists.

A model that gives other numbers than those of one network on one image at a time is refused where these would be wrong,
and warned of where they mean something else.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fbench.errors import InputError
from fbench.harness import guard
from fbench.harness.global_state import isolated
from fbench.harness.guard import Refuse
from fbench.harness.registry import Model
from fbench.learning import seeds
from fbench.learning.building import build_network
from fbench.learning.data_checks import dtype_name
from fbench.learning.inference import classifier_name, logits_and_features
from fbench.learning.networks import stack

_ALONG = 4
"""Images that a model is tried on."""


@functools.cache
def try_model(model: Model, shape: tuple[int, ...], classes: int, dtype: torch.dtype = torch.float32) -> None:
    """Try a user's model on a few inputs of ``shape``, such as (c, h, w), and ``dtype``, once a process.

    Raises:
        ForeignError: it gives no network, or one whose outputs are not a logit a class; not the same weights for the
            same seed, or the same weights to two networks; ``block`` networks at once that are not those networks.
    """
    if not _is_others(model):
        _check_numbers(model, dtype)
        return
    refuse = guard.refuser(model.build, f"model {model.name!r}")
    network, again = (_built(refuse, model, 1, shape, classes) for _ in range(2))
    _check_fresh(refuse, network, again)
    few = _few(shape, dtype)
    logits = _checked_logits(refuse, model, network, few, classes)
    if model.block > 1:
        _check_block(refuse, model, network, logits, few, classes)


def _is_others(model: Model) -> bool:
    """Whether a model is a user's, or another library's, such as ``torchvision:NAME``: neither says what it takes."""
    return guard.is_foreign(model.build) or ":" in model.name


def _check_numbers(model: Model, dtype: torch.dtype) -> None:
    if not dtype.is_floating_point:
        raise InputError(
            f"--model {model.name} takes floating-point inputs, and the data set's are {dtype}: token ids need a model "
            "that embeds them, of your own (--load)"
        )


def _built(refuse: Refuse, model: Model, replicas: int, shape: Sequence[int], classes: int) -> nn.Module:
    with isolated(seeds.derive("training", 0)):
        network = build_network(model, replicas, shape, classes)
    if not isinstance(network, nn.Module):
        refuse(f"gave a {type(network).__name__}; it must give a torch.nn.Module")
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        refuse(f"gave a {type(network).__name__}; give the module itself (.module): --device shards the work")
    weights = list(network.parameters())
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in weights):
        refuse("has lazy layers, whose sizes are not known yet; give every layer its sizes")
    if not weights:
        refuse("has no parameters; there is nothing to train")
    if replicas == 1 and not any(isinstance(module, nn.Linear) for module in network.modules()):
        refuse("has no nn.Linear layer; last-layer methods need one to give the logits")
    return network.to(torch.float32).eval()


def _check_fresh(refuse: Refuse, network: nn.Module, again: nn.Module) -> None:
    """Two networks of one seed: equal weights, and nothing in common."""
    first, second = network.state_dict(), again.state_dict()
    storage = {value.data_ptr() for value in first.values() if value.numel()}
    if network is again or storage & {value.data_ptr() for value in second.values() if value.numel()}:
        refuse("gave the same weights to two networks; build a new module at every call")
    if any(not torch.equal(value, second[name]) for name, value in first.items() if name in second):
        refuse("draws other weights for the same seed; draw them by torch's default generator")


def _few(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A few inputs: of whole numbers only 0 and 1 are known to be such as a network takes."""
    generator = torch.Generator().manual_seed(0)
    if not dtype.is_floating_point:
        return torch.randint(2, (_ALONG, *shape), generator=generator).to(dtype)
    return torch.rand(_ALONG, *shape, generator=generator)


def _checked_logits(refuse: Refuse, model: Model, network: nn.Module, images: Tensor, width: int) -> Tensor:
    """Logits [n, width] of a few images."""
    x = images.clone()
    logits = _logits(model, network, x)
    if not torch.equal(x, images):
        refuse("writes into the images that it is given; clone them first")
    if not isinstance(logits, Tensor):
        refuse(
            f"gives {_kind(logits)}; its forward must give the logits, a torch.Tensor [n, classes]: alone, first in a "
            "tuple, or as .logits"
        )
    if tuple(logits.shape) != (len(images), width):
        refuse(
            f"gives shape {list(logits.shape)} for {len(images)} images; {width} classes need {[len(images), width]}"
        )
    if not logits.is_floating_point():
        refuse(f"gives {dtype_name(logits)}; logits are floating-point numbers")
    if not bool(torch.isfinite(logits).all()):
        refuse("gives NaN or infinity at its initial weights")
    return logits


def _logits(model: Model, network: nn.Module, images: Tensor) -> Any:
    try:
        with torch.no_grad():
            return network(images)
    except Exception as error:  # of the user's layers, or of torch's on the user's sizes
        if not guard.is_foreign(model.build):
            first = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"--model {model.name} does not run on inputs of shape {list(images.shape[1:])}: {first}; "
                "give larger images, or take another model (fbench list models)"
            ) from error
        raise guard.explained(error, f"model {model.name!r} on images {list(images.shape)}", model.build) from error


def _kind(output: Any) -> str:
    """What a forward pass gave in place of a tensor."""
    if isinstance(output, Mapping):
        return f"a {type(output).__name__} of {', '.join(map(str, output))}"
    return f"a {type(output).__name__}"


def _check_block(refuse: Refuse, model: Model, network: nn.Module, logits: Tensor, few: Tensor, classes: int) -> None:
    """Hold S networks in one module to one of them: every replica has its weights, its images and its logits."""
    S = model.block
    block = _built(refuse, model, S, few.shape[1:], classes)
    try:
        block.load_state_dict(stack([network.state_dict()] * S))
    except RuntimeError:
        refuse(f"has block={S}, and its build({S}, …) has no weights of {S} networks side by side; leave block out")
    together = _checked_logits(refuse, model, block, torch.cat([few] * S, dim=1), S * classes)
    if not torch.allclose(together, logits.repeat(1, S), rtol=_close(logits), atol=_close(logits)):
        refuse(f"has block={S}, and build({S}, …) gives other logits than {S} networks alone; leave block out")


def warn_of_model(model: Model, shape: tuple[int, ...], classes: int, dtype: torch.dtype = torch.float32) -> None:
    """Warn of a user's network whose numbers mean something else than those of one image through its last layer.

    Raises:
        ForeignError: it takes several images, and not one alone.
    """
    if not _is_others(model):
        return
    network = _built(guard.refuser(model.build, f"model {model.name!r}"), model, 1, shape, classes)
    few = _few(shape, dtype)
    together, again, alone = (_logits(model, network, images) for images in (few, few, few[:1]))
    mixed = _apart(together[:1], alone)
    doubts = [
        *([_BY_CHANCE] if _apart(together, again) > _close(together) else []),
        *([_MIXES.format(mixed)] if mixed > _close(together) >= _apart(together, again) else []),
        *([_ELSEWHERE] if not _ends_in_classifier(network, few) else []),
    ]
    for doubt in doubts:
        warnings.warn(str(guard.refuse(model.build, f"model {model.name!r} {doubt}")), stacklevel=2)


_BY_CHANCE = (
    "gives other logits for the same images in evaluation mode: scores and Fisher information are those of one draw; "
    "dropout must follow self.training"
)
_MIXES = (
    f"mixes the images of a batch: the logits of one differ by {{:.1g}} alone and among {_ALONG}. Gradients of single "
    "images, and so the Fisher information, are those of a batch; in evaluation mode every layer must see one image at "
    "a time (BatchNorm with track_running_stats=True)"
)
_ELSEWHERE = (
    "does not end in its last nn.Linear: strategies on the last layer take the gradients of a layer that does not give "
    "the logits; declare the layer that does as the last one"
)


def _ends_in_classifier(network: nn.Module, images: Tensor) -> bool:
    """Whether the last linear layer's own outputs have the probabilities that the network's have."""
    try:
        logits, features = logits_and_features(network, images)
    except InputError:
        return False
    with torch.no_grad():
        outputs = network.get_submodule(classifier_name(network))(features)
    return outputs.shape == logits.shape and _apart(outputs.softmax(1), logits.softmax(1)) <= _close(logits)


def _apart(first: Tensor, second: Tensor) -> float:
    """The largest difference, over the largest logit."""
    scale = max(float(first.abs().max()), torch.finfo(first.dtype).tiny)
    return float((first - second).abs().max()) / scale


def _close(logits: Tensor) -> float:
    """Half of the digits: what another order of summation may change, and a mixed batch does not."""
    return float(torch.finfo(logits.dtype).eps ** 0.5)
