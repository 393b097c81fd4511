"""FISH masks: which weights to keep, as a set of positions (Sung et al. 2021, "Training Neural Networks with Fixed
Sparse Masks").

A mask maps every parameter's name to a bool tensor of its shape. "Layer" means one parameter tensor throughout.
Positions are never looked up by value: ties in the Fisher values would duplicate them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from fbench.errors import InputError, UnknownNameError


class Overlap(NamedTuple):
    """How many weights both masks keep, the first keeps and the second keeps."""

    shared: int
    first: int
    second: int


class Mask(Mapping[str, Tensor]):
    """A set of weights: ``mask[name]`` is a bool tensor of that parameter's shape.

    ``always`` names the parameters that were kept whole by decree; overlaps leave them out.

    Example:
        >>> import torch, fbench
        >>> first = fbench.Mask({"w": torch.tensor([True, True, False, False]), "b": torch.tensor([True, False])})
        >>> second = fbench.Mask({"w": torch.tensor([False, True, True, False]), "b": torch.tensor([True, False])})
        >>> first
        Mask(3 of 6 weights, 2 layers)
        >>> first.counts(), first.share(), first.jaccard(second)
        ({'w': 2, 'b': 1}, {'w': 0.5, 'b': 0.5}, 0.5)
    """

    def __init__(self, layers: Mapping[str, Tensor], always: Iterable[str] = ()) -> None:
        for name, layer in layers.items():
            if layer.dtype != torch.bool:
                raise InputError(f"mask of {name!r} has dtype {layer.dtype}; it must be bool")
        self._layers = {name: layer.clone() for name, layer in layers.items()}  # arms must not share a mutable mask
        self.always = tuple(always)

    def __getitem__(self, name: str) -> Tensor:
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __repr__(self) -> str:
        total = sum(layer.numel() for layer in self._layers.values())
        return f"Mask({self.size:,} of {total:,} weights, {len(self)} layers)"

    @property
    def size(self) -> int:
        """How many weights are kept: d of a masked embedding."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """How many weights are kept in every layer."""
        return {name: _count(layer) for name, layer in self._layers.items()}

    def share(self) -> dict[str, float]:
        """The share of every layer that is kept, from 0 to 1."""
        return {name: kept / self._layers[name].numel() for name, kept in self.counts().items()}

    def positions(self, name: str) -> Tensor:
        """The flat positions kept in a layer, ascending."""
        return self._layers[name].flatten().nonzero()[:, 0]

    def overlap(self, other: Mask, *, without: Iterable[str] = ()) -> dict[str, Overlap]:
        """What two masks share, layer by layer; the layers in ``always`` of either and in ``without`` are left out.

        Raises:
            InputError: masks of different networks.
        """
        skip = {*self.always, *other.always, *without}
        check_layers("other mask", other, self._layers)
        pairs = {n: (layer, other[n].to(layer.device)) for n, layer in self._layers.items() if n not in skip}
        return {name: Overlap(_count(a & b), _count(a), _count(b)) for name, (a, b) in pairs.items()}

    def jaccard(self, other: Mask, *, without: Iterable[str] = ()) -> float | None:
        """Shared weights over those in either mask, as ``overlap`` counts them; None where both are empty.

        Raises:
            InputError: masks of different networks.
        """
        counts = list(self.overlap(other, without=without).values())
        shared = sum(layer.shared for layer in counts)
        either = sum(layer.first + layer.second for layer in counts) - shared
        return shared / either if either else None


def _count(layer: Tensor) -> int:
    """How many entries are true; a sum over 11 M of them takes seventeen times longer (2 cores)."""
    return int(torch.count_nonzero(layer))


def check_layers(what: str, layers: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse layers whose names or shapes are not the expected ones.

    Raises:
        InputError: naming the first that differs.

    Example:
        >>> import torch
        >>> check_layers("the mask", {}, {"w": torch.zeros(2, 3)})
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: the mask lacks the layer 'w'
    """
    for name in layers:
        if name not in expected:
            raise InputError(f"{what} has a layer {name!r} that the network does not have")
    for name, like in expected.items():
        if name not in layers:
            raise InputError(f"{what} lacks the layer {name!r}")
        if layers[name].shape != like.shape:
            raise InputError(
                f"{what} has shape {list(layers[name].shape)} for {name!r}; the network's is {list(like.shape)}"
            )


