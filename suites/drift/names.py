"""What the variants of a drift run are called: by what they differ in, and by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.units import format_count, format_percent

from .rows import Drift, Variant

COLUMNS = {
    "strategy": "strategy",
    "samples": "N",
    "redraws": "R",
    "rule": "rule",
    "classifier": "classifier",
    "fraction": "kept",
}
"""Heads of the columns that tell variants apart."""


def cells(variant: Variant) -> dict[str, str]:
    """Every field as a table's cell."""
    return {
        "strategy": variant.strategy,
        "samples": format_count(variant.samples),
        "redraws": format_count(variant.redraws),
        "rule": variant.rule,
        "classifier": variant.classifier,
        "fraction": format_percent(variant.fraction),
    }


def varying(variants: Sequence[Variant]) -> list[str]:
    """The fields in which these differ."""
    return [name for name in Variant._fields if len({getattr(each, name) for each in variants}) > 1]


def named(variants: Sequence[Variant]) -> dict[Variant, str]:
    """``random, 5 % kept``: the fields that vary; the fraction in any case."""
    shown = [name for name in Variant._fields if name in varying(variants) or name == "fraction"]
    return {each: said(each, shown) for each in variants}


def common(variants: Sequence[Variant]) -> str:
    """``N = 1,024, rule global``: the fields that do not vary."""
    same = [name for name in Variant._fields if name not in varying(variants)]
    return said(variants[0], same)


def said(variant: Variant, fields: Sequence[str]) -> str:
    """Some fields in words."""
    own = cells(variant)
    forms = {
        "strategy": "{}",
        "samples": "N = {}",
        "redraws": "R = {}",
        "rule": "rule {}",
        "classifier": "classifier {}",
        "fraction": "{} kept",
    }
    return ", ".join(forms[name].format(own[name]) for name in fields)


def rounds_said(drift: Drift) -> str:
    """``rounds 1 to 6``: those that have one before them."""
    return "round 1" if drift.rounds[-1] == 1 else f"rounds 1 to {drift.rounds[-1]}"


def seeds_said(drift: Drift) -> str:
    """``6 seeds``."""
    return "1 seed" if len(drift.seeds) == 1 else f"{len(drift.seeds)} seeds"


def percent(share: float) -> str:
    """A share to three digits, with a real minus sign."""
    return format_percent(share).replace("-", "−")
