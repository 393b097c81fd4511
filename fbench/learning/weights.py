"""Pretrained weights from a file: all of a network but its last linear layer, which is the classes' own.

The file is a ``state_dict`` as ``torch.save`` writes it. It is read by torch's safe loader, which makes tensors and
runs nothing. A run keeps the file's SHA-256, so that another file under the same name is not taken for it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fbench.errors import DataError
from fbench.harness.registry import Model
from fbench.learning.inference import classifier_name
from fbench.learning.pinned_files import opened, pin, unpinned

__all__ = ["fit_backbone", "pinned", "read_weights", "with_weights"]

_REMEDY = "give a file that torch.save wrote of a state_dict"
_NESTED = ("state_dict", "model_state_dict", "model")
"""Names under which a checkpoint keeps its state_dict."""


def pinned(text: str) -> str:
    """The path with the SHA-256 of the file behind it; what is pinned already is held to its digest.

    Raises:
        DataError: no such file, or one that has changed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "weights.pt"
        ...     _ = path.write_bytes(b"nothing")
        ...     pinned(str(path))[-16:], pinned(pinned(str(path))) == pinned(str(path))
        ('36a1bf8c0f772b6a', True)
    """
    return pin("--weights", text, _REMEDY)


def with_weights(model: Model, text: str) -> Model:
    """The model whose networks begin with the weights of a file, ``PATH`` or as ``pinned`` gives it."""
    return replace(model, build=_loading(model, text))


@functools.lru_cache(maxsize=8)
def _loading(model: Model, text: str) -> Any:
    """One function for one model: what is known of a model, such as whose it is, is known by its function."""
    build = functools.partial(_build_loaded, model, text)
    build.__wrapped__ = model.build  # type: ignore[attr-defined]  # a user's model stays a user's
    return build


def _build_loaded(model: Model, text: str, replicas: int, shape: tuple[int, ...], classes: int) -> nn.Module:
    """Build it; several replicas get their weights from networks that are built alone."""
    network: nn.Module = model.build(replicas, shape, classes)
    if replicas == 1:
        fit_backbone(network, _stored(text), f"--weights {unpinned(text)[0]}")
    return network


@functools.lru_cache(maxsize=1)
def _stored(text: str) -> dict[str, Tensor]:
    """The weights of a pinned file, read once, where it is that file: under another digest there are others."""
    return read_weights(unpinned(pinned(text))[0])


def read_weights(path: str) -> dict[str, Tensor]:
    """The tensors of a ``state_dict`` by name, on the CPU.

    Raises:
        DataError: no such file, one with more than tensors, or without any.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = str(Path(folder) / "weights.pt")
        ...     torch.save(nn.Linear(2, 3).state_dict(), path)
        ...     list(read_weights(path))
        ['weight', 'bias']
    """
    with opened("--weights", path, _REMEDY) as file:
        try:
            stored = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of a file that is no pickle torch raises whatever its bytes happen to say
            raise DataError(
                f"--weights {path}: cannot be read safely, as tensors alone; write it by "
                "torch.save(network.state_dict(), FILE)"
            ) from error
    for name in _NESTED:
        if isinstance(stored, Mapping) and isinstance(stored.get(name), Mapping):
            stored = stored[name]
    tensors = {str(k): v for k, v in stored.items() if isinstance(v, Tensor)} if isinstance(stored, Mapping) else {}
    if not tensors:
        raise DataError(f"--weights {path}: holds no state_dict; write it by torch.save(network.state_dict(), FILE)")
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def fit_backbone(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy the weights of all layers but the last linear one into the network; that one stays as it is.

    Args:
        network: whose state is written.
        weights: by name; those that the network does not have are left.
        source: how a message begins.

    Raises:
        DataError: a tensor that is missing, has another shape, or is not finite; a network that is only a head.

    Example:
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3))
        >>> fit_backbone(network, {"0.weight": torch.eye(2), "0.bias": torch.zeros(2)}, "mine")
        >>> network[0].weight.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    head = classifier_name(network)
    state = network.state_dict()
    backbone = [name for name in state if name.rpartition(".")[0] != head]
    counters = {name for name in backbone if name.endswith("num_batches_tracked")}  # older files have none
    if not backbone:
        raise DataError(f"{source}: the model is nothing but its last linear layer, which is not loaded; leave it out")
    missing = [name for name in backbone if name not in weights and name not in counters]
    if missing:
        raise DataError(
            f"{source}: has no {missing[0]!r}, nor {len(missing) - 1} others of the model's {len(backbone)} tensors; "
            "give the state_dict of this very network (--model)"
        )
    for name in backbone:
        if name in weights:
            _check(source, name, weights[name], state[name])
            if state[name].device.type != "meta":
                state[name].copy_(weights[name])


def _check(source: str, name: str, stored: Tensor, wanted: Tensor) -> None:
    if stored.shape != wanted.shape:
        raise DataError(
            f"{source}: {name!r} has shape {list(stored.shape)}, the model's {list(wanted.shape)}; give the state_dict "
            "of this very network (--model), made for images of as many channels"
        )
    if not bool(torch.isfinite(stored).all()):
        raise DataError(f"{source}: {name!r} holds NaN or infinity; give weights that a training ended with")
