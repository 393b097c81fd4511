"""Rows to CSV and back: exactly, or an error that names the line."""

from __future__ import annotations

import csv
import math
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import FolderError
from fbench.harness.contract import Column
from fbench.results import table

COLUMNS = (
    Column("case", "str", "", "point"),
    Column("count", "int", "", "how many"),
    Column("time_s", "float", "s", "how long"),
    Column("kept", "bool", "", "whether"),
    Column("status", "str", "", "ok or not"),
    Column("reason", "str", "", "why not"),
)


FULL = {"case": "a", "count": 3, "time_s": 0.1, "kept": True, "status": "ok", "reason": ""}

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)
missing = st.none()
rows = st.fixed_dictionaries(
    {
        "case": missing | text.filter(bool),
        "count": missing | st.integers(),
        "time_s": missing | st.floats(allow_nan=False),
        "kept": missing | st.booleans(),
        "status": missing | st.sampled_from(["ok", "oom", "failed", "skipped"]),
        "reason": text,
    }
)


@pytest.fixture
def write(tmp_path):
    def put(content):
        (tmp_path / "results.csv").write_bytes(content.encode())
        return tmp_path / "results.csv"

    return put


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("table") / "results.csv"


@given(st.lists(rows, max_size=5))
def test_what_is_written_is_read(file, many):
    content = table.header(COLUMNS) + table.lines(COLUMNS, many)
    file.write_bytes(content.encode())
    again = table.read(file, COLUMNS)
    assert again == many
    assert [[type(v) for v in row.values()] for row in again] == [[type(row[k]) for k in again[0]] for row in many]
    assert table.header(COLUMNS) + table.lines(COLUMNS, again) == content


@given(st.floats(allow_nan=False))
def test_floats_come_back_to_the_bit(file, value):
    file.write_text(table.header(COLUMNS) + table.lines(COLUMNS, [{"time_s": value}]))
    [row] = table.read(file, COLUMNS)
    assert (row["time_s"], math.copysign(1, row["time_s"])) == (value, math.copysign(1, value))


@pytest.mark.parametrize(
    "reason",
    ["a,b", 'she said "no"', "two\nlines", ' "', ",", "\n", "λ ≥ 0 – µ", "'", string.punctuation, "; rm", "\ttab"],
)
def test_awkward_reasons(write, reason):
    path = write(table.header(COLUMNS) + table.lines(COLUMNS, [{**FULL, "reason": reason}, FULL]))
    assert [row["reason"] for row in table.read(path, COLUMNS)] == [reason, ""]
    with path.open(newline="") as raw:  # and so does anybody else's reader
        assert [row["reason"] for row in csv.DictReader(raw)] == [reason, ""]


def test_a_carriage_return_in_a_reason(write):
    path = write(table.header(COLUMNS) + table.lines(COLUMNS, [{**FULL, "reason": "50 %\rdone"}]))
    assert [row["reason"] for row in table.read(path, COLUMNS)] == ["50 %\rdone"]


def test_text_of_a_row():
    assert table.header(COLUMNS) == "case,count,time_s,kept,status,reason\n"
    assert table.lines(COLUMNS, [FULL, {**FULL, "kept": False, "time_s": 1}]) == (
        "a,3,0.1,true,ok,\na,3,1.0,false,ok,\n"
    )


def test_missing_is_empty_and_never_0(write):
    content = table.lines(COLUMNS, [{"case": "a"}, dict.fromkeys(FULL)])
    assert content == "a,,,,,\n,,,,,\n"
    empty = {"case": None, "count": None, "time_s": None, "kept": None, "status": None, "reason": ""}
    assert table.read(write(table.header(COLUMNS) + content), COLUMNS) == [{**empty, "case": "a"}, empty]


def test_a_true_0_is_0():
    zeros = {**FULL, "count": 0, "time_s": 0.0, "kept": False}
    assert table.lines(COLUMNS, [zeros]) == "a,0,0.0,false,ok,\n"


