"""From a path to a side of a comparison: a run folder, a JSON file of pytest-benchmark, or a folder of either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fbench.errors import DataError, FbenchError, FolderError, NothingComparableError, UsageError
from fbench.regression.measured import MeasuredRun, Side
from fbench.regression.pairs_file import PairedSamples, is_pairs_file, read_pairs
from fbench.regression.pytest_json import is_pytest_json, read_document, read_pytest_json
from fbench.regression.suite_runs import read_suite_run
from fbench.runs.reading import find_run

_FORMS = "a run's folder, a JSON file of pytest-benchmark (--benchmark-json), a file of pairs, or a folder of runs"
_NO_BASELINE = "there is no baseline; measure one, and keep it for the next time"
_MOST_FILES, _DEEPEST = 10_000, 3


def read_side(text: str) -> Side:
    """What was measured of one revision.

    Raises:
        DataError: nothing is there, or it is nothing that was measured; names the file.
        FolderError: a run's folder is damaged.
        NothingComparableError: nothing in it can be compared.
    """
    path = find_run(text)
    if not path.is_dir():
        return Side(path, (_read_file(path),))
    if (path / "options.json").is_file():
        return Side(path, (read_suite_run(path),))
    runs, passed_over = read_runs(path)
    if not runs:
        more = f"; {passed_over[0]}" if passed_over else ""
        raise DataError(f"{path} holds no run: give {_FORMS}{more}")
    return Side(path, tuple(runs), tuple(passed_over))


def read_baseline(text: str) -> Side:
    """The base of a comparison, which may never have been measured.

    Raises:
        NothingComparableError: there is none.
        DataError, FolderError: as ``read_side`` raises them.
    """
    path = find_run(text)
    if not path.exists() and not path.is_symlink():
        raise NothingComparableError(f"{path}: {_NO_BASELINE}")
    if path.is_dir() and not (path / "options.json").is_file() and not _places(path):
        raise NothingComparableError(f"{path} holds no run: {_NO_BASELINE}")
    return read_side(text)


def read_paired(text: str) -> PairedSamples:
    """A file of interleaved pairs, which has both revisions in it.

    Raises:
        DataError: it is not there, or holds something else.
        UsageError: it is of one revision alone.
    """
    path = find_run(text)
    if path.is_dir():
        raise UsageError(f"{path} is one side alone: give BASE and NEW, or one file of interleaved pairs")
    document = read_document(path)
    if is_pytest_json(document):
        raise UsageError(f"{path} is one side alone: give BASE and NEW, or one file of interleaved pairs")
    if not is_pairs_file(document):
        raise DataError(f"{path} holds no pairs: give {_FORMS}")
    return read_pairs(path, document)


def read_runs(folder: Path, *, forgiving: bool = False) -> tuple[list[MeasuredRun], list[str]]:
    """Every run in a folder and up to three folders below, by name, and a line for each JSON file that is none.

    ``forgiving`` makes what is damaged, or holds nothing, one of the lines, unless nothing else is there.

    Raises:
        DataError, FolderError, NothingComparableError: one of them is damaged, or holds nothing; names it.
        UsageError: more than 10,000 files and folders are there.
    """
    runs: list[MeasuredRun] = []
    passed_over: list[str] = []
    faults: list[FbenchError] = []
    for path in _places(folder):
        try:
            read = _read_place(path)
        except (DataError, FolderError, NothingComparableError) as error:
            if not forgiving:
                raise
            faults.append(error)
            passed_over.append(f"left out: {error}")
            continue
        if isinstance(read, str):
            passed_over.append(read)
        else:
            runs.append(read)
    if faults and not runs:
        raise faults[0]
    return runs, passed_over


def _read_place(path: Path) -> MeasuredRun | str:
    """A run; or, of a JSON file that is none, a line."""
    if path.is_dir():
        return read_suite_run(path)
    document = read_document(path)
    return read_pytest_json(path, document) if is_pytest_json(document) else f"{path} is passed over: {_what(document)}"


def _places(folder: Path) -> list[Path]:
    """Run folders and JSON files; what lies inside a run's folder is the run's, and hidden files are nobody's."""
    places, waiting, seen = [], [(folder, 0)], 0
    while waiting:
        inside, depth = waiting.pop()
        paths = _names_in(inside)
        seen += len(paths)
        if seen > _MOST_FILES:
            raise UsageError(f"{folder} has more than {_MOST_FILES:,} files and folders: give one of runs alone")
        for path in paths:
            if path.name.startswith(".") or path.is_symlink():
                continue
            if (path.suffix == ".json" and path.is_file()) or (path / "options.json").is_file():
                places.append(path)
            elif depth < _DEEPEST and path.is_dir():
                waiting.append((path, depth + 1))
    return sorted(places)


def _names_in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from error


def _read_file(path: Path) -> MeasuredRun:
    document = read_document(path)
    if is_pytest_json(document):
        return read_pytest_json(path, document)
    raise DataError(f"{path} is {_what(document)}: give {_FORMS}")


def _what(document: Any) -> str:
    if is_pairs_file(document):
        return "a file of pairs, which has both sides in it and is given alone"
    return "no measurement"
