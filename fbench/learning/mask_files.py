"""Masks as rows of a CSV, and back: nothing is unpickled, and no library of ours is needed to read them.

A row is a layer of a mask. ``shape`` is the parameter's, ``64x3x3x3``; ``bits`` its positions in row-major order, one
bit each, eight to a byte with the first one highest and zeros at the end, compressed by zlib, in base64:

    csv.field_size_limit(2**31 - 1)  # where Python's own csv is to read layers of a million weights
    numpy.unpackbits(numpy.frombuffer(zlib.decompress(base64.b64decode(bits)), numpy.uint8), count=parameters)
"""

from __future__ import annotations

import base64
import csv
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, get_type_hints

import numpy as np
import torch
from torch import Tensor

from fbench.errors import DataError
from fbench.fisher.masks import Mask
from fbench.harness.contract import Row

csv.field_size_limit(2**31 - 1)  # a large layer's bits are more than Python's csv takes by itself

_OWN = ("layer", "shape", "kept", "always", "bits")


def mask_rows(mask: Mask) -> Iterator[Row]:
    """A row a layer: ``layer``, ``shape``, ``kept``, ``always`` (kept whole by decree) and ``bits``."""
    for name, count in mask.counts().items():
        yield {
            "layer": name,
            "shape": "x".join(map(str, mask[name].shape)),
            "kept": count,
            "always": name in mask.always,
            "bits": pack(mask[name]),
        }


def pack(layer: Tensor) -> str:
    """A bool tensor's entries as text."""
    bits = np.packbits(layer.flatten().cpu().numpy())
    return base64.b64encode(zlib.compress(bits.tobytes())).decode("ascii")


def unpack(text: str, shape: tuple[int, ...]) -> Tensor:
    """The bool tensor that ``pack`` was given.

    Raises:
        ValueError: the text is no such thing.
    """
    size = math.prod(shape)
    data = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
    if len(data) != -(-size // 8):
        raise ValueError(f"{len(data)} bytes for {size:,} weights")
    return torch.from_numpy(np.unpackbits(data, count=size).astype(bool)).view(shape)


class MaskKey(NamedTuple):
    """Whose mask: the columns of its rows."""

    strategy: str
    seed: int
    round: int
    samples: int
    rule: str
    classifier: str
    fraction: float


_KINDS = get_type_hints(MaskKey)


def load_masks(path: str | Path) -> dict[MaskKey, Mask]:
    """The masks that ``fbench drift`` or ``fbench compare --drift`` wrote, in the file's order.

    Args:
        path: a ``masks.csv``, or the run's folder.

    Raises:
        DataError: no such file, other columns, or a damaged row; naming the line.
    """
    path = Path(path)
    path = path / "masks.csv" if path.is_dir() else path
    layers: dict[MaskKey, dict[str, Tensor]] = {}
    always: dict[MaskKey, list[str]] = {}
    for line, row in _rows(path):
        try:
            key = MaskKey(*(kind(row[name]) for name, kind in _KINDS.items()))
            layer = _layer(row)
        except (ValueError, zlib.error) as error:
            raise DataError(f"{path}, line {line}: the mask of {row['layer']!r} is damaged: {error}") from error
        layers.setdefault(key, {})[row["layer"]] = layer
        always.setdefault(key, []).extend([row["layer"]] if row["always"] == "true" else [])
    whole = next(iter(layers.values()), {}).keys()
    for key, own in layers.items():
        if own.keys() != whole:
            raise DataError(
                f"{path}: the mask of {key} has {len(own)} layers, not {len(whole)} as the first: was it cut?"
            )
    return {key: Mask(own, always[key]) for key, own in layers.items()}


def _layer(row: Mapping[str, str]) -> Tensor:
    """A row's bits, held to what else the row says of them."""
    layer = unpack(row["bits"], tuple(int(side) for side in row["shape"].split("x") if side))
    if int(layer.sum()) != int(row["kept"]):
        raise ValueError(f"its bits keep {int(layer.sum()):,} weights, its column {row['kept']}")
    if row["always"] not in ("true", "false"):
        raise ValueError(f"always is {row['always']!r}, neither true nor false")
    return layer


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in (*_KINDS, *_OWN) if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}: give the masks.csv of a run of fbench")
            for row in reader:
                if None in row.values():
                    raise DataError(f"{path}, line {reader.line_num}: the row has too few cells: was the file cut?")
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV of fbench: {error}; give the masks.csv of a run, or its folder") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}; give the masks.csv of a run, or its folder"
        ) from error
