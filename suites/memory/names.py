"""What gauges, sizes and cases of ``fbench memory`` are called in sentences, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fbench.units import format_bytes

from .peaks import CaseMemory
from .rows import Gauge, RoundSizes

_LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "batch": "B", "chunk_size": "chunk"}


def gauge_in_words(gauge: Gauge) -> str:
    """``resident memory``, ``torch's allocated memory on cuda:0``."""
    if gauge.source == "rss":
        return "resident memory"
    if gauge.source == "torch":
        return f"torch's {gauge.quantity} memory on {gauge.device}"
    return f"NVML's {gauge.quantity} memory on {gauge.device}"


def gauge_in_short(gauge: Gauge) -> str:
    """``resident memory``, ``torch allocated``, ``NVML used``: for where the device is named already."""
    source = {"nvml": "NVML"}.get(gauge.source, gauge.source)
    return "resident memory" if gauge.source == "rss" else f"{source} {gauge.quantity}"


def bytes_range(low: float, high: float) -> str:
    """``2 to 2.04 GiB``, ``980 MiB to 1.1 GiB``."""
    first, last = format_bytes(low), format_bytes(high)
    unit = last.split(" ")[-1]
    return f"{first.removesuffix(f' {unit}')} to {last}"


def about_count(count: int) -> str:
    """A predicted limit in two digits, never above it: ``310,000``, ``1.4 million``.

    Example:
        >>> about_count(315_401), about_count(1_417_249), about_count(9_000), about_count(87), about_count(0)
        ('310,000', '1.4 million', '9,000', '87', '0')
    """
    step = 10 ** max(len(str(count)) - 2, 0)
    rounded = count // step * step
    return f"{rounded / 1e6:g} million" if rounded >= 1_000_000 else f"{rounded:,}"


def size_heading(column: str) -> str:
    """What a column of sizes is called in a table: its letter, or its name where it has none."""
    return _LETTERS.get(column, column)


def sizes_in_words(sizes: RoundSizes, columns: Iterable[str] = RoundSizes._fields) -> str:
    """``n = 5,000, k = 10, float32, chunk 256``; sizes that a case does not have are left out."""
    cells = ((column, getattr(sizes, column)) for column in columns)
    return ", ".join(_size_in_words(column, size) for column, size in cells if size is not None)


def _size_in_words(column: str, size: int | str) -> str:
    if isinstance(size, str):
        return size
    return f"chunk {size:,}" if column == "chunk_size" else f"{_LETTERS[column]} = {size:,}"


def varying_round_sizes(problems: Sequence[RoundSizes]) -> list[str]:
    """The columns of sizes in which problems differ; a chunk size differs from having none."""
    return [column for column in RoundSizes._fields if len({getattr(sizes, column) for sizes in problems}) > 1]


def common_sizes(problems: Sequence[RoundSizes]) -> list[str]:
    """The columns of sizes that are equal in all problems."""
    varying = varying_round_sizes(problems)
    return [column for column in RoundSizes._fields if column not in varying]


def case_names(cases: Sequence[CaseMemory]) -> dict[str, str]:
    """What each case is called, by its id: its method, and the sizes that vary among cases.

    ``bait (n = 5,000, float32)``.
    """
    varying = varying_round_sizes([case.sizes for case in cases])
    sizes = {case.case: sizes_in_words(case.sizes, varying) for case in cases}
    return {case.case: case.method + (f" ({sizes[case.case]})" if sizes[case.case] else "") for case in cases}
