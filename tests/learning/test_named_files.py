"""Tables of other programs: how they are named, read, pinned and refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fbench.errors import DataError, UsageError
from fbench.learning.named_files import FileRow, file_rows, names_in_run, parse_named_files, pin_files, whole_cell


def test_files_are_typed_as_a_list() -> None:
    parse = parse_named_files("--replay")
    assert parse("") == ()
    assert parse("a.csv,mine=b c.csv") == ("a.csv", "mine=b c.csv")
    with pytest.raises(UsageError, match=r"--replay mine=: names no file; write NAME=FILE\.csv"):
        parse("mine=")


def test_a_pinned_file_is_the_one_that_was_pinned(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("seed,labels\n0,20\n")
    texts = [str(path), f"mine={path}"]
    pinned = pin_files("--curves", texts)
    assert [text.partition("#sha256-")[0] for text in pinned] == texts
    assert pin_files("--curves", pinned) == pinned
    assert file_rows("--curves", pinned[1], ["seed"]) == [FileRow(2, {"seed": "0", "labels": "20"})]
    path.write_text("seed,labels\n1,20\n")
    for read in (lambda: pin_files("--curves", pinned), lambda: file_rows("--curves", pinned[0], ["seed"])):
        with pytest.raises(DataError, match="the file is not the one that the run began with; put that back"):
            read()


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("seed\n0\n")

    def refuse(*words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"rows.csv: cannot be read: Permission denied; give a .csv"):
        pin_files("--replay", [str(path)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "no such file; give a .csv"),
        (b"", "has no column seed; it needs seed, labels, and has none"),
        (b"seed,x\n1,2\n", "has no column labels; it needs seed, labels, and has seed, x"),
        (b"seed,labels\n", "has no rows below its header"),
        (b"seed,labels\n\xff\xfe,1\n", "is no table of comma-separated values"),
        (b'seed,labels\n"1,2\n', "is no table of comma-separated values"),
    ],
)
def test_what_is_no_table(tmp_path: Path, data: bytes | None, text: str) -> None:
    path = tmp_path / "rows.csv"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DataError, match=text) as caught:
        file_rows("--curves", str(path), ["seed", "labels"])
    assert str(caught.value).startswith(f"--curves {path}: ")


def test_one_of_two_columns_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("\ufeffseed,id\r\n1,a\r\n")
    assert file_rows("--replay", str(path), ["seed"], either=("index", "id"))[0].cells == {"seed": "1", "id": "a"}
    path.write_text("seed\n1\n")
    with pytest.raises(DataError, match="has no column index or id"):
        file_rows("--replay", str(path), ["seed"], either=("index", "id"))


@pytest.mark.parametrize("text", ["", "1.0", "-1", "x", "²", "9" * 20])
def test_whole_numbers(text: str) -> None:
    with pytest.raises(
        DataError, match=r"--replay p, line 3: seed '.*' is no whole number from 0 on; write one in digits"
    ):
        whole_cell("--replay p", FileRow(3, {"seed": text}), "seed")


def test_names_in_a_run() -> None:
    assert names_in_run("--replay", "p.csv", ["theirs", "other"]) == {"theirs": "theirs", "other": "other"}
    assert names_in_run("--replay", "mine=p.csv", ["bait"]) == {"bait": "mine"}
    assert names_in_run("--replay", "mine=p.csv", ["bait", "bait+fish@9"]) == {
        "bait": "mine:bait",
        "bait+fish@9": "mine:bait+fish@9",
    }


@pytest.mark.parametrize("name", ["bait", "bait+fish@328", "bait+fish@0"])
def test_a_name_of_fbench_is_not_taken(name: str) -> None:
    with pytest.raises(DataError, match=r"is a strategy of fbench, .*; call it otherwise by --replay mine=p.csv"):
        names_in_run("--replay", "p.csv", [name])


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a>b", "x" * 65])
def test_a_name_can_be_typed(name: str) -> None:
    with pytest.raises(DataError, match=r"must be of 1 to 64 letters, .*; rename it there, or by --replay NAME=p.csv"):
        names_in_run("--replay", "p.csv", [name])
