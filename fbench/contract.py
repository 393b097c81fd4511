"""Where suites of your own find what they are declared and answered with: options, columns, units, figures."""

from fbench.harness.contract import (
    Answer,
    Case,
    Column,
    Context,
    Evidence,
    Figure,
    Heat,
    Option,
    Panel,
    Row,
    Series,
    Summary,
    Table,
    Tables,
    Unit,
    mathematics,
    typed,
)
from fbench.harness.sweep import parse_sweep

__all__ = [
    "Answer",
    "Case",
    "Column",
    "Context",
    "Evidence",
    "Figure",
    "Heat",
    "Option",
    "Panel",
    "Row",
    "Series",
    "Summary",
    "Table",
    "Tables",
    "Unit",
    "mathematics",
    "parse_sweep",
    "typed",
]
