"""A user's arrays: what is read, what is refused and in which words, and that the output is whole or not at all."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest

from fbench.errors import DataError, FolderError, InputError, TooLargeError
from fbench.pick.pool_files import check_out, positions_of, read_labelled, read_pool, write_picks

LOGITS, FEATURES = np.zeros((5, 3), "f4"), np.ones((5, 2), "f4")


@pytest.fixture
def saved(tmp_path):
    """Saves arrays as a .npz; gives its path."""

    def save(**arrays):
        np.savez(tmp_path / "pool.npz", **arrays)
        return tmp_path / "pool.npz"

    return save


def test_logits_and_features(saved):
    pool = read_pool(saved(logits=LOGITS, features=FEATURES, other=np.ones(3)))
    assert list(pool.arrays) == ["logits", "features"]
    assert (pool.n, pool.labelled, pool.notes) == (5, None, ())
    np.testing.assert_array_equal(pool.arrays["features"], FEATURES)


def test_an_embedding_and_what_is_labelled(saved):
    pool = read_pool(saved(embedding=np.ones((4, 2, 3)), labelled=[1, 2]))
    assert pool.arrays["embedding"].dtype == np.float64
    assert (pool.n, pool.labelled.tolist()) == (4, [1, 2])


def test_float16_is_widened_and_said(saved):
    pool = read_pool(saved(logits=LOGITS.astype("f2"), features=FEATURES))
    assert pool.arrays["logits"].dtype == np.float32
    assert pool.notes == ("logits are float16 and were read as float32",)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8"])
def test_any_byte_order_and_memory_order(saved, order, dtype):
    logits = np.asarray(np.arange(15).reshape(5, 3), dtype, order=order)
    read = read_pool(saved(logits=logits, features=FEATURES)).arrays["logits"]
    assert read.flags.c_contiguous
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, logits)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": LOGITS}, r"has no logits and no features \(it holds x\); it must hold logits \[n, k\] and features"),
        ({"logits": LOGITS}, r"has no features \(it holds logits\)"),
        ({}, r"has no logits and no features \(it holds nothing\)"),
        (
            {"logits": LOGITS, "features": FEATURES[0]},
            r"features has shape \[2\] and dtype float32; .* 2 axes",
        ),
        (
            {"logits": LOGITS.astype(int), "features": FEATURES},
            "logits has .* dtype int64; .* float16, float32",
        ),
        ({"logits": LOGITS.astype("c8"), "features": FEATURES}, "logits has .* dtype complex64"),
        ({"embedding": FEATURES}, r"embedding has shape \[5, 2\] .*; it must have 3 axes"),
        ({"logits": np.array([{}]), "features": FEATURES}, "holds Python objects, which are never unpickled"),
    ],
)
def test_arrays_that_cannot_be(saved, arrays, message):
    path = saved(**arrays)
    with pytest.raises(DataError, match=f"{path}: .*{message}"):
        read_pool(path)


def test_files_that_are_none(tmp_path):
    def made(name, data):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    np.save(tmp_path / "one.npy", LOGITS)
    np.savez(tmp_path / "good.npz", logits=LOGITS, features=FEATURES)
    whole = (tmp_path / "good.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as file:
        file.writestr("logits.npy", "words")
        file.writestr("features.npy", "words")
    for path, message in [
        (tmp_path / "none.npz", "no such file"),
        (tmp_path, "a folder, not a file"),
        (tmp_path / "one.npy", r"holds one bare array; save several by name, np.savez"),
        (made("pickle.npz", pickle.dumps({"a": 1})), "is no .npz or .npy of numbers, or holds Python objects"),
        (made("csv.npz", b"a,b\n1,2\n"), "is no .npz or .npy of numbers"),
        (made("empty.npz", b""), "is no .npz or .npy of numbers"),
        (made("cut.npz", whole[: len(whole) // 2]), "is damaged, or not what its name says"),
        (tmp_path / "text.npz", "has no|is damaged, or not what its name says|must have"),
    ]:
        with pytest.raises(DataError, match=message) as refused:
            read_pool(path)
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith(str(path))


def test_a_file_that_may_not_be_read(saved, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", refused)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        read_pool(saved(logits=LOGITS, features=FEATURES))


def test_arrays_that_do_not_fit(saved, monkeypatch):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 3 TiB")

    monkeypatch.setattr(np, "load", full)
    with pytest.raises(TooLargeError, match="does not fit into memory: Unable to allocate 3 TiB"):
        read_pool(saved(logits=LOGITS, features=FEATURES))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "3\n0\n7\n"),
        ("a.csv", "3,0,7\n"),
        ("a.csv", "\ufeff3\n0\n7"),
        ("a.csv", "index\n3\n0\n7\n"),
        ("a.csv", "index\n3\n0\n\n7\n"),
        ("a.csv", "position,index,score,gap\n0,3,0.5,inf\n1,0,0.25,0.1\n2,7,0.1,0.1\n"),
        ("a.txt", "3 0\n7\n"),
        ("a.txt", "3.000000000000000000e+00\n0.0\n7\n"),
    ],
)
def test_positions_as_text(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labelled(tmp_path / name).tolist() == [3, 0, 7]


def test_no_positions_as_text(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert positions_of(read_labelled(tmp_path / "a.txt"), 5, "a").tolist() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3\nx\n", "a.csv, line 2: 'x' is no position in the pool, a whole number"),
        ("3\n1.5\n", "a.csv, line 2: '1.5' is no position"),
        ("3\nnan\n", "a.csv, line 2: 'nan' is no position"),
        ("index\n\n3\ninf\n", "a.csv, line 4: 'inf' is no position"),
        ("a,b\n3,4\n", "a.csv: its header is 'a, b'; name the column of positions index"),
        ("\0\0", r"a.csv: its header is '\\x00\\x00'; name"),
        ("3\n9223372036854775807\n", "a.csv, line 2: '9223372036854775807' is no position"),
        ("3\n1e400\n", "a.csv, line 2: '1e400' is no position"),
        ("3\n" + "9" * 310, r"a.csv, line 2: '9{40}… \(310 letters\)' is no position"),
        ("3\n1_000\n", "a.csv, line 2: '1_000' is no position"),
        ("3\n٣\n", "a.csv, line 2: '٣' is no position"),
    ],
)
def test_texts_that_are_no_positions(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_labelled(tmp_path / "a.csv")


def test_positions_as_arrays(tmp_path):
    np.save(tmp_path / "a.npy", [3, 0, 7])
    np.savez(tmp_path / "one.npz", mine=[3, 0, 7])
    np.savez(tmp_path / "named.npz", mine=[1], labelled=[3, 0, 7])
    for name in ("a.npy", "one.npz", "named.npz"):
        assert read_labelled(tmp_path / name).tolist() == [3, 0, 7]
    np.savez(tmp_path / "two.npz", mine=[1], yours=[2])
    with pytest.raises(DataError, match=r"two.npz: holds mine, yours; name one array labelled"):
        read_labelled(tmp_path / "two.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.json", "a.json: must end in .npy, .npz, .csv or .txt"), ("a.csv", "a.csv: no such file")],
)
def test_labelled_files_that_are_none(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        read_labelled(tmp_path / name)


def test_a_mask_and_positions():
    assert positions_of(np.array([True, False, True]), 3, "it").tolist() == [0, 2]
    assert positions_of(np.array([2, 0], np.uint8), 3, "it").tolist() == [2, 0]
    assert positions_of(np.array([]), 3, "it").tolist() == []


@pytest.mark.parametrize(
    ("labelled", "message"),
    [
        (np.array([True, False]), r"it: a mask of shape \[2\]; it must be \[3\], the pool's candidates"),
        (np.array([[1, 2]]), r"it: has shape \[1, 2\] and dtype int64; it must be whole numbers"),
        (np.array([1.0]), r"it: has shape \[1\] and dtype float64; it must be whole numbers"),
        (np.array(["a"]), r"it: has shape \[1\] and dtype <U1; it must be whole numbers"),
        (np.array(3), r"it: has shape \[\] and dtype int64"),
        (np.array([0, 2**63 - 1]), "it: labelled index 9223372036854775807 is outside the pool: must be from 0 to 2"),
        (np.array([2**64 - 1], np.uint64), "it: labelled index 18446744073709551615 is outside the pool"),
        (np.array([0, -1]), "it: labelled index -1 is outside the pool"),
        (np.array([2, 1, 2]), "it: labelled index 2 is given twice; each sample is labelled once"),
    ],
)
def test_what_is_neither(labelled, message):
    with pytest.raises(InputError, match=message):
        positions_of(labelled, 3, "it")


def test_an_out_that_can_be_written(tmp_path):
    check_out(tmp_path / "picks.csv", overwrite=False)
    (tmp_path / "picks.csv").write_text("old")
    check_out(tmp_path / "picks.csv", overwrite=True)
    row = {"position": 0, "index": 3, "score": 0.5, "gap": float("inf")}
    write_picks(tmp_path / "picks.csv", [row], overwrite=True)
    assert (tmp_path / "picks.csv").read_text() == "position,index,score,gap\n0,3,0.5,inf\n"
    assert [path.name for path in tmp_path.iterdir()] == ["picks.csv"]


def test_outs_that_cannot(tmp_path, monkeypatch):
    (tmp_path / "old.csv").write_text("mine")
    for path, message in [
        (tmp_path / "old.csv", "old.csv: exists; give another name, or --overwrite to replace it"),
        (tmp_path, "is not a file; give the name of a file"),
        (tmp_path / "none" / "a.csv", "there is no folder .*none; make it first"),
        (tmp_path / ("x" * 300), "cannot be written: File name too long"),
    ]:
        with pytest.raises(FolderError, match=f"^--out .*{message}"):
            check_out(path, overwrite=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(FolderError, match=r"the folder .* cannot be written; give another --out"):
        check_out(tmp_path / "a.csv", overwrite=False)
    assert (tmp_path / "old.csv").read_text() == "mine"


def test_a_disk_that_fills_leaves_the_old_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    (tmp_path / "picks.csv").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match=r"picks.csv: cannot be written: No space left on device"):
        write_picks(tmp_path / "picks.csv", [], overwrite=True)
    assert (tmp_path / "picks.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["picks.csv"]


def test_a_file_that_appears_meanwhile_stays_and_so_do_the_picks(tmp_path):
    for text in ("theirs", "theirs too"):
        (tmp_path / "picks.csv").write_text(text)
        with pytest.raises(FolderError, match=r"picks.csv: a file .* appeared meanwhile.*are in .*picks-\d.csv$"):
            write_picks(tmp_path / "picks.csv", [], overwrite=False)
        assert (tmp_path / "picks.csv").read_text() == text
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["picks-2.csv", "picks-3.csv", "picks.csv"]
    assert (tmp_path / "picks-3.csv").read_text() == "position,index,score,gap\n"


def test_a_link_is_in_the_way_and_not_followed(tmp_path):
    (tmp_path / "picks.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(FolderError, match=r"picks.csv: exists"):
        check_out(tmp_path / "picks.csv", overwrite=False)
    write_picks(tmp_path / "picks.csv", [], overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["picks.csv"]
    assert not (tmp_path / "picks.csv").is_symlink()
