import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import SweepError
from fbench.harness.sweep import MAX_VALUES, echo, parse_names, parse_sweep


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("64", (64,)),
        ("64..4096", (64, 128, 256, 512, 1024, 2048, 4096)),
        ("100..1000", (100, 200, 400, 800, 1000)),
        ("64..64", (64,)),
        ("1..3", (1, 2, 3)),
        ("64..256:+64", (64, 128, 192, 256)),
        ("64..250:+64", (64, 128, 192)),
        ("64..250:+1Ki", (64,)),
        ("10..100:x3", (10, 30, 90, 100)),
        ("10..90:x3", (10, 30, 90)),
        ("10..11:x1000", (10, 11)),
        ("2^3", (8,)),
        ("2**3", (8,)),
        ("2^0", (1,)),
        ("2^62", (2**62,)),
        ("2^3Ki", (8192,)),
        ("1Ki..4Ki", (1024, 2048, 4096)),
        ("3Mi", (3 * 2**20,)),
        ("2^6..2**8", (64, 128, 256)),
        ("5,3,3,1..4:+1", (1, 2, 3, 4, 5)),
        (" 5 , 3 ", (3, 5)),
        ("0064", (64,)),
        ("9223372036854775807", (2**63 - 1,)),
        ("1..1000:+1", tuple(range(1, 1001))),
        ("1..1000:+1,1..1000:+1", tuple(range(1, 1001))),
    ],
)
def test_expansions(text, values):
    assert parse_sweep(text) == values


MISSING = "a value is missing here"
BEGIN = "does not begin a value"
SUFFIX = r"unknown suffix .*; write Ki \(× 1,024\) or Mi"
SMALL = "is too small; a value is at least 1"
LARGE = r"is too large; a value must be less than 2\^63"
MANY = "more than 1,000 values in all; take a larger step"
STEP = r"a step is xF \(times F\) or \+S"
SPACE = "spaces may stand around commas only"
UNEXPECTED = r"unexpected .*; write N, A\.\.B, A\.\.B:xF or A\.\.B:\+S"
DIGITS = "is not one of the digits 0 to 9"

BAD = [
    ("", 0, MISSING),
    ("  ", 2, MISSING),
    (",", 0, MISSING),
    ("64,", 3, MISSING),
    (",64", 0, MISSING),
    ("64,,128", 3, MISSING),
    ("64, ,128", 4, MISSING),
    ("64..", 4, MISSING),
    ("64..128:x", 9, "a factor is missing here"),
    ("64..128:+", 9, "a step is missing here"),
    ("64..128:", 8, STEP),
    ("64..128:2", 8, STEP),
    ("64..128:X2", 8, STEP),
    ("64..128:*2", 8, STEP),
    ("64..128:-2", 8, STEP),
    ("0", 0, SMALL),
    ("8,0..4", 2, SMALL),
    ("0Ki", 0, SMALL),
    ("1..0", 3, SMALL),
    ("128..64", 0, r"the range runs down from 128 to 64; write 64\.\.128"),
    ("8,128..64:+2", 2, r"the range runs down from 128 to 64; write 64\.\.128"),
    ("1..8:x1", 6, "1 is too small; a factor is at least 2"),
    ("1..8:x0", 6, "0 is too small; a factor is at least 2"),
    ("1..8:+0", 6, "0 is too small; a step is at least 1"),
    ("-5", 0, BEGIN),
    ("+5", 0, BEGIN),
    ("abc", 0, BEGIN),
    ("Ki", 0, BEGIN),
    ("..64", 0, BEGIN),
    ("64...128", 4, BEGIN),
    ("1..8:x-2", 6, "does not begin a factor"),
    ("64K", 2, SUFFIX),
    ("64ki", 2, SUFFIX),
    ("64Gi", 2, SUFFIX),
    ("1e3", 1, SUFFIX),
    ("1x40", 1, SUFFIX),
    ("64KiB", 4, SUFFIX),
    ("1.5", 1, "a value is a whole number"),
    ("64..128..256", 7, "a value is a whole number"),
    ("2^", 1, r"only powers of two are written with \^"),
    ("3^2", 1, r"only powers of two are written with \^"),
    ("2^-1", 1, r"only powers of two are written with \^"),
    ("2^2^2", 3, r"only powers of two are written with \^"),
    ("3**2", 1, r"only powers of two are written with \*\*"),
    ("2*3", 1, r"only powers of two are written with \*\*"),
    ("64-128", 2, r"a range is written A\.\.B, not A-B"),
    ("64:+2", 2, "a step needs a range before it"),
    ("64..128:+2:x2", 10, "only one step"),
    ("64 128", 2, SPACE),
    ("64 ..128", 2, SPACE),
    ("64.. 128", 4, SPACE),
    ("64..128:+ 2", 9, SPACE),
    ("1_000", 1, UNEXPECTED),
    ("64;128", 2, UNEXPECTED),
    ("64\t", 2, UNEXPECTED),
    ("64\u00a0", 2, UNEXPECTED),
    ("64…128", 2, UNEXPECTED),
    ("٦٤", 0, DIGITS),
    ("²", 0, DIGITS),
    ("64..１２８", 4, DIGITS),
    ("2^64", 0, LARGE),
    ("2^63", 0, LARGE),
    ("9223372036854775808", 0, LARGE),
    ("1..2^99999999999", 3, LARGE),
    ("9" * 5000, 0, LARGE),
    ("2^" + "9" * 5000, 0, LARGE),
    ("9007199254740992Ki", 0, LARGE),
    ("1..1001:+1", 0, MANY),
    ("7,1..1000000000000000000:+1", 2, MANY),
    ("1..1000:+1,5,2000", 13, MANY),
]


