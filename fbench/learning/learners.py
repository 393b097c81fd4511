"""What learns, and from what: the model that the options ask for, and the inputs that it gets.

A model may begin with weights of a file. With ``--freeze`` it is a backbone that never learns: its features, computed
once a seed, take the place of the images, and what learns, selects and is measured is a linear head on them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import TYPE_CHECKING

from fbench.errors import UsageError
from fbench.harness.registry import MODELS, Model
from fbench.learning.arm_options import HEAD, ArmOptions

if TYPE_CHECKING:
    from fbench.learning.data import Images

__all__ = ["backbone_of", "inputs_of", "learner_shape", "learning_model"]


def learning_model(options: ArmOptions) -> Model:
    """The model that learns.

    Raises:
        UsageError: as ``backbone_of``.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> learning_model(SUITES.get("compare").typed(model="small", freeze=True)).name
        'linear'
    """
    return MODELS.get(HEAD) if options.freeze else backbone_of(options)


def backbone_of(options: ArmOptions) -> Model:
    """The model that the options name, with its hidden width, its dropout and the weights that it begins with.

    Raises:
        UsageError: an unknown name, or a hidden width or dropout for a model that has none to choose.

    Example:
        >>> from fbench.harness.registry import SUITES
        >>> model = backbone_of(SUITES.get("compare").typed(model="mlp", hidden=32))
        >>> model.build(1, (512,), 10).classifier.in_features
        32
    """
    model = MODELS.get(options.model)
    if options.hidden:
        model = _of_width(model, options.hidden)
    if options.dropout:
        model = _with_dropout(model, options.dropout)
    if options.weights:
        from fbench.learning.weights import with_weights

        model = with_weights(model, options.weights)
    return model


@functools.lru_cache(maxsize=8)
def _of_width(model: Model, hidden: int) -> Model:
    """The model with a hidden width: the same value every time, by which is known what was found out about it."""
    if "hidden" not in inspect.signature(model.build).parameters:
        raise UsageError(f"--hidden {hidden}: model {model.name} has no hidden width to choose; leave it out")
    return dataclasses.replace(model, build=functools.partial(model.build, hidden=hidden))


@functools.lru_cache(maxsize=8)
def _with_dropout(model: Model, dropout: float) -> Model:
    """The model with dropout, a network at a time: what drops out of one would depend on those beside it."""
    if "dropout" not in inspect.signature(model.build).parameters:
        raise UsageError(
            f"--dropout {dropout:g}: model {model.name} has no dropout to choose; take --model mlp, or leave it out"
        )
    return dataclasses.replace(model, build=functools.partial(model.build, dropout=dropout), block=1)


def learner_shape(options: ArmOptions, images: Images) -> tuple[int, ...]:
    """The shape of one input of the model that learns: an image's, or (h,) of a backbone's features."""
    shape = tuple(images.images.shape[1:])
    return (_feature_width(backbone_of(options), shape, images.classes),) if options.freeze else shape


@functools.lru_cache(maxsize=8)
def _feature_width(backbone: Model, shape: tuple[int, ...], classes: int) -> int:
    from fbench.learning.building import blank_network
    from fbench.learning.strategies import classifier_width

    return classifier_width(blank_network(backbone, shape, classes))


def inputs_of(options: ArmOptions, images: Images, seed: int, device: str = "cpu") -> Images:
    """The data set as a seed's learner gets it: as it is, or as features of a frozen backbone."""
    if not options.freeze:
        return images
    return _frozen(backbone_of(options), images, 0 if options.weights else seed, device)


@functools.lru_cache(maxsize=8)
def _frozen(backbone: Model, images: Images, seed: int, device: str) -> Images:
    """The features of all images, by a backbone with the weights of a file or those of the seed; on the CPU."""
    from fbench.learning.inference import logits_and_features
    from fbench.learning.training import initial_network

    shape, dtype = tuple(images.images.shape[1:]), images.images.dtype
    network = initial_network(backbone, seed, shape, images.classes, dtype).to(device).eval()
    features = logits_and_features(network, images.images)[1].cpu()
    test = images.test_images
    test_features = None if test is None else logits_and_features(network, test)[1].cpu()
    return dataclasses.replace(images, images=features, test_images=test_features)
