"""What is no regular file is told without being opened: a pipe that nobody writes to would never answer."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from fbench.errors import DataError, UsageError
from fbench.harness.inputs import hint_for, refusal_of
from fbench.harness.registry import load_file
from fbench.learning.mask_files import load_masks
from fbench.pick.pool_files import read_labelled, read_pool

SAVE = "not a file; save what comes out of it, and give that file"


@pytest.fixture
def special(tmp_path):
    """A pipe, a device, a socket and a folder under names that end as asked for."""
    with tempfile.TemporaryDirectory() as short:  # a socket's path has about a hundred letters

        def make(kind, end):
            path = tmp_path / f"{kind}{end}"
            if kind == "pipe":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            elif kind == "device":
                path.symlink_to("/dev/null")
            else:
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(f"{short}/s")
                path.symlink_to(f"{short}/s")
            return path

        yield make


KINDS = [("pipe", SAVE), ("device", SAVE), ("socket", SAVE), ("folder", "a folder, not a file")]


@pytest.mark.parametrize(("kind", "reason"), KINDS)
@pytest.mark.parametrize(
    ("read", "end"), [(read_pool, ".npz"), (read_labelled, ".npy"), (read_labelled, ".csv"), (load_file, ".py")]
)
def test_inputs_that_are_no_files(special, read, end, kind, reason):
    path = special(kind, end)
    with pytest.raises(UsageError, match=f"{path}: .*{reason}"):
        read(path)


@pytest.mark.parametrize(("kind", "reason"), KINDS[:3])
def test_masks_that_are_no_files(special, kind, reason):
    with pytest.raises(DataError, match=reason):
        load_masks(special(kind, ".csv"))


def test_what_is_read_and_what_is_not_there(tmp_path):
    (tmp_path / "a.csv").write_text("1")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    assert refusal_of(tmp_path / "a.csv") == refusal_of(tmp_path / "link.csv") == ""
    assert refusal_of(tmp_path / ("x" * 300)) == "cannot be read: File name too long"
    assert refusal_of(Path("a\0b")) == "cannot be read: embedded null byte"


def test_a_path_that_is_not_there_is_found_again(tmp_path):
    (tmp_path / "features.npz").write_text("1")
    assert hint_for(tmp_path / "features.npz") == hint_for(Path("a\0b")) == hint_for(tmp_path / ("x" * 300)) == ""
    assert hint_for(tmp_path / "feature.npz") == "; did you mean features.npz?"
    assert hint_for(tmp_path / "other.csv") == f"; give one that is in {tmp_path}"
    assert hint_for(tmp_path / "no" / "a.csv") == f"; there is no folder {tmp_path / 'no'} either"
    with pytest.raises(DataError, match=r"feature.npz: no such file; did you mean features.npz\?"):
        read_pool(tmp_path / "feature.npz")
    with pytest.raises(UsageError, match=r"--load .*feature.npz: no such file; did you mean features.npz\?"):
        load_file(tmp_path / "feature.npz")
