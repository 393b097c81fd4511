"""Arrays where they lie in a .npz: the same numbers as numpy reads, none of them held, and damage told in one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from fbench.errors import DataError
from fbench.mapped_arrays import check_stored, held_array, mapped_array

FEATURES = np.random.default_rng(0).normal(size=(41, 5))


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2", "<i8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [slice(None), slice(0, 0), slice(7, 30), slice(40, 99)])
def test_the_numbers_are_those_of_numpy(tmp_path: Path, dtype: str, order: str, rows: slice) -> None:
    values = np.asarray(FEATURES, dtype, order=order)  # type: ignore[call-overload]
    np.savez(tmp_path / "a.npz", logits=np.zeros((3, 3), "f4"), features=values, last=np.ones(2))
    mapped = mapped_array(tmp_path / "a.npz", "features", rows)
    assert mapped is not None
    assert isinstance(mapped, np.memmap) or not len(mapped)
    assert (mapped.dtype, mapped.flags.writeable) == (values.dtype, False)
    np.testing.assert_array_equal(mapped, values[rows])
    held = held_array(mapped)
    assert (held.flags.carray, type(held), held.dtype.isnative) == (True, np.ndarray, True)
    np.testing.assert_array_equal(held, values[rows])


@pytest.mark.parametrize("shape", [(4,), (3, 2, 2), (0, 5)])
def test_any_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.ones(shape, "f4")
    np.savez(tmp_path / "a.npz", values)
    mapped = mapped_array(tmp_path / "a.npz", "arr_0")
    assert mapped is not None
    np.testing.assert_array_equal(mapped, values)


def test_savez_does_not_align_and_what_is_held_is_aligned(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", logits=np.zeros((7, 3), "f4"), features=FEATURES.astype("f4"))
    mapped = mapped_array(tmp_path / "a.npz", "features")
    assert mapped is not None
    assert not mapped.flags.aligned  # else what follows shows nothing
    held = held_array(mapped[3:9], np.dtype("f8"))
    assert (held.dtype, held.flags.aligned) == (np.float64, True)
    assert torch.from_numpy(held).tolist() == FEATURES[3:9].astype("f4").tolist()


def test_a_compressed_array_is_not_mapped(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", features=FEATURES)
    assert mapped_array(tmp_path / "a.npz", "features") is None


def test_an_archive_of_members_without_a_suffix_with_a_long_extra_field(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", FEATURES)
    member = zipfile.ZipInfo("features")
    member.extra = b"\xfe\xca" + (9).to_bytes(2, "little") + bytes(9)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("before.txt", "\x93NUMPY")
        archive.writestr(member, (tmp_path / "a.npy").read_bytes())
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr(member, (tmp_path / "a.npy").read_bytes())
    with pytest.raises(DataError, match=r"a.npz: is damaged, or not what its name says"):
        mapped_array(tmp_path / "a.npz", "features")
    mapped = mapped_array(tmp_path / "b.npz", "features")
    assert mapped is not None
    np.testing.assert_array_equal(mapped, FEATURES)


def test_what_cannot_be_mapped(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=FEATURES, objects=np.array([{}]))
    np.save(tmp_path / "one.npy", FEATURES)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[:-100])
    for path, name, message in [
        (tmp_path / "none.npz", "features", "no such file"),
        (tmp_path / "a.npz", "x", r"has no x \(it holds features, objects\)"),
        (tmp_path / "a.npz", "objects", "objects holds Python objects, which are never unpickled; save arrays of num"),
        (tmp_path / "one.npy", "features", r"holds one bare array; save several by name, np.savez\(path, features=…\)"),
        (tmp_path / "cut.npz", "features", "is damaged, or not what its name says"),
    ]:
        with pytest.raises(DataError, match=message) as refused:
            mapped_array(path, name)
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(str(path))


def test_one_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path, large = tmp_path / "a.npz", np.tile(FEATURES, (100, 1))  # a small one is checked where its header is read
    np.savez(path, logits=np.ones(3), features=large)
    check_stored(path, "features")
    data = bytearray(path.read_bytes())
    data[data.index(large.tobytes()) + 80_001] ^= 1
    path.write_bytes(data)
    check_stored(path, "logits")
    assert mapped_array(path, "features") is not None
    with pytest.raises(DataError, match=r"a.npz: is damaged, or not what its name says: Bad CRC-32"):
        check_stored(path, "features")
