"""Masks as rows of a CSV, and back: nothing is unpickled, and no library of ours is needed to read them.

A row is a layer of a mask. ``shape`` is the parameter's, ``64x3x3x3``; ``bits`` its positions in row-major order, one
bit each, eight to a byte with the first one highest and zeros at the end, compressed by zlib, in base64:

    csv.field_size_limit(2**31 - 1)  # where Python's own csv is to read layers of a million weights
    numpy.unpackbits(numpy.frombuffer(zlib.decompress(base64.b64decode(bits)), numpy.uint8), count=parameters)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, get_type_hints

import numpy as np
import torch
from torch import Tensor

from fbench.errors import DataError
from fbench.fisher.masks import Mask
from fbench.harness.contract import Row
from fbench.learning.run_tables import packed_cell, table_file, table_rows, unpacked_cell

_LAYER_COLUMNS = ("layer", "shape", "kept", "always", "bits")


def mask_rows(mask: Mask) -> Iterator[Row]:
    """A row a layer: ``layer``, ``shape``, ``kept``, ``always`` (kept whole by decree) and ``bits``.

    Example:
        >>> mask = Mask({"conv.weight": torch.tensor([[True, False]]), "fc.weight": torch.tensor([True])})
        >>> [(row["layer"], row["shape"], row["kept"]) for row in mask_rows(mask)]
        [('conv.weight', '1x2', 1), ('fc.weight', '1', 1)]
    """
    for name, count in mask.counts().items():
        yield {
            "layer": name,
            "shape": "x".join(map(str, mask[name].shape)),
            "kept": count,
            "always": name in mask.always,
            "bits": pack_bits(mask[name]),
        }


def pack_bits(layer: Tensor) -> str:
    """A bool tensor's entries as text: one bit each, compressed, in base64.

    Example:
        >>> text = pack_bits(torch.tensor([True, False, True]))
        >>> unpack_bits(text, (3,)).tolist()
        [True, False, True]
    """
    bits = np.packbits(layer.flatten().cpu().numpy())
    return packed_cell(bits.tobytes())


def unpack_bits(text: str, shape: tuple[int, ...]) -> Tensor:
    """The bool tensor of this shape whose entries ``pack_bits`` wrote.

    Raises:
        ValueError: the text is not base64, or holds another number of entries.

    Example:
        >>> text = pack_bits(torch.tensor([[True], [False]]))
        >>> unpack_bits(text, (2, 1)).tolist()
        [[True], [False]]
    """
    size = math.prod(shape)
    if min(shape, default=0) < 0 or size >= 2**63:
        raise ValueError(f"{shape} is no shape")
    data = np.frombuffer(unpacked_cell(text, -(-size // 8)), np.uint8)
    return torch.from_numpy(np.unpackbits(data, count=size).astype(bool)).view(shape)


class MaskKey(NamedTuple):
    """What a mask was made from: the network (strategy, seed, round) and the rule, as columns of its rows.

    Example:
        >>> MaskKey("bait+fish", 0, 2, 1024, "global", "free", 0.05)
        MaskKey(strategy='bait+fish', seed=0, round=2, samples=1024, rule='global', classifier='free', fraction=0.05)
    """

    strategy: str
    seed: int
    round: int
    samples: int
    rule: str
    classifier: str
    fraction: float


_KEY_TYPES = get_type_hints(MaskKey)


def load_masks(path: str | Path) -> dict[MaskKey, Mask]:
    """The masks that ``fbench drift`` or ``fbench compare --drift`` wrote, in the file's order.

    Args:
        path: a ``masks.csv``, or the run's folder.

    Raises:
        DataError: no such file, other columns, or a damaged row; naming the line.

    Example:
        >>> import tempfile
        >>> import pandas
        >>> mask = Mask({"fc.weight": torch.tensor([[True, False]])})
        >>> key = MaskKey("bait+fish", 0, 2, 1024, "global", "free", 0.5)
        >>> rows = [{**key._asdict(), **row, "always": "false"} for row in mask_rows(mask)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pandas.DataFrame(rows).to_csv(Path(folder) / "masks.csv", index=False)
        ...     masks = load_masks(folder)
        >>> masks[key].size
        1
    """
    layers: dict[MaskKey, dict[str, Tensor]] = {}
    always: dict[MaskKey, list[str]] = {}
    path = table_file(path, "masks.csv")
    for line, row in table_rows(path, "masks.csv", (*_KEY_TYPES, *_LAYER_COLUMNS)):
        try:
            key = MaskKey(*(convert(row[name]) for name, convert in _KEY_TYPES.items()))
            layer = _layer(row)
        except ValueError as error:
            raise DataError(f"{path}, line {line}: the mask of {row['layer']!r} is damaged: {error}") from error
        layers.setdefault(key, {})[row["layer"]] = layer
        always.setdefault(key, []).extend([row["layer"]] if row["always"] == "true" else [])
    whole = next(iter(layers.values()), {}).keys()
    for key, of_mask in layers.items():
        if of_mask.keys() != whole:
            raise DataError(
                f"{path}: the mask of {key} has {len(of_mask)} layers, not {len(whole)} as the first: was it cut?"
            )
    return {key: Mask(of_mask, always[key]) for key, of_mask in layers.items()}


def _layer(row: Mapping[str, str]) -> Tensor:
    """A row's bits, held to what else the row says of them."""
    layer = unpack_bits(row["bits"], tuple(int(side) for side in row["shape"].split("x") if side))
    if int(layer.sum()) != int(row["kept"]):
        raise ValueError(f"its bits keep {int(layer.sum()):,} weights, its column {row['kept']}")
    if row["always"] not in ("true", "false"):
        raise ValueError(f"always is {row['always']!r}, neither true nor false")
    return layer
