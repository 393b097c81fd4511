"""A file of features and classes as a data set: ``--features FILE``."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fbench.errors import DataError, shorten
from fbench.learning.data.brought import Brought
from fbench.learning.data.files.arrays import read_arrays, read_targets
from fbench.learning.data.files.coding import coded
from fbench.learning.data.files.contents import contents_of
from fbench.learning.data.files.matrices import Matrix, samples_of, survey
from fbench.learning.data.files.parts import FeatureParts
from fbench.learning.data.files.places import Places
from fbench.learning.data.files.tables import read_table
from fbench.learning.data.images import Images, Records

_ARRAYS, _TABLES = (".npz", ".npy"), (".csv", ".parquet")


def read_features(brought: Brought) -> Images:
    """The data set of a .npz, .npy, .parquet or .csv, its columns scaled as is asked.

    Raises:
        DataError: what is missing, damaged or does not fit, by the file's name.
    """
    path = brought.path
    if path.suffix not in (*_ARRAYS, *_TABLES):
        raise DataError(f"--features {path}: must end in {', '.join((*_ARRAYS, *_TABLES))}; save it as one of them")
    parts = read_table(path, brought) if path.suffix in _TABLES else _array_parts(path, brought)
    parts, source = _with_targets(path, brought, parts)
    _check_features(path, parts)
    _check_lengths(path, source, parts)
    places = (Places() if brought.targets else parts.places, parts.test_places)
    classes = coded(_refuser(source), np.asarray(parts.targets), parts.test_targets, places)
    scale = survey(_refuser(str(path)), "features", parts.features, parts.places)
    if parts.test_features is not None:
        survey(_refuser(str(path)), "test_features", parts.test_features, parts.test_places)
    _tell_of_repeated(path, [*parts.ids, *parts.test_ids])
    used = scale if brought.scale == "standard" else None
    return Images(
        name="features",
        images=samples_of(parts.features, used),
        targets=classes.targets,
        classes=classes.classes,
        test_images=None if parts.test_features is None else samples_of(parts.test_features, used),
        test_targets=classes.test_targets,
        class_names=classes.names,
        records=Records(parts.ids, parts.metadata),
        test_records=Records(parts.test_ids),
        contents=_contents(brought),
    )


def _contents(brought: Brought) -> str:
    paths = [brought.path, *([Path(brought.targets)] if brought.targets else [])]
    return "+".join(map(contents_of, paths))


def _array_parts(path: Path, brought: Brought) -> FeatureParts:
    """The arrays of a .npz or .npy by their roles; texts and numbers of one axis that have none are metadata."""
    arrays = read_arrays(path)
    if "features" not in arrays:
        raise DataError(
            f"{path}: has no array features (it holds {', '.join(arrays) or 'nothing'}); save np.savez(path, "
            "features=…, targets=…)"
        )
    target, ids = brought.target_column or "targets", brought.id_column or "ids"
    for name, option in ((brought.target_column, "--target-column"), (brought.id_column, "--id-column")):
        if name and name not in arrays:
            raise DataError(f"{path}: has no array {name!r} (it holds {', '.join(arrays)}); name one by {option}")
    if ("test_features" in arrays) != (f"test_{target}" in arrays):
        raise DataError(f"{path}: has test_features or test_{target} without the other; give both, or neither")
    roles = {"features", target, ids, *(f"test_{name}" for name in ("features", target, ids))}
    rest = {name: array for name, array in arrays.items() if name not in roles}
    return FeatureParts(
        features=arrays["features"],
        targets=arrays.get(target),
        test_features=arrays.get("test_features"),
        test_targets=arrays.get(f"test_{target}"),
        ids=_ids(arrays, ids),
        metadata=_metadata(path, rest, len_of(arrays["features"])),
        test_ids=_ids(arrays, f"test_{ids}"),
    )


def _ids(arrays: Mapping[str, Any], name: str) -> Sequence[str]:
    """An array as texts; none where there is none."""
    return [str(value) for value in arrays[name].tolist()] if name in arrays else ()


def len_of(matrix: Matrix) -> int:
    """The rows of a matrix: scipy's have no length."""
    return int(matrix.shape[0])


