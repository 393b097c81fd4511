"""Files appear whole or not at all, and take nobody's place unless that was asked for."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fbench.harness.disk import sync_folder
from fbench.harness.publish import publish, publish_as_free


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def no_links(*_, **__):
    raise OSError(errno.EPERM, "no hard links here")


@pytest.fixture(params=["links", "no links"])
def either(request, monkeypatch):
    """A file system with hard links, and one without."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)


def test_a_new_file_is_whole_alone_and_of_ordinary_rights(either, tmp_path):
    publish(tmp_path / "a.txt", "é\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\r\n".encode()
    assert names_in(tmp_path) == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_what_has_the_name_stays(either, tmp_path):
    publish(tmp_path / "a.txt", b"first")
    with pytest.raises(FileExistsError):
        publish(tmp_path / "a.txt", b"second")
    assert (tmp_path / "a.txt").read_bytes() == b"first"
    assert names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("target", ["there.txt", "nowhere.txt"])
def test_a_symbolic_link_is_in_the_way_or_replaced_and_never_followed(either, tmp_path, target):
    (tmp_path / "there.txt").write_text("the user's")
    (tmp_path / "a.txt").symlink_to(tmp_path / target)
    with pytest.raises(FileExistsError):
        publish(tmp_path / "a.txt", "ours")
    publish(tmp_path / "a.txt", "ours", replace=True)
    assert not (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "ours"
    assert (tmp_path / "there.txt").read_text() == "the user's"
    assert names_in(tmp_path) == ["a.txt", "there.txt"]


def test_of_many_at_once_one_gets_the_name(either, tmp_path):
    def attempt(number: int) -> bool:
        try:
            publish(tmp_path / "a.txt", str(number) * 1000)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        for turn in range(8):
            (tmp_path / "a.txt").unlink(missing_ok=True)
            won = list(pool.map(attempt, range(16)))
            assert won.count(True) == 1, f"turn {turn}"
            assert (tmp_path / "a.txt").read_text() == str(won.index(True)) * 1000
    assert names_in(tmp_path) == ["a.txt"]


def test_all_of_many_keep_theirs_under_free_names(either, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda number: publish_as_free(tmp_path / "a.b.csv", str(number)), range(8)))
    assert sorted(path.read_text() for path in paths) == [str(number) for number in range(8)]
    assert names_in(tmp_path) == sorted(["a.b.csv", *(f"a.b-{number}.csv" for number in range(2, 9))])


@pytest.mark.parametrize("replace", [False, True])
def test_a_full_disk_changes_nothing(tmp_path, monkeypatch, replace):
    (tmp_path / "a.txt").write_text("old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for name in ("a.txt", "b.txt"):
        with pytest.raises(OSError, match="No space"):
            publish(tmp_path / name, "new", replace=replace)
    assert names_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_file_and_folder_reach_the_disk_before_and_after_the_name(tmp_path, monkeypatch):
    flushed, sync = [], os.fsync

    def watch(descriptor):
        flushed.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), (tmp_path / "a.txt").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    publish(tmp_path / "a.txt", "x")
    assert flushed == [(False, False), (True, True)]


def test_a_folder_that_cannot_be_flushed_is_no_fault_but_a_bad_disk_is(tmp_path, monkeypatch):
    def refuse(number):
        def sync(descriptor):
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                raise OSError(number, os.strerror(number))

        return sync

    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)


def test_a_folder_in_the_way_is_not_replaced(either, tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(FileExistsError):
        publish(tmp_path / "a", "x")
    with pytest.raises(IsADirectoryError):
        publish(tmp_path / "a", "x", replace=True)
    assert names_in(tmp_path) == ["a"]