@pytest.mark.parametrize(("text", "position", "rule"), BAD, ids=[repr(text[:16]) for text, _, _ in BAD])
def test_refusals_point_at_the_fault(text, position, rule):
    began = time.perf_counter()
    with pytest.raises(SweepError, match=rule) as caught:
        parse_sweep(text)
    assert caught.value.position == position
    assert str(caught.value).splitlines()[-1] == " " * (4 + position) + "^"
    assert time.perf_counter() - began < 1


numbers = st.integers(1, 10**6)


@st.composite
def ranges(draw):
    first, last = sorted((draw(numbers), draw(numbers)))
    step = draw(st.sampled_from(["", ":x", ":+"]))
    if step == ":x":
        step += str(draw(st.integers(2, 100)))
    if step == ":+":
        step += str(draw(st.integers(max(1, (last - first) // 100), 10**6)))
    return first, last, step


@given(st.lists(ranges(), min_size=1, max_size=5))
def test_sorted_unique_and_inclusive(items):
    values = parse_sweep(",".join(f"{first}..{last}{step}" for first, last, step in items))
    assert list(values) == sorted(set(values))
    assert len(values) <= MAX_VALUES
    for first, last, step in items:
        assert first in values
        on_lattice = not step.startswith(":+") or (last - first) % int(step[2:]) == 0
        assert on_lattice <= (last in values)
    assert min(values) == min(first for first, _, _ in items)
    assert max(values) <= max(last for _, last, _ in items)


@given(numbers, numbers)
def test_a_range_doubles(one, other):
    first, last = sorted((one, other))
    values = parse_sweep(f"{first}..{last}")
    assert values[0] == first
    assert values[-1] == last
    assert all(b == 2 * a for a, b in pairwise(values[:-1]))
    assert len(values) == 1 or values[-2] < values[-1] <= 2 * values[-2]


@given(numbers, st.integers(1, 1000), st.integers(0, 500))
def test_steps_are_a_python_range(first, step, count):
    last = first + step * count + step // 2
    assert parse_sweep(f"{first}..{last}:+{step}") == tuple(range(first, last + 1, step))


@given(st.lists(numbers, min_size=1, max_size=50))
def test_an_expansion_reads_back(values):
    assert parse_sweep(",".join(map(str, values))) == tuple(sorted(set(values)))


@given(st.text(alphabet="0123456789.:x+^*,KiM -e", max_size=20))
def test_anything_else_is_a_refusal_within_the_text(text):
    values, position = (1,), 0
    try:
        values = parse_sweep(text)
    except SweepError as error:
        position = error.position
    assert 0 <= position <= len(text)
    assert values[0] >= 1
    assert len(values) <= MAX_VALUES


def test_names_keep_their_order():
    assert parse_names("fused, naive,chunked") == ("fused", "naive", "chunked")


@pytest.mark.parametrize(
    ("text", "position", "rule"),
    [
        ("", 0, "a kernel is missing here; write one, or drop the comma"),
        ("fused,", 6, "a kernel is missing here"),
        ("fused, ,naive", 7, "a kernel is missing here"),
        ("fused,naive, fused", 13, "kernel 'fused' stands twice; name each once"),
    ],
)
def test_names_refused(text, position, rule):
    with pytest.raises(SweepError, match=rule) as caught:
        parse_names(text, what="kernel")
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((64,), "64 (1 value)"),
        ((64, 128, 256, 512), "64, 128, 256, 512 (4 values)"),
        (parse_sweep("64..4096"), "64, 128, …, 4096 (7 values)"),
        ((0.002, 0.01), "0.002, 0.01 (2 values)"),
    ],
)
def test_echo(values, text):
    assert echo(values) == text
