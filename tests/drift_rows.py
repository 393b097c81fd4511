"""Rows of ``fbench drift`` with drift, baselines and falls planted, for tests of what is said of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fbench.harness import registry
from fbench.harness.contract import Row
from fbench.suites.drift.options import Options

OK = {"status": "ok", "reason": ""}
START, STEP = 100, 50
"""Labels of round 0, and those that a round adds."""


class Tensor(NamedTuple):
    """A parameter tensor of the network made up here."""

    name: str
    layer_type: str
    shape: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return int(np.prod(self.shape))


def tensors(layers: int) -> list[Tensor]:
    """A residual net's: convolutions with their norms' weights and biases, then a classifier's weight and bias."""
    net = []
    for i in range(layers - 2):
        block, part = divmod(i, 3)
        width = 8 * 2 ** (block // 4)
        parts = [
            Tensor(f"conv{block}.weight", "convolution", (width, width, 3, 3)),
            Tensor(f"bn{block}.weight", "norm", (width,)),
            Tensor(f"bn{block}.bias", "norm", (width,)),
        ]
        net.append(parts[part])
    width = net[-1].shape[0]
    return [*net, Tensor("fc.weight", "linear", (10, width)), Tensor("fc.bias", "bias", (10,))]


def make_options(
    *,
    seeds: int = 6,
    rounds: int = 6,
    fractions: Sequence[float] = (0.05, 0.2),
    rules: Sequence[str] = ("global",),
    classifier: Sequence[str] = ("kept",),
    samples: Sequence[int] = (1024,),
    redraws: Sequence[int] = (1,),
    strategies: Sequence[str] = ("random",),
    retrain: float | bool | None = True,
    margin: float = 0.2,
    **more: Any,
) -> Options:
    """The options of a run that has the rows of ``make_tables`` with the same arguments; others may be given too."""
    options: Options = registry.SUITES.get("drift").restored({
        "strategies": tuple(strategies), "seeds": seeds, "rounds": rounds, "fractions": tuple(fractions),
        "rules": tuple(rules), "classifier": tuple(classifier), "fisher_samples": tuple(samples),
        "redraws": tuple(redraws), "retrain": int(bool(retrain)), "margin": margin,
    })  # fmt: skip
    return options


def make_tables(
    *,
    seeds: int = 6,
    rounds: int = 6,
    layers: int = 32,
    fractions: Sequence[float] = (0.05, 0.2),
    rules: Sequence[str] = ("global",),
    classifier: Sequence[str] = ("kept",),
    samples: Sequence[int] = (1024,),
    redraws: Sequence[int] = (1,),
    strategies: Sequence[str] = ("random",),
    previous: float | Sequence[float] = 0.45,
    redraw: float = 0.9,
    retrain: float | None = 0.6,
    first: float = 0.35,
    chance: float = 0.08,
    fall: tuple[float, float] | None = (0.35, 0.1),
    levels: tuple[float, float] = (2.0, 0.1),
    noise: float = 0.01,
    **more: Any,
) -> dict[str, list[Row]]:
    """The tables ``results``, ``fisher``, ``rounds`` and ``masks`` of a run of rounds 0 to ``rounds``.

    As in a run, only rows of results have a status and a reason.

    Args:
        seeds: 0, 1, …
        rounds: the last round's number.
        layers: parameter tensors in all, of which a third are convolutions; the classifier's two are the last.
        fractions, rules, classifier, samples, redraws: axes of the masks.
        strategies: one or more.
        previous: level of jaccard_previous; or its levels in rounds 1, 2, …
        redraw, first, chance: levels of the other overlaps of the whole network; layers lie around them.
        retrain: level of jaccard_retrain; None for a run without.
        fall: depth of the middle and width of the share's fall under the rule "global"; None for none.
        levels: share before and after the fall, in fractions kept; a fall lies deeper the larger the fraction.
        noise: standard deviation of an overlap, and of a share relative to itself.
        more: options that no row depends on.
    """
    net = tensors(layers)
    tables: dict[str, list[Row]] = {"results": [], "fisher": [], "rounds": [], "masks": []}
    means = {"previous": previous, "first": first, "redraw": redraw, "retrain": retrain, "chance": chance}
    for strategy, seed, number in product(strategies, range(seeds), range(rounds + 1)):
        rng = np.random.default_rng(zlib.crc32(f"{strategy} {seed} {number}".encode()))
        case = {"case": f"strategy={strategy} seed={seed}", "strategy": strategy, "seed": seed, "round": number}
        level = {name: _in_round(value, number) for name, value in means.items()}
        if number == 0:
            level["previous"] = level["first"] = None
        for n, pairs, rule, kept, fraction in product(samples, redraws, rules, classifier, fractions):
            mask = {"samples": n, "rule": rule, "classifier": kept, "fraction": fraction}
            shares = _shares(net, fraction, rule, kept, fall, levels, noise, fractions, rng)
            begin = {**case, "labels": START + STEP * number, **mask, "redraws": pairs}
            tables["results"] += _overlaps(net, begin, shares, level, noise, rng)
            if pairs == redraws[-1]:
                tables["masks"] += [
                    {**case, **mask, "layer": tensor.name, "shape": "×".join(map(str, tensor.shape)), "kept": count,
                     "bits": ""}
                    for tensor, count in zip(net, shares, strict=True)
                ]  # fmt: skip
        for n in samples:
            tables["fisher"] += _fisher(net, {**case, "samples": n}, level, noise, rng)
        tables["rounds"].append({**case, **_round(number, retrain is not None, rng)})
    return tables


def compare_tables(tables: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The same rows as ``fbench compare --drift`` gives them: no time, and no second training."""
    drift = [{**row, "jaccard_retrain": None} for row in tables["results"]]
    drift = [{name: value for name, value in row.items() if name not in OK} for row in drift]
    fisher = [{**row, "spearman_retrain": None} for row in tables["fisher"]]
    return {"results": [], "drift": drift, "fisher": fisher, "masks": tables["masks"]}


def failed(strategy: str, seed: int, reason: str, status: str = "failed") -> Row:
    """The row of results that a case leaves which did not finish: no column of a layer has a value."""
    names = [
        "round", "labels", "samples", "redraws", "rule", "classifier", "fraction", "layer", "layer_index", "depth",
        "kind", "parameters", "kept", "share", "captured", "jaccard_previous", "jaccard_first", "jaccard_redraw",
        "jaccard_retrain", "jaccard_chance",
    ]  # fmt: skip
    begin = {"case": f"strategy={strategy} seed={seed}", "strategy": strategy, "seed": seed}
    return {**begin, **dict.fromkeys(names), "status": status, "reason": reason}


def _in_round(value: float | Sequence[float] | None, number: int) -> float | None:
    if value is None or isinstance(value, int | float):
        return value
    return value[number - 1] if number else None


def _shares(
    net: Sequence[Tensor],
    fraction: float,
    rule: str,
    kept: str,
    fall: tuple[float, float] | None,
    levels: tuple[float, float],
    noise: float,
    fractions: Sequence[float],
    rng: np.random.Generator,
) -> list[int]:
    """Weights kept of every tensor."""
    depth = np.linspace(0, 1, len(net))
    share = np.full(len(net), fraction)
    if rule == "global" and fall is not None:
        place = min(fall[0] * (fraction / fractions[0]) ** 0.25, 0.9)
        ramp = np.clip((depth - place) / max(fall[1], 1e-9) + 0.5, 0, 1)
        share = fraction * (levels[0] + (levels[1] - levels[0]) * ramp)
    if rule == "global":
        share = share * np.exp(5 * noise * rng.normal(size=len(net)))
    counts = [round(tensor.parameters * min(kept_share, 1)) for tensor, kept_share in zip(net, share, strict=True)]
    return [*counts[:-2], *(tensor.parameters for tensor in net[-2:])] if kept == "kept" else counts


def _overlaps(
    net: Sequence[Tensor],
    begin: Row,
    shares: Sequence[int],
    level: Mapping[str, float | None],
    noise: float,
    rng: np.random.Generator,
) -> Iterator[Row]:
    """A row for every tensor and one for the whole; tensors kept by decree have no overlaps, nor has an empty mask."""
    forced = 2 if begin["classifier"] == "kept" else 0
    common = noise * rng.normal()
    for index, (tensor, count) in enumerate(zip(net, shares, strict=True)):
        bare = index >= len(net) - forced or count == 0
        lower = 0.1 * (index / (len(net) - 1) - 0.5)
        cells = {name: None if bare or mean is None else mean - lower + common + noise * rng.normal()
                 for name, mean in level.items()}  # fmt: skip
        place = {"layer": tensor.name, "layer_index": index, "depth": index / (len(net) - 1), "kind": tensor.layer_type}
        yield {**begin, **place, **_counts(tensor.parameters, count), **_columns("jaccard", cells), **OK}
    cells = {name: None if mean is None else mean + common + noise * rng.normal() for name, mean in level.items()}
    place = {"layer": "all", "layer_index": None, "depth": None, "kind": "all"}
    whole = _counts(sum(tensor.parameters for tensor in net), sum(shares))
    yield {**begin, **place, **whole, **_columns("jaccard", cells), **OK}


def _counts(parameters: int, kept: int) -> Row:
    share = kept / parameters
    return {"parameters": parameters, "kept": kept, "share": share, "captured": share**0.3}


def _columns(prefix: str, cells: Mapping[str, float | None]) -> Row:
    return {f"{prefix}_{name}": None if value is None else float(np.clip(value, 0, 1)) for name, value in cells.items()}


def _fisher(
    net: Sequence[Tensor], begin: Row, level: Mapping[str, float | None], noise: float, rng: np.random.Generator
) -> Iterator[Row]:
    """Fisher values that fall smoothly, a hundredfold over the depth and tenfold times the squared weights."""
    ranks = {name: None if level[name] is None else (1 + level[name]) / 2 for name in ("previous", "redraw", "retrain")}
    for index, tensor in enumerate(net):
        depth = index / (len(net) - 1)
        means = {"fisher_mean": 1e-3 * 10 ** (-2 * depth), "weighted_mean": 1e-5 * 10 ** (-depth)}
        means = {name: value * float(np.exp(5 * noise * rng.normal())) for name, value in means.items()}
        place = {"layer": tensor.name, "layer_index": index, "depth": depth, "kind": tensor.layer_type}
        cells = {name: None if mean is None else mean + noise * rng.normal() for name, mean in ranks.items()}
        yield {**begin, **place, "parameters": tensor.parameters, **means, **_columns("spearman", cells)}
    cells = {name: None if mean is None else mean + noise * rng.normal() for name, mean in ranks.items()}
    whole = {"layer": "all", "layer_index": None, "depth": None, "kind": "all",
             "parameters": sum(tensor.parameters for tensor in net)}  # fmt: skip
    yield {**begin, **whole, "fisher_mean": 2e-4, "weighted_mean": 4e-6, **_columns("spearman", cells)}


def _round(number: int, retrain: bool, rng: np.random.Generator) -> Row:
    slower = 1 + 0.2 * number + 0.05 * rng.normal()
    seconds = {"train_s": 9.6 * slower, "select_s": 0.4 if number else None,
               "retrain_s": 9.7 * slower if retrain else None, "diagonal_s": 2.6, "masks_s": 0.3}  # fmt: skip
    labels = START + STEP * number
    return {"labels": labels, "accuracy": 0.9 - 20 / labels, "nll": 0.2 + 20 / labels, **seconds}
