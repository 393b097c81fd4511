"""Rows as DataFrames whose columns have the types that the suite declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fbench.harness.contract import Column, Row

if TYPE_CHECKING:
    import pandas as pd

DTYPES = {"int": "Int64", "float": "float64", "bool": "boolean", "str": "string"}
"""What a declared type is in pandas. An empty cell is NA in all of them (NaN in ``float64``), never 0."""


def frame(columns: Sequence[Column], rows: Iterable[Row]) -> pd.DataFrame:
    """A table's rows, a column each of ``columns``, typed even where every cell is empty.

    Example:
        >>> columns = [Column("seed", "int", "", "repetition"), Column("accuracy", "float", "share", "on the test set")]
        >>> table = frame(columns, [{"seed": 0, "accuracy": 0.5}, {"seed": None, "accuracy": None}])
        >>> table["seed"].sum(), str(table["seed"].dtype), str(table["accuracy"].dtype)
        (np.int64(0), 'Int64', 'float64')
    """
    import pandas as pd

    rows = list(rows)
    series: dict[str, Any] = {
        column.name: pd.Series([row.get(column.name) for row in rows], dtype=DTYPES[column.type]) for column in columns
    }
    return pd.DataFrame(series)
