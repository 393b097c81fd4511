"""What the variants of a drift run are called: by what they differ in, and by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.results.words import count_seeds
from fbench.units import format_count, format_percent

from .measured import Drift, Variant

HEADS = {
    "strategy": "strategy",
    "samples": "N",
    "redraws": "R",
    "rule": "rule",
    "classifier": "classifier",
    "fraction": "kept",
}
"""Heads of the columns that tell variants apart, by field."""
_FORMS = {
    "strategy": "{}",
    "samples": "N = {}",
    "redraws": "R = {}",
    "rule": "rule {}",
    "classifier": "classifier {}",
    "fraction": "{} kept",
}


def variant_cells(variant: Variant) -> dict[str, str]:
    """Write every field of a variant as a table's cell."""
    return {
        "strategy": variant.strategy,
        "samples": format_count(variant.samples),
        "redraws": format_count(variant.redraws),
        "rule": variant.rule,
        "classifier": variant.classifier,
        "fraction": format_percent(variant.fraction),
    }


def varying_fields(variants: Sequence[Variant]) -> list[str]:
    """The names of the fields in which variants differ."""
    columns = zip(*variants, strict=True)
    return [name for name, values in zip(Variant._fields, columns, strict=True) if len(set(values)) > 1]


def in_common(variants: Sequence[Variant]) -> str:
    """The fields that do not vary, in words: ``N = 1,024, rule global``."""
    return in_words(variants[0], set(Variant._fields) - set(varying_fields(variants)))


def in_words(variant: Variant, fields: set[str]) -> str:
    """Some of a variant's fields in words, in their order."""
    cells = variant_cells(variant)
    return ", ".join(_FORMS[name].format(cell) for name, cell in cells.items() if name in fields)


def rounds_text(drift: Drift) -> str:
    """Name the rounds that have one before them: ``rounds 1 to 6``."""
    return "round 1" if drift.rounds[-1] == 1 else f"rounds 1 to {drift.rounds[-1]}"


def seeds_text(drift: Drift) -> str:
    """Count the seeds that means are over: ``6 seeds``."""
    return count_seeds(len(drift.seeds))


def percent(share: float) -> str:
    """Write a share in percent to three digits, with a real minus sign."""
    return format_percent(share).replace("-", "−")