def top_mask(
    diagonal: Mapping[str, Tensor], fraction: float, *, scope: str = "global", always: Sequence[str] = ()
) -> Mask:
    """Keep the weights with the largest Fisher information.

    Args:
        diagonal: F̂_j by parameter name.
        fraction: q; the mask keeps floor(q · parameters) weights, those of ``always`` included.
        scope: ``global``, the largest over the network, or ``layer``, floor(q · size) of every layer but those of
            ``always``, which then come on top.
        always: parameters kept whole, such as the classifier.

    Raises:
        InputError: q outside (0, 1], an empty mask, NaN, or ``always`` beyond q (the least q that works is named).
        UnknownNameError: no such scope or parameter.

    Example:
        >>> import torch, fbench
        >>> diagonal = {"body": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "head": torch.tensor([0.5, 0.1])}
        >>> fbench.top_mask(diagonal, 0.5)["body"].tolist()
        [[True, False], [True, True]]
        >>> fbench.top_mask(diagonal, 0.5, always=["head"]).counts()
        {'body': 1, 'head': 2}
    """
    always = tuple(dict.fromkeys(always))
    total = _check_fraction(diagonal, fraction, always)
    if scope not in ("global", "layer"):
        raise UnknownNameError("mask scope", scope, ("global", "layer"))
    if scope == "layer":
        return largest_mask(diagonal, {name: kept(fraction, v.numel()) for name, v in diagonal.items()}, always=always)
    return largest_mask(diagonal, kept(fraction, total), always=always)


def largest_mask(
    values: Mapping[str, Tensor],
    size: int | Mapping[str, int],
    *,
    always: Sequence[str] = (),
) -> Mask:
    """Keep so many of the largest values; among equals the lowest positions.

    Args:
        values: by parameter name, such as a Fisher diagonal or |w|.
        size: weights to keep over the network, those of ``always`` included; or a count for every layer, which those of
            ``always`` need not be in.
        always: parameters kept whole.

    Raises:
        InputError: a size that does not fit, NaN.
        UnknownNameError: no such parameter.

    Example:
        >>> import torch
        >>> values = {"body": torch.tensor([[4.0, 1.0], [3.0, 2.0]]), "head": torch.tensor([0.5, 0.1])}
        >>> largest_mask(values, 3)["body"].tolist(), largest_mask(values, 3, always=["head"])["body"].tolist()
        ([[True, False], [True, True]], [[True, False], [False, False]])
        >>> largest_mask(values, {"body": 1, "head": 1}).counts()
        {'body': 1, 'head': 1}
    """
    for name, layer in values.items():
        if name not in always and bool(layer.isnan().any()):
            raise InputError(
                f"values of {name!r} hold NaN; weights, outputs or gradients of the network were not finite"
            )
    return _keep(values, size, always, _top)


