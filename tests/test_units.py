import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench import units
from fbench.errors import UsageError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (5e-10, "0.5 ns"),
        (12e-9, "12 ns"),
        (3.456e-6, "3.46 µs"),
        (0.0045, "4.5 ms"),
        (0.9996, "1 s"),
        (0.00099996, "1 ms"),
        (1.234, "1.23 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (123, "2 min 03 s"),
        (3599.7, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (100 * 3600, "100 h 00 min"),
        (-0.0045, "-4.5 ms"),
        (math.inf, "inf s"),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_seconds_to_three_digits(seconds, text):
    assert units.format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (2**20 - 1, "1 MiB"),
        (1000 * 2**20, "1000 MiB"),
        (2**30, "1 GiB"),
        (150_323_855_360, "140 GiB"),
        (-(2**20), "-1 MiB"),
        (2**40, "1 TiB"),
        (2**60, "1024 PiB"),
        (math.inf, "inf PiB"),
        (None, ""),
        (math.nan, ""),
    ],
)
def test_bytes_in_powers_of_1024(size, text):
    assert units.format_bytes(size) == text


@given(st.integers(0, 2**62))
def test_bytes_are_never_called_by_a_decimal_unit(size):
    assert not re.search(r"\d [KMGTP]B", units.format_bytes(size))


@given(st.integers(1, 2**49))
def test_printed_bytes_read_back_within_their_digits(size):
    assert units.parse_bytes(units.format_bytes(size)) == pytest.approx(size, rel=0.0051)


@given(st.floats(1e-9, 59.9))
def test_printed_seconds_keep_three_digits(seconds):
    number, unit = units.format_seconds(seconds).split()
    scale = {"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}[unit]
    assert float(number) * scale == pytest.approx(seconds, rel=0.0051)
    assert 1 <= float(number) < 1000


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 * 2**30),
        ("8 GiB", 8 * 2**30),
        (" 8gib ", 8 * 2**30),
        ("512MiB", 512 * 2**20),
        ("1.5G", 3 * 2**29),
        ("1.5GB", 1_500_000_000),
        ("4k", 4096),
        ("4kB", 4000),
        ("2T", 2**41),
        ("100", 100),
        ("100B", 100),
        ("1.9", 1),
        ("0.1KiB", 102),
    ],
)
def test_sizes_read(text, size):
    assert units.parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "8 giga", "1e9", "8Gi", "8GiBB", "٨GiB", "1,5G", "1.G", "8\nG"])
def test_no_size(text):
    with pytest.raises(UsageError, match=r"is not a size; write a number and a unit: 8GiB .* 8GB .* plain bytes"):
        units.parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "0.5", "0GiB", "0.0001K", "8388608TiB", "9" * 5000])
def test_size_out_of_range(text):
    with pytest.raises(UsageError, match=r"is out of range; write a size from 1 byte to under 8 EiB, as 8GiB"):
        units.parse_bytes(text)


def test_counts_have_thousands():
    assert units.format_count(701_456) == "701,456"
    assert units.format_count(None) == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (7.9e14, "FLOP/s", "790 TFLOP/s"),
        (999_999, "FLOP", "1 MFLOP"),
        (-50_000, "", "-50 k"),
        (12, "", "12"),
        (0, "FLOP", "0 FLOP"),
        (3e15, "FLOP", "3 PFLOP"),
        (None, "FLOP", ""),
    ],
)
def test_si(value, unit, text):
    assert units.format_si(value, unit) == text


@pytest.mark.parametrize(
    ("share", "signed", "text"),
    [
        (0.002, False, "0.2 %"),
        (1, False, "100 %"),
        (0.031, True, "+3.1 %"),
        (-0.031, True, "-3.1 %"),
        (0, True, "0 %"),
        (0.12345, False, "12.3 %"),
        (None, False, ""),
        (math.nan, True, ""),
    ],
)
def test_percent(share, signed, text):
    assert units.format_percent(share, signed=signed) == text
