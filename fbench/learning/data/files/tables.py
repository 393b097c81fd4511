"""Tables, .csv and .parquet: a column of classes, columns of numbers (the features), and what is carried along."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fbench.array_headers import reading_file
from fbench.errors import DataError, nearest, shorten
from fbench.harness.parsing import read_real
from fbench.learning.data.brought import Brought
from fbench.learning.data.files.csv_files import read_csv
from fbench.learning.data.files.parts import FeatureParts
from fbench.learning.data.files.places import Places

_SPLIT = "split"
"""The column that says of every row whether it is of the part for training or of that for the test."""
_PARTS = ("train", "test")


def read_table(path: Path, brought: Brought) -> FeatureParts:
    """The parts of a table.

    The column of classes is ``target`` unless named otherwise, ids are in ``id`` if there is one, and a column
    ``split`` of ``train`` and ``test`` sets a test part apart. All other columns of numbers are features, unless they
    are named as metadata; columns of texts are metadata.

    Raises:
        DataError: a table that cannot be read, or lacks a column that was asked for.
    """
    frame = _frame(path)
    target, sample_id = brought.target_column or "target", brought.id_column or "id"
    if not brought.targets or brought.target_column:
        _require(path, frame, target, "--target-column")
    for name in (*brought.metadata_columns, *([brought.id_column] if brought.id_column else [])):
        _require(path, frame, name, "--metadata-columns" if name in brought.metadata_columns else "--id-column")
    free = [str(name) for name in frame if name not in {target, sample_id, _SPLIT, *brought.metadata_columns}]
    numbers = [name for name in free if pd.api.types.is_numeric_dtype(frame[name])]
    texts = [name for name in free if name not in numbers]
    metadata = [*brought.metadata_columns, *texts]
    _tell_of_texts(path, {name: _almost_numbers(path, name, frame[name]) for name in texts})
    if not numbers:
        what = f"no column of numbers is left for the features; it has {_listed(frame)}"
        raise DataError(f"{path}: {what}; give some whose cells are all numbers")
    features = frame[numbers].to_numpy(dtype=np.float64, na_value=np.nan)
    return _divided(
        FeatureParts(
            features=features,
            targets=_values(frame[target]) if target in frame else None,
            ids=_texts(frame[sample_id]) if sample_id in frame else (),
            metadata={name: _texts(frame[name]) for name in metadata},
            places=replace(_places(path), columns=numbers),
        ),
        _test_rows(path, frame),
    )


def _frame(path: Path) -> pd.DataFrame:
    with reading_file(path):
        frame = read_csv(path) if path.suffix == ".csv" else _parquet(path)
    frame.columns = [str(name) for name in frame.columns]
    if not len(frame):
        raise DataError(f"{path}: has names of columns and no rows; give one row a sample")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    try:
        import pyarrow
    except ImportError as error:
        raise DataError(
            f"{path}: a .parquet needs pyarrow ({error}); install it by pip install 'fbench[data]', or save a .csv"
        ) from error
    try:
        return pd.read_parquet(path, engine="pyarrow")
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: is damaged, or no .parquet: {error}") from error


def _places(path: Path) -> Places:
    """Lines of a .csv, rows of a .parquet."""
    return Places(lines_of=path if path.suffix == ".csv" else None)


def _require(path: Path, frame: pd.DataFrame, name: str, option: str) -> None:
    if name not in frame:
        near = nearest(name, frame.columns)
        hint = f"; did you mean {near!r}?" if near else "."
        numbers = all(read_real(str(column)) is not None for column in frame.columns)
        remedy = "its first line must name the columns" if numbers else f"name one by {option}"
        raise DataError(f"{path}: has no column {name!r}{hint} It has {_listed(frame)}; {remedy}")


def _listed(frame: pd.DataFrame) -> str:
    names = list(frame.columns)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _almost_numbers(path: Path, name: str, column: pd.Series[Any]) -> str:
    """What keeps a column from being a feature where most of its cells are numbers; empty where they are not."""
    numbers, present = pd.to_numeric(column, errors="coerce").notna(), column.notna()
    odd = (present & ~numbers).to_numpy().nonzero()[0]
    if not len(odd) or 2 * numbers.sum() <= present.sum():
        return ""
    where, cell = _places(path).row(int(odd[0])), shorten(column.iloc[odd[0]])
    return f"column {name!r}: {numbers.sum():,} of {len(column):,} are numbers; {where} is {cell!r}"


def _tell_of_texts(path: Path, almost: Mapping[str, str]) -> None:
    """Warn of columns of texts, by name with what keeps those from being features that are ``almost`` numbers."""
    for told in filter(None, almost.values()):
        warnings.warn(f"{path}: {told}; mend it to make the column a feature; now it is metadata", stacklevel=2)
    names = [name for name, told in almost.items() if not told]
    if names:
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        what = "column holds" if len(names) == 1 else "columns hold"
        warnings.warn(f"{path}: {what} texts and no features: {listed}; carried along as metadata", stacklevel=2)


def _values(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """A column as numpy has it: numbers where all are there, else Python's values, missing ones as None."""
    if pd.api.types.is_numeric_dtype(column) and not column.isna().any():
        return column.to_numpy()
    return np.array([None if pd.isna(value) else value for value in column], dtype=object)


def _texts(column: pd.Series[Any]) -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in column]


def _test_rows(path: Path, frame: pd.DataFrame) -> np.ndarray[Any, Any] | None:
    """Which rows are of the test part; None where no column says."""
    if _SPLIT not in frame:
        return None
    strange = (~frame[_SPLIT].isin(_PARTS)).to_numpy().nonzero()[0]
    if len(strange):
        value, where = shorten(frame[_SPLIT].iloc[strange[0]]), _places(path).row(int(strange[0]))
        raise DataError(f"{path}: column split holds {value!r} in {where}; it must be train or test in every row")
    test = (frame[_SPLIT] == "test").to_numpy()
    if test.all() or not test.any():
        raise DataError(f"{path}: column split says {frame[_SPLIT][0]} of every row; give both parts, or leave it out")
    return np.asarray(test)


def _divided(parts: FeatureParts, test: np.ndarray[Any, Any] | None) -> FeatureParts:
    """The parts of a table with the rows of the test part set apart."""
    if test is None:
        return parts
    train, tested = (rows.nonzero()[0].tolist() for rows in (~test, test))
    targets = parts.targets
    return FeatureParts(
        features=parts.features[~test],
        targets=None if targets is None else targets[~test],
        test_features=parts.features[test],
        test_targets=None if targets is None else targets[test],
        ids=[parts.ids[row] for row in train] if parts.ids else (),
        metadata={name: [values[row] for row in train] for name, values in parts.metadata.items()},
        places=replace(parts.places, rows=train),
        test_places=replace(parts.places, rows=tested),
        test_ids=[parts.ids[row] for row in tested] if parts.ids else (),
    )