def even_counts(
    like: Mapping[str, Tensor], size: int, *, always: Sequence[str] = (), never: Sequence[str] = ()
) -> dict[str, int]:
    """How many weights of each layer make ``size`` in all, every layer giving nearly the same share of its own.

    Shares are rounded by largest remainders, the first layers first among equals, so that the sum is exact.

    Args:
        like: tensors whose names and shapes are the network's.
        size: weights in all, those of ``always`` included.
        always: parameters kept whole.
        never: parameters left out.

    Raises:
        InputError: a size that does not fit.
        UnknownNameError: no such parameter.

    Example:
        >>> import torch
        >>> like = {"body": torch.zeros(3, 4), "more": torch.zeros(2), "head": torch.zeros(5)}
        >>> even_counts(like, 9, always=["head"]), even_counts(like, 9, never=["head"])
        ({'body': 3, 'more': 1, 'head': 5}, {'body': 8, 'more': 1, 'head': 0})
    """
    _check_names(like, (*always, *never))
    sizes = {name: tensor.numel() for name, tensor in like.items() if name not in {*always, *never}}
    left, total = size - sum(like[name].numel() for name in set(always)), sum(sizes.values())
    if not 0 <= left <= total:
        raise InputError(f"mask size {left:,} in the layers that may choose: must be from 0 to their {total:,} weights")
    counts = {name: left * m // max(total, 1) for name, m in sizes.items()}
    rounded_off = sorted(sizes, key=lambda name: -(left * sizes[name] % max(total, 1)))  # stable: the first stay first
    for name in rounded_off[: left - sum(counts.values())]:
        counts[name] += 1
    return {name: like[name].numel() if name in always else counts.get(name, 0) for name in like}


def random_mask(
    like: Mapping[str, Tensor],
    size: int | Mapping[str, int],
    *,
    generator: torch.Generator,
    always: Sequence[str] = (),
) -> Mask:
    """Keep weights drawn at random, without replacement.

    Args:
        like: tensors (a mask, a diagonal, parameters) whose names and shapes the mask takes.
        size: weights to keep over the network, those of ``always`` included; or a count for every layer
            (``Mask.counts()`` of a FISH mask gives its layer-matched control).
        generator: a CPU generator.
        always: parameters kept whole.

    Raises:
        InputError: a size that does not fit.
        UnknownNameError: no such parameter.

    Example:
        >>> import torch, fbench
        >>> like = {"body": torch.zeros(3, 4), "head": torch.zeros(2)}
        >>> generator = torch.Generator().manual_seed(0)
        >>> fbench.random_mask(like, 5, generator=generator, always=["head"]).counts()
        {'body': 3, 'head': 2}
        >>> fbench.random_mask(like, {"body": 7, "head": 1}, generator=generator).counts()
        {'body': 7, 'head': 1}
    """
    return _keep(like, size, always, lambda flat, count: _draw(len(flat), count, generator))


def _keep(
    like: Mapping[str, Tensor],
    size: int | Mapping[str, int],
    always: Sequence[str],
    choose: Callable[[Tensor, int], Tensor],
) -> Mask:
    """A mask of ``size`` weights, ``choose(flat, count)`` saying as bool [m] which of m weights are kept."""
    always = tuple(dict.fromkeys(always))
    _check_names(like, always)
    free = {name: tensor.detach() for name, tensor in like.items() if name not in always}
    if isinstance(size, Mapping):
        _check_names(like, size)
        counts = {name: size.get(name, 0) for name in free}
        chosen = {name: _chosen(t.flatten(), counts[name], name, choose).view(t.shape) for name, t in free.items()}
    else:
        forced = sum(like[name].numel() for name in always)
        if size < forced:
            raise InputError(f"mask size {size:,} is less than the {forced:,} weights of {', '.join(always)}; raise it")
        flat = torch.cat([tensor.flatten() for tensor in free.values()]) if free else torch.empty(0)
        chosen = _split(_chosen(flat, size - forced, "the network", choose), free)
    return _assemble(like, chosen, always)


def _chosen(flat: Tensor, count: int, where: str, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
    if not 0 <= count <= len(flat):
        raise InputError(f"mask size {count:,} in {where}: must be from 0 to its {len(flat):,} weights")
    return choose(flat, count)


def _check_names(like: Mapping[str, Tensor], names: Iterable[str]) -> None:
    for name in names:
        if name not in like:
            raise UnknownNameError("parameter", name, like)


def kept(fraction: float, parameters: int) -> int:
    """How many weights a mask keeps: floor(q · parameters), q taken as it is written.

    Example:
        >>> kept(0.29, 100), int(0.29 * 100)
        (29, 28)
    """
    return math.floor(Fraction(repr(float(fraction))) * parameters)


def _check_fraction(diagonal: Mapping[str, Tensor], fraction: float, always: Sequence[str]) -> int:
    _check_names(diagonal, always)
    total = sum(values.numel() for values in diagonal.values())
    if total == 0:
        raise InputError("the diagonal has no weights to choose from")
    if not 0 < fraction <= 1:
        raise InputError(f"mask fraction {fraction}: must be above 0 and at most 1")
    forced = sum(diagonal[name].numel() for name in always)
    if kept(fraction, total) < max(forced, 1):
        least = math.ceil(max(forced, 1) / total * 1e6) / 1e6
        floor = f"the {forced:,} weights of {', '.join(always)}" if forced else "a single weight"
        raise InputError(
            f"mask fraction {fraction} keeps {kept(fraction, total):,} of {total:,} weights, fewer than {floor}; "
            f"the least fraction that works is {least:g}"
        )
    return total


def _top(values: Tensor, count: int) -> Tensor:
    """Which of ``values`` [m] are the ``count`` largest, as bool [m]; among ties the lowest positions."""
    keep = torch.zeros_like(values, dtype=torch.bool)
    if count > 0:
        threshold = values.kthvalue(len(values) - count + 1).values
        keep |= values > threshold
        ties = (values == threshold).nonzero()[:, 0]
        keep[ties[: count - int(keep.sum())]] = True
    return keep


def _draw(m: int, count: int, generator: torch.Generator) -> Tensor:
    keep = torch.zeros(m, dtype=torch.bool)
    keep[torch.randperm(m, generator=generator)[:count]] = True
    return keep


def _split(flat: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts = torch.split(flat, [tensor.numel() for tensor in like.values()]) if like else ()
    return {name: part.view(tensor.shape) for (name, tensor), part in zip(like.items(), parts, strict=True)}


def _assemble(like: Mapping[str, Tensor], chosen: Mapping[str, Tensor], always: Sequence[str]) -> Mask:
    whole = {name: torch.ones_like(like[name], dtype=torch.bool) for name in always}
    mask = Mask({name: whole[name] if name in whole else chosen[name] for name in like}, always)
    if mask.size == 0:
        raise InputError("the mask is empty; raise the fraction or the size")
    return mask
