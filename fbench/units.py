"""Seconds, bytes, counts and shares: how they are printed and read.

Bytes are printed in powers of 1,024 and named so (KiB, MiB, GiB): 2**30 bytes are one GiB and never a GB.
A missing value (None or NaN) prints as nothing at all, never as 0.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from fbench.errors import UsageError, shorten

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SI = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>|B|[KMGT](?:i?B)?)", re.IGNORECASE | re.ASCII)
_LARGEST_SIZE = 2**63 - 1


def format_seconds(seconds: float | None) -> str:
    """A duration to three significant digits: ``4.5 ms``, ``1.23 s``, ``2 min 03 s``, ``1 h 02 min``.

    Example:
        >>> format_seconds(0.0045), format_seconds(123)
        ('4.5 ms', '2 min 03 s')
    """
    if seconds is None or math.isnan(seconds):
        return ""
    if seconds < 0:
        return f"-{format_seconds(-seconds)}"
    if math.isinf(seconds):
        return "inf s"
    # The unit is chosen after rounding: 0.9996 s is "1 s", not "1000 ms".
    rounded = float(f"{seconds:.3g}")
    if rounded >= 60:
        return _minutes(seconds)
    for scale, unit in _SECONDS:
        if rounded >= scale:
            return f"{_digits(rounded / scale)} {unit}"
    return f"{_digits(rounded / 1e-9)} ns" if rounded else "0 s"


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_bytes(size: float | None) -> str:
    """A size in bytes, in powers of 1,024, to three significant digits: ``512 B``, ``1.5 GiB``.

    Example:
        >>> format_bytes(512), format_bytes(1.5 * 2**30)
        ('512 B', '1.5 GiB')
    """
    if size is None or math.isnan(size):
        return ""
    if size < 0:
        return f"-{format_bytes(-size)}"
    scaled, power = float(size), 0
    while scaled >= 1023.5 and power < len(_BINARY) - 1:
        scaled, power = scaled / 1024, power + 1
    return f"{_digits(scaled)} {_BINARY[power]}"


def parse_bytes(text: str) -> int:
    """A size in bytes: ``8GiB``, ``512MiB``, ``1.5G``, ``8GB`` or a plain number of bytes.

    The rule: KiB, MiB, GiB, TiB and their short forms K, M, G, T are powers of 1,024 (so do Docker and Slurm
    read them); KB, MB, GB, TB are powers of 1,000. Upper or lower case; parts of a byte are dropped.

    Raises:
        UsageError: the text is no such size, is less than one byte, or is 2**63 bytes or more.

    Example:
        >>> parse_bytes("8GiB"), parse_bytes("8GB")
        (8589934592, 8000000000)
    """
    match = _SIZE.fullmatch(text.strip(" "))
    if match is None:
        raise UsageError(
            f"{shorten(text)!r} is not a size; write a number and a unit: 8GiB or 8G (powers of 1,024), "
            "8GB (powers of 1,000), or plain bytes"
        )
    unit = match["unit"].upper()
    base = 1000 if len(unit) == 2 else 1024
    size = Decimal(match["number"]) * base ** (" KMGT".index(unit[0]) if unit not in ("", "B") else 0)
    if not 1 <= size <= _LARGEST_SIZE:
        raise UsageError(f"{shorten(text)!r} is out of range; write a size from 1 byte to under 8 EiB, as 8GiB")
    return int(size)


def format_count(count: int | None) -> str:
    """A whole number with thousands apart: ``701,456``.

    Example:
        >>> format_count(701_456)
        '701,456'
    """
    return "" if count is None else f"{count:,}"


def format_si(value: float | None, unit: str = "") -> str:
    """A quantity in powers of 1,000, to three significant digits: ``790 TFLOP/s``. Not for bytes.

    Example:
        >>> format_si(7.9e14, "FLOP/s")
        '790 TFLOP/s'
    """
    if value is None or math.isnan(value):
        return ""
    rounded = float(f"{value:.3g}")
    for scale, prefix in _SI:
        if abs(rounded) >= scale:
            return f"{_digits(rounded / scale)} {prefix}{unit}"
    return f"{_digits(rounded)} {unit}".rstrip()


def format_percent(share: float | None, *, signed: bool = False) -> str:
    """A share (1.0 is the whole) in percent, to three significant digits: ``0.2 %``; ``+3.1 %`` if signed.

    Example:
        >>> format_percent(0.002), format_percent(0.031, signed=True)
        ('0.2 %', '+3.1 %')
    """
    if share is None or math.isnan(share):
        return ""
    sign = "+" if signed and share > 0 else ""
    return f"{sign}{_digits(100 * share)} %"


def _digits(value: float, digits: int = 3) -> str:
    """``value`` to so many significant digits, all digits left of the point kept, trailing zeros dropped."""
    if value == 0 or math.isinf(value):
        return "0" if value == 0 else str(value)
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
