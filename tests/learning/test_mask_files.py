"""Masks written and read: nothing lost, nothing unpickled, and a clear word where a file is damaged."""

from __future__ import annotations

import base64
import csv
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fbench
from fbench.errors import DataError
from fbench.fisher.masks import Mask
from fbench.harness.contract import COMMON_COLUMNS
from fbench.learning.mask_files import load_masks, mask_rows, pack_bits, unpack_bits
from fbench.results import table
from fbench.suites.drift.columns import MASK_COLUMNS

KEY = {
    "strategy": "bait",
    "seed": 0,
    "labels": 20,
    "samples": 8,
    "rule": "global",
    "classifier": "kept",
    "fraction": 0.1,
}


@given(st.lists(st.integers(0, 5), max_size=4), st.integers(0, 99), st.sampled_from([0.0, 0.01, 0.5, 1.0]))
def test_what_is_packed_is_unpacked(shape: list[int], seed: int, share: float) -> None:
    layer = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share
    assert torch.equal(unpack_bits(pack_bits(layer), tuple(shape)), layer)


def masks() -> list[Mask]:
    g = torch.Generator().manual_seed(1)
    shapes = {"conv.weight": (4, 3, 3, 3), "norm": (4,), "classifier.weight": (10, 4)}
    return [Mask({n: torch.rand(s, generator=g) < 0.1 for n, s in shapes.items()}, ["norm"]) for _ in range(3)]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    columns = (COMMON_COLUMNS[0], *MASK_COLUMNS)
    rows = [{"case": "x", **KEY, "round": r, **row} for r, mask in enumerate(masks()) for row in mask_rows(mask)]
    path = tmp_path / "masks.csv"
    path.write_text(table.header(columns) + table.lines(columns, rows))
    return path


def test_masks_come_back_by_what_they_are(written: Path) -> None:
    for masks_read in (load_masks(written), load_masks(written.parent), fbench.load_masks(str(written))):
        assert [(key.strategy, key.seed, key.round, key.fraction) for key in masks_read] == [
            ("bait", 0, r, 0.1) for r in range(3)
        ]
        for mask, expected in zip(masks_read.values(), masks(), strict=True):
            assert mask.always == expected.always
            assert list(mask) == list(expected)
            assert all(torch.equal(mask[name], expected[name]) for name in expected)
            assert mask.jaccard(expected) == 1


def test_the_documented_recipe_needs_nothing_of_ours(written: Path) -> None:
    with written.open(newline="") as file:
        row = next(csv.DictReader(file))
    bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(row["bits"])), np.uint8), count=4 * 3 * 3 * 3)
    assert np.array_equal(bits.reshape(4, 3, 3, 3).astype(bool), masks()[0]["conv.weight"].numpy())


def test_a_mask_is_compact() -> None:
    layer = torch.rand(700_000, generator=torch.Generator().manual_seed(0)) < 0.01
    # the entropy of a bit, in base64, and zlib's own waste
    assert len(pack_bits(layer)) < 700_000 * 0.081 / 8 * 4 / 3 * 1.6


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda text: text.replace("4x3x3x3", "4x3x3x9", 1), r"line 2: the mask of 'conv.weight' is damaged: 14 bytes"),
        (lambda text: text.replace("eJ", "!!", 1), "line 2: the mask of 'conv.weight' is damaged"),
        (lambda text: text.replace("eJ", "eJAA", 1), "line 2: the mask of 'conv.weight' is damaged"),
        (
            lambda text: text.replace("4x3x3x3", "4xtwo", 1),
            "line 2: the mask of 'conv.weight' is damaged: invalid literal",
        ),
        (lambda text: text.replace(",20,8,", ",20,eight,", 1), "line 2: the mask of 'conv.weight' is damaged: invalid"),
        (
            lambda text: text.replace(",4x3x3x3,", ",4x3x3x3,9", 1),
            "is damaged: its bits keep .* its column 9",
        ),
        (
            lambda text: text.replace(",false,", ",maybe,", 1),
            "is damaged: always is 'maybe', neither true",
        ),
        (lambda text: text[: text.rindex(",", 0, -2)], "line 10: the row has too few cells: was the file cut"),
        (lambda text: text[: text.rindex("\n", 0, -2) + 1], "has 2 layers, not 3 as the first: was it cut"),
        (lambda text: text.replace("shape", "form", 1), "has no column 'shape': give the masks.csv of a run"),
    ],
)
def test_a_damaged_file_is_said(written: Path, damage: object, match: str) -> None:
    assert callable(damage)
    written.write_text(damage(written.read_text()))
    with pytest.raises(DataError, match=match):
        load_masks(written)


def test_a_file_that_is_no_text_is_said(written: Path) -> None:
    written.write_bytes(written.read_bytes().replace(b"conv", b"con\xff", 1))
    with pytest.raises(DataError, match="is no CSV of fbench: 'utf-8' codec"):
        load_masks(written)


def test_a_layer_of_millions_of_random_bits_is_read(tmp_path: Path) -> None:
    """More characters than Python's csv takes in a cell by itself."""
    mask = Mask({"w": torch.rand(1_000_000, generator=torch.Generator().manual_seed(0)) < 0.5})
    columns = (COMMON_COLUMNS[0], *MASK_COLUMNS)
    rows = [{"case": "x", **KEY, "round": 0, **row} for row in mask_rows(mask)]
    (tmp_path / "masks.csv").write_text(table.header(columns) + table.lines(columns, rows))
    assert next(iter(load_masks(tmp_path).values())).jaccard(mask) == 1


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"masks.csv: no such file; give the masks.csv"):
        load_masks(tmp_path)