def _metadata(path: Path, arrays: Mapping[str, Any], n: int) -> dict[str, list[str]]:
    """The arrays [n], as texts; others are not read, which is said."""
    fitting = {name: array for name, array in arrays.items() if array.shape == (n,)}
    left = [f"{name} {list(array.shape)}" for name, array in arrays.items() if name not in fitting]
    if left:
        warnings.warn(f"{path}: {', '.join(left)} not read: metadata are arrays [{n}]", stacklevel=2)
    return {name: [str(value) for value in array.tolist()] for name, array in fitting.items()}


def _with_targets(path: Path, brought: Brought, parts: FeatureParts) -> tuple[FeatureParts, str]:
    """The parts with the targets of ``--targets``, if it is there, and where targets are from, for messages."""
    if brought.targets:
        source = f"--targets {brought.targets}"
        if parts.test_features is not None:
            raise DataError(f"{source}: {path} has a test part, and so needs targets of its own")
        return replace(parts, targets=read_targets(Path(brought.targets))), source
    if parts.targets is None:
        raise DataError(
            f"{path}: has no targets; save them with the features, np.savez(path, features=…, targets=…), or name a "
            "file of theirs by --targets, or their array by --target-column"
        )
    return parts, str(path)


def _refuser(source: str) -> Callable[[str], NoReturn]:
    """What refuses a file by its name."""

    def refuse(text: str) -> NoReturn:
        raise DataError(f"{source}: {text}")

    return refuse


def _check_features(path: Path, parts: FeatureParts) -> None:
    """Refuse features that are no matrix of numbers, and a test part of other columns."""
    refuse, tested = _refuser(str(path)), parts.test_features
    for name, features in (("features", parts.features), ("test_features", tested)):
        if features is None:
            continue
        shape = list(features.shape)
        if len(shape) != 2 or 0 in shape:
            refuse(f"{name} have shape {shape}; they must be [n, h], one row a sample")
        if features.dtype.kind not in "fiub":
            refuse(f"{name} are {features.dtype}; they must be numbers")
    if tested is not None and tested.shape[1] != parts.features.shape[1]:
        widths = [part.shape[1] for part in (tested, parts.features)]
        refuse(f"test_features have {widths[0]} columns, features {widths[1]}; give both in the same columns")


def _check_lengths(path: Path, source: str, parts: FeatureParts) -> None:
    """Refuse targets and ids that are not one a sample; ``source`` is where the targets are from."""
    n, of = parts.features.shape[0], "" if source == str(path) else f" of {path}"
    pairs: list[tuple[str, str, int, Any]] = [
        (source, f"targets has {{:,}} entries, features{of} {{:,}}", n, parts.targets)
    ]
    if parts.test_features is not None:
        texts = "test_targets has {:,} entries, test_features {:,}"
        pairs.append((source, texts, parts.test_features.shape[0], parts.test_targets))
    if parts.ids:
        pairs.append((str(path), "ids has {:,} entries, features {:,}", n, parts.ids))
    for file, text, samples, values in pairs:
        if np.ndim(values) and len(values) != samples:
            _refuser(file)(f"{text.format(len(values), samples)}; give one a sample")


def _tell_of_repeated(path: Path, ids: Sequence[str]) -> None:
    """Warn of ids that are of several samples: a person's, perhaps, and no reason to refuse a file."""
    counts = Counter(ids)
    repeated = [sample for sample, times in counts.items() if times > 1]
    if repeated:
        first = repeated[0]
        warnings.warn(
            f"{path}: {len(repeated):,} {'id is' if len(repeated) == 1 else 'ids are'} of several samples, first "
            f"{shorten(first)!r} of {counts[first]}; the column index of selections.csv tells them apart",
            stacklevel=2,
        )
