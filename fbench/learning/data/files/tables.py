"""Tables, .csv and .parquet: a column of classes, columns of numbers (the features), and what is carried along."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fbench.array_headers import reading_file
from fbench.errors import DataError, nearest, shorten
from fbench.learning.data.brought import Brought
from fbench.learning.data.files.parts import FeatureParts

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
    metadata = [*brought.metadata_columns, *(name for name in free if name not in numbers)]
    _tell_of_texts(path, [name for name in free if name not in numbers])
    if not numbers:
        raise DataError(f"{path}: no column of numbers is left for the features; it has {_listed(frame)}")
    features = frame[numbers].to_numpy(dtype=np.float64, na_value=np.nan)
    return _divided(
        FeatureParts(
            features=features,
            targets=_values(frame[target]) if target in frame else None,
            ids=_texts(frame[sample_id]) if sample_id in frame else (),
            metadata={name: _texts(frame[name]) for name in metadata},
        ),
        _test_rows(path, frame),
    )


def _frame(path: Path) -> pd.DataFrame:
    with reading_file(path):
        if path.suffix == ".csv":
            try:
                frame = pd.read_csv(path, encoding="utf-8-sig")
            except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
                raise DataError(f"{path}: is no table: {str(error).strip()}") from error
        else:
            frame = _parquet(path)
    frame.columns = [str(name) for name in frame.columns]
    if not len(frame):
        raise DataError(f"{path}: has no rows")
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


def _require(path: Path, frame: pd.DataFrame, name: str, option: str) -> None:
    if name not in frame:
        near = nearest(name, frame.columns)
        hint = f"; did you mean {near!r}?" if near else "."
        raise DataError(f"{path}: has no column {name!r}{hint} It has {_listed(frame)}; name one by {option}")


def _listed(frame: pd.DataFrame) -> str:
    names = list(frame.columns)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _tell_of_texts(path: Path, names: Sequence[str]) -> None:
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
    strange = [value for value in frame[_SPLIT].tolist() if value not in _PARTS]
    if strange:
        raise DataError(f"{path}: column split holds {shorten(strange[0])!r}; it must be train or test in every row")
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
        test_ids=[parts.ids[row] for row in tested] if parts.ids else (),
    )
