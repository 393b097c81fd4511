"""Headers are read before bytes: what would not fit, or is not there, is told from a few hundred bytes."""

import io
import zipfile

import numpy as np
import pytest

from fbench import array_headers
from fbench.array_headers import read_headers
from fbench.errors import DataError, TooLargeError
from fbench.pick.pool_files import read_labelled, read_pool

LOGITS, FEATURES = np.zeros((1000, 3), "f4"), np.ones((1000, 2), "f4")


@pytest.fixture
def free(monkeypatch):
    """Says how many bytes of memory are free."""

    def set_free(size):
        monkeypatch.setattr(array_headers, "free_bytes", lambda: size)

    return set_free


@pytest.fixture
def unread(monkeypatch):
    """Whoever reads an array fails."""
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("bytes were read"))


def header(shape, dtype="<f4"):
    """A .npy's header, for an array that need not exist."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(path, **members):
    """A compressed .npz of these bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def test_headers_say_what_numpy_reads(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", logits=LOGITS, turned=np.asfortranarray(FEATURES))
    headers = read_headers(tmp_path / "a.npz")
    assert (headers["logits"].shape, headers["logits"].dtype) == ((1000, 3), np.float32)
    assert headers["logits"].bytes == headers["logits"].present == LOGITS.nbytes
    assert headers["logits"].bytes_as(np.dtype("f4")) == LOGITS.nbytes
    assert headers["turned"].bytes_as(np.dtype("f4")) == 2 * FEATURES.nbytes
    np.save(tmp_path / "a.npy", LOGITS)
    assert read_headers(tmp_path / "a.npy") == headers["logits"]
    (tmp_path / "a.txt").write_text("1 2 3")
    assert read_headers(tmp_path / "a.txt") is None


def test_what_fits_is_read_and_what_does_not_is_refused_unread(tmp_path, free, request):
    np.savez(tmp_path / "a.npz", logits=LOGITS.astype("f2"), features=FEATURES)
    needed = LOGITS.nbytes * 3 // 2 + FEATURES.nbytes  # float16 is widened: both are there for a moment
    free(needed)
    assert read_pool(tmp_path / "a.npz").n == 1000
    free(needed - 1)
    request.getfixturevalue("unread")
    with pytest.raises(
        TooLargeError,
        match=r"a.npz: logits \[1000, 3\] of float16, features \[1000, 2\] of float32 would take 25.4 KiB in memory, "
        r"and 25.4 KiB are free; save fewer candidates",
    ):
        read_pool(tmp_path / "a.npz")


def test_a_small_file_that_unpacks_to_more_than_is_free(tmp_path, free, unread):
    big = header((1000, 25_000)) + bytes(10**8)
    path = zipped(tmp_path / "zeros.npz", logits=big, features=big)
    assert path.stat().st_size < 10**6
    free(10**8)
    with pytest.raises(TooLargeError, match=r"would take 191 MiB in memory, and 95.4 MiB are free"):
        read_pool(path)


def test_labelled_that_do_not_fit(tmp_path, free, unread):
    np.save(tmp_path / "a.npy", np.arange(1000))
    np.savez(tmp_path / "b.npz", np.arange(1000))
    free(7999)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(TooLargeError, match=r"would take 7.81 KiB in memory, and 7.81 KiB are free"):
            read_labelled(tmp_path / name)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header((10**9, 10**9)) + b"12", "logits is cut or damaged: by its header it has 3553 PiB, and 2 B are there"),
        (header((10**30, 2)), "logits is cut or damaged"),
        (header((-1, -2)) + bytes(99), r"logits is damaged: its header has the shape \[-1, -2\]"),
        (header((3, 2))[:20], "is damaged, or not what its name says"),
        (b"\x93NUMPY\x09\x00" + bytes(99), "is damaged, or not what its name says|of .npy version 9"),
        (b"words", "is damaged, or not what its name says"),
        (header((2, 2), "|O") + bytes(99), "logits holds Python objects, which are never unpickled"),
        (header((2, 2), "<U4") + bytes(99), "logits has shape .* it must have 2 axes"),
    ],
)
def test_headers_that_lie(tmp_path, unread, data, message):
    with pytest.raises(DataError, match=message) as refused:
        read_pool(zipped(tmp_path / "a.npz", logits=data, features=header((3, 2)) + bytes(24)))
    assert "\n" not in str(refused.value)


def test_an_encrypted_member_and_an_unknown_compression(tmp_path):
    np.savez(tmp_path / "a.npz", logits=LOGITS, features=FEATURES)
    whole = (tmp_path / "a.npz").read_bytes()
    central = whole.index(b"PK\x01\x02")
    for offset, value, reason in [(8, 1, "password"), (10, 77, "compression")]:
        changed = bytearray(whole)
        changed[central + offset] = value
        (tmp_path / "b.npz").write_bytes(changed)
        with pytest.raises(DataError, match=f"b.npz: is damaged, or not what its name says: .*{reason}"):
            read_pool(tmp_path / "b.npz")
