"""Ways in which a file of a run's folder comes to harm: by the disk, by a spreadsheet, by an editor, by hand."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Change = Callable[[bytes, random.Random], bytes]


class Damage(NamedTuple):
    """What happens to which file; ``do`` does it to a folder."""

    file: str
    name: str
    do: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def bit_flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def byte_inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes([chance.randrange(256)]) + data[at:]


def byte_lost(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + 1 :]


def digit_changed(data: bytes, chance: random.Random) -> bytes:
    places = [match.start() for match in re.finditer(rb"\d", data)]
    at = chance.choice(places) if places else 0
    return data[:at] + bytes([ord("0") + (data[at] + 1 - ord("0")) % 10]) + data[at + 1 :]


def lines_swapped(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    a, b = chance.sample(range(len(lines)), 2) if len(lines) > 1 else (0, 0)
    lines[a], lines[b] = lines[b], lines[a]
    return b"".join(lines)


def line_doubled(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines, chance.choice(lines[1:] or lines)])


def line_lost(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.pop(chance.randrange(len(lines)))
    return b"".join(lines)


def block_zeroed(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :]


ANY: dict[str, Change] = {
    "a bit flipped": bit_flipped,
    "a byte inserted": byte_inserted,
    "a byte lost": byte_lost,
    "a digit changed": digit_changed,
    "lines swapped": lines_swapped,
    "a line doubled": line_doubled,
    "a line lost": line_lost,
    "a block of zeros": block_zeroed,
    "one byte short": lambda data, _: data[:-1],
    "three bytes short": lambda data, _: data[:-3],
    "half": lambda data, _: data[: len(data) // 2],
    "empty": lambda data, _: b"",
    "a byte more": lambda data, _: data + b"\n",
    "garbage at its end": lambda data, _: data + b"\xff\x00garbage",
    "twice": lambda data, _: data + data,
    "CRLF": lambda data, _: data.replace(b"\n", b"\r\n"),
    "CR": lambda data, _: data.replace(b"\n", b"\r"),
    "a BOM": lambda data, _: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data, _: data.decode("utf-8", "replace").encode("utf-16"),
    "zeros": lambda data, _: bytes(len(data)),
}
"""What can happen to any file."""


def _cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def _written(rows: list[list[str]], **how: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **how}).writerows(rows)
    return text.getvalue().encode()


def cell_changed(data: bytes, column: int, text: str) -> bytes:
    rows = _cells(data)
    rows[-1][column] = text
    return _written(rows)


CSV: dict[str, Change] = {
    "quoted by a spreadsheet": lambda data, _: _written(_cells(data), quoting=csv.QUOTE_ALL),
    "quoted, CRLF and a BOM": lambda data, _: (
        b"\xef\xbb\xbf" + _written(_cells(data), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    ),
    "semicolons": lambda data, _: _written(_cells(data), delimiter=";"),
    "tabs": lambda data, _: _written(_cells(data), delimiter="\t"),
    "one more column": lambda data, _: _written([[*row, "x"] for row in _cells(data)]),
    "one more cell": lambda data, _: _written([*_cells(data)[:-1], [*_cells(data)[-1], "x"]]),
    "one cell less": lambda data, _: _written([*_cells(data)[:-1], _cells(data)[-1][:-1]]),
    "a longer cell": lambda data, _: cell_changed(data, 0, "size=3" + "0" * 99),
    "an unknown case": lambda data, _: cell_changed(data, 0, "size=8"),
    "one more row of an unknown case": lambda data, _: data + _written([["size=8", *_cells(data)[-1][1:]]]),
    "another unit": lambda data, _: cell_changed(data, 2, "7"),
    "another value": lambda data, _: cell_changed(data, 3, "1"),
    "no number": lambda data, _: cell_changed(data, 3, "much"),
    "digits beyond reading": lambda data, _: cell_changed(data, 2, "1" * 5000),
    "columns swapped": lambda data, _: _written([[row[1], row[0], *row[2:]] for row in _cells(data)]),
    "sorted": lambda data, _: _written([_cells(data)[0], *sorted(_cells(data)[1:])]),
    "reversed": lambda data, _: _written([_cells(data)[0], *_cells(data)[:0:-1]]),
    "no header": lambda data, _: _written(_cells(data)[1:]),
    "rounded": lambda data, _: re.sub(rb"(\.\d\d)\d+", rb"\1", data),
}
"""What happens to tables."""


def _edited(**values: Any) -> Change:
    return lambda data, _: json.dumps({**json.loads(data), **values}).encode()


def _without(name: str) -> Change:
    return lambda data, _: json.dumps({k: v for k, v in json.loads(data).items() if k != name}).encode()


def _respelled(data: bytes, _: random.Random) -> bytes:
    return json.dumps(json.loads(data), indent=8, sort_keys=True).encode()


JSON: dict[str, Change] = {
    "nested 10,000 deep": lambda data, _: b"[" * 10_000 + b"]" * 10_000,
    "nested in itself": lambda data, _: b'{"a":' * 10_000 + data + b"}" * 10_000,
    "a list": lambda data, _: b"[" + data + b"]",
    "a number": lambda data, _: b"1",
    "null": lambda data, _: b"null",
    "an empty object": lambda data, _: b"{}",
    "not a number": lambda data, _: re.sub(rb": [\d.]+", b": NaN", data),
    "beyond numbers": lambda data, _: re.sub(rb": [\d.]+", b": 1e999", data),
    "too many digits": lambda data, _: re.sub(rb": [\d.]+", b": " + b"9" * 5000, data),
    "spelled otherwise": _respelled,
    "one more name": _edited(more=1),
    "its SHA-256 lost": _without("sha256"),
}
"""What happens to JSON."""

STRANGE: tuple[Any, ...] = (None, True, 0, -1, 1.5, "text", "", [], [1], {}, {"a": {}}, [[]])
"""Values of other types."""


def _replaced(path: Path, how: str) -> None:
    """Something else in the place of a file."""
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    match how:
        case "missing":
            aside.unlink()
        case "a folder":
            aside.unlink()
            path.mkdir()
        case "a full folder":
            path.mkdir()
            aside.rename(path / path.name)
        case "a link to itself":
            path.symlink_to(path.name)
            aside.unlink()
        case "a link to nothing":
            path.symlink_to("nothing")
            aside.unlink()
        case "a link to its bytes":
            aside.rename(path.parent.parent / aside.name)
            path.symlink_to(path.parent.parent / aside.name)
        case "a pipe":
            aside.unlink()
            os.mkfifo(path)
        case "a device":
            aside.unlink()
            path.symlink_to("/dev/zero")


PLACES = (
    *("missing", "a folder", "a full folder", "a link to itself", "a link to nothing"),
    *("a link to its bytes", "a pipe", "a device"),
)

TABLES = ("results.csv", "extra.csv")
TEXTS = ("options.json", "environment.json", "state.json")
REPORT = ("summary.md", "figures/growth.svg", "figures/growth.png")


def damages(folder: Path, other: Path, seed: int, flips: int) -> Iterator[Damage]:
    """Every damage to a run's folder; ``other`` holds another run, ``flips`` says how often chance is asked."""
    for file in (name for name in (*TABLES, *TEXTS, *REPORT) if (folder / name).exists()):
        kinds = {**ANY, **(CSV if file in TABLES else {}), **(JSON if file in TEXTS else {})}
        if file in TEXTS:
            kinds |= _by_key(json.loads((folder / file).read_bytes()))
        for name, change in kinds.items():
            times = flips if name in list(ANY)[:8] else 1
            for turn in range(times):
                yield Damage(file, f"{name} ({turn})" if times > 1 else name, _changing(file, change, seed + turn))
        for how in PLACES:
            yield Damage(file, how, lambda path, file=file, how=how: _replaced(path / file, how))
        if (other / file).exists():
            yield Damage(file, "another run's", lambda path, file=file: _copied(other / file, path / file))
    yield Damage("results.csv", "the other table", lambda path: _copied(path / "extra.csv", path / "results.csv"))
    yield Damage("results.csv", "the two tables swapped", _swapped)


def _by_key(value: dict[str, Any]) -> dict[str, Change]:
    """Every name lost, and every value of other types."""
    kinds: dict[str, Change] = {f"{name} lost": _without(name) for name in value}
    for name in value:
        kinds |= {f"{name} is {strange!r}": _edited(**{name: strange}) for strange in STRANGE if strange != value[name]}
    return kinds


def _changing(file: str, change: Change, seed: int) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / file
        path.write_bytes(change(path.read_bytes(), random.Random(f"{file} {seed}")))

    return do


def _copied(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _swapped(folder: Path) -> None:
    first, second = ((folder / name).read_bytes() for name in TABLES)
    (folder / "results.csv").write_bytes(second)
    (folder / "extra.csv").write_bytes(first)