@pytest.mark.parametrize(
    "nan",
    [
        math.nan,
        -math.nan,
        np.float64("nan"),
        pytest.param(np.float32("nan")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["count", "time_s", "kept"])
def test_nan_is_empty(nan, name):
    assert "nan" not in table.lines(COLUMNS, [{**FULL, name: nan}])
    assert table.lines(COLUMNS, [{**FULL, name: nan}]) == table.lines(COLUMNS, [{**FULL, name: None}])


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_a_number(write, value):
    path = write(table.header(COLUMNS) + table.lines(COLUMNS, [{**FULL, "time_s": value}]))
    assert table.read(path, COLUMNS)[0]["time_s"] == value


def test_numpy_values_are_written_as_numbers():
    row = {**FULL, "count": np.int64(3), "time_s": np.float64(0.1), "kept": np.bool_(True)}
    assert table.lines(COLUMNS, [row]) == table.lines(COLUMNS, [FULL])


def test_an_undeclared_column_is_our_own_fault():
    with pytest.raises(KeyError, match=r"columns \['extra', 'more'\] are not declared; declared are \['case'"):
        table.lines(COLUMNS, [{**FULL, "more": 1, "extra": 2}])


GOOD = table.header(COLUMNS) + table.lines(COLUMNS, [FULL, FULL])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a,3,", "a,three,"),
        ("a,3,", "a,3.5,"),
        ("0.1", "0.1s"),
        pytest.param(*("true", "yes")),
        pytest.param(*("true", "True")),
        ("a,3,0.1,true,ok,\n", "a,3\n"),
        pytest.param(*("a,3,0.1,true,ok,\n", "a,3,0.1,true\n")),
        pytest.param(*("a,3,0.1,true,ok,\n", "a,3,0.1,true,ok,,7\n")),
    ],
)
def test_an_edited_cell_is_named_by_its_line(write, old, new):
    path = write(new.join(GOOD.rsplit(old, 1)))
    with pytest.raises(FolderError, match=r"results\.csv, line 3: .*; was it edited\?"):
        table.read(path, COLUMNS)


@pytest.mark.parametrize(
    "content", ["", "\n", "case,count\n", GOOD.replace("time_s", "time_ms"), GOOD.split("\n", 1)[1]]
)
def test_another_header(write, content):
    with pytest.raises(FolderError, match=r"results\.csv: its columns are not those of this suite \(case, count, "):
        table.read(write(content), COLUMNS)


@pytest.mark.parametrize("at", [0, len(GOOD)])
def test_a_file_that_is_no_text(tmp_path, at):
    path = tmp_path / "results.csv"
    path.write_bytes(GOOD[:at].encode() + b"\xff\xfe\n" + GOOD[at:].encode())
    with pytest.raises(FolderError, match=r"results\.csv"):
        table.read(path, COLUMNS)


def test_a_very_long_reason(write):
    long = {**FULL, "reason": "x" * 200_000}
    path = write(table.header(COLUMNS) + table.lines(COLUMNS, [long]))
    assert table.read(path, COLUMNS) == [long]


def test_no_rows(write):
    assert table.lines(COLUMNS, []) == ""
    assert table.read(write(table.header(COLUMNS)), COLUMNS) == []


def test_a_table_of_an_earlier_version_is_read_when_that_is_asked(tmp_path):
    data = b"case,time_s,status\na,0.5,ok\n"
    with pytest.raises(FolderError, match=r"its columns are not those of this suite"):
        table.parse(data, COLUMNS, tmp_path)
    assert table.parse(data, COLUMNS, tmp_path, earlier=True) == [
        {"case": "a", "count": None, "time_s": 0.5, "kept": None, "status": "ok", "reason": None}
    ]


@pytest.mark.parametrize("header", ["", "case,colour", "time_s,case"])
def test_other_columns_are_of_no_earlier_version(header, tmp_path):
    with pytest.raises(FolderError, match=r"its columns are not those of this suite"):
        table.parse(f"{header}\n".encode(), COLUMNS, tmp_path, earlier=True)
