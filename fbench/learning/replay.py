"""The picks of another program as arms: what it bought in a seed is bought again, in its order, and nothing is chosen.

The file has the columns of ``selections.csv``: strategy, seed, round, position, and index or id. Rows of round 0 are a
seed's start set, which every arm of the run then begins from, so that seeds stay pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbench.errors import DataError, shorten
from fbench.harness.registry import Strategy
from fbench.learning.named_files import FileRow, file_rows, names_in_run, path_of, whole_cell

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.learning.data import Pool, Records
    from fbench.learning.strategies import LearnerState, Proposal

__all__ = [
    "OPTION",
    "FilePicks",
    "PicksAsked",
    "check_picks",
    "positions_in",
    "read_picks",
    "replayed_names",
    "replayed_strategy",
    "start_sources",
    "starts_of",
]

OPTION = "--replay"
_COLUMNS = ("strategy", "seed", "round", "position")
_LARGEST_SEED = 10**9


@dataclass(frozen=True)
class FilePicks:
    """What a file's strategies bought.

    Attributes:
        where: how a message about the file begins.
        column: ``index`` or ``id``, by which samples are known.
        batches: of a strategy, by its name in the run: samples by seed and round, in the order bought.
    """

    where: str
    column: str
    batches: Mapping[str, Mapping[int, Mapping[int, tuple[str, ...]]]]

    def start(self, seed: int) -> tuple[str, ...]:
        """The start set of a seed, by the first strategy that has one; none where none has."""
        return next((seeds[seed][0] for seeds in self.batches.values() if 0 in seeds.get(seed, ())), ())


@dataclass(frozen=True)
class PicksAsked:
    """What a run asks of the files: its seeds and rounds, and the sizes of its start set and batches."""

    seeds: Sequence[int]
    rounds: int
    start: int
    batch: int


@functools.lru_cache(maxsize=8)
def read_picks(text: str) -> FilePicks:
    """What ``[NAME=]FILE`` holds, read once a process; pinned, it is the file that was pinned.

    Raises:
        DataError: no such file or another one, a column or all rows missing, a cell that is no whole number, a sample
            or a position that stands twice.
    """
    where = f"{OPTION} {path_of(text)}"
    rows = file_rows(OPTION, text, _COLUMNS, either=("index", "id"))
    column = "index" if "index" in rows[0].cells else "id"
    names = names_in_run(OPTION, text, list(dict.fromkeys(row.cells["strategy"] for row in rows)))
    placed: dict[tuple[str, int, int], dict[int, str]] = {}
    for row in rows:
        seed, index, position = (whole_cell(where, row, name) for name in ("seed", "round", "position"))
        if seed > _LARGEST_SEED:
            raise DataError(f"{where}, line {row.line}: seed {seed} is larger than {_LARGEST_SEED:,}, fbench's largest")
        batch = placed.setdefault((names[row.cells["strategy"]], seed, index), {})
        if position in batch:
            raise DataError(f"{where}, line {row.line}: position {position} stands twice in that round; number them")
        batch[position] = _sample(where, row, column)
    batches: dict[str, dict[int, dict[int, tuple[str, ...]]]] = {}
    for (name, seed, index), batch in placed.items():
        batches.setdefault(name, {}).setdefault(seed, {})[index] = tuple(batch[i] for i in sorted(batch))
    picks = FilePicks(where, column, batches)
    _refuse_repeats(picks)
    return picks


def _sample(where: str, row: FileRow, column: str) -> str:
    if column == "index":
        return str(whole_cell(where, row, "index"))
    if not row.cells["id"]:
        raise DataError(f"{where}, line {row.line}: has no id; write the sample's")
    return row.cells["id"]


def _refuse_repeats(picks: FilePicks) -> None:
    for name, seeds in picks.batches.items():
        for seed, rounds in seeds.items():
            seen: set[str] = set()
            for index in sorted(rounds):
                for sample in rounds[index]:
                    if sample in seen:
                        raise _fault(picks, name, seed, index, f"{_named(picks, sample)} is bought twice in that seed")
                    seen.add(sample)


def _fault(picks: FilePicks, name: str, seed: int, index: int, text: str) -> DataError:
    return DataError(f"{picks.where}: strategy {name!r}, seed {seed}, round {index}: {text}")


def _named(picks: FilePicks, sample: str) -> str:
    return f"{picks.column} {shorten(sample)}"


def replayed_names(files: Sequence[str]) -> tuple[str, ...]:
    """The strategies of all files, as the run calls them.

    Raises:
        DataError: two files have one of the same name; or as ``read_picks``.
    """
    names: dict[str, str] = {}
    for text in files:
        for name in read_picks(text).batches:
            if name in names:
                raise DataError(
                    f"{OPTION} {path_of(text)}: has the strategy {name!r}, as {names[name]} has; call one of them "
                    f"otherwise by {OPTION} mine={path_of(text)}"
                )
            names[name] = path_of(text)
    return tuple(names)


def replayed_strategy(files: Sequence[str], name: str) -> Strategy | None:
    """The arm that buys what a strategy of the files bought; None where no file has one of that name."""
    text = next((text for text in files if name in read_picks(text).batches), None)
    if text is None:
        return None
    from fbench.learning.strategies import Effort
    from fbench.learning.strategies.baselines import holds_nothing

    return Strategy(
        name,
        f"picks of {path_of(text)}",
        _proposer(text, name),
        plan=holds_nothing,
        effort=lambda sizes: Effort(0, 0),
        regularised=False,
    )


def _proposer(text: str, name: str) -> Callable[[LearnerState, int], Proposal]:
    def propose(state: LearnerState, batch_size: int) -> Proposal:
        from fbench.learning.strategies import Proposal

        picks = read_picks(text)
        return Proposal(positions_in(state.pool, picks, name, state.seed, state.round))

    return propose


def starts_of(files: Sequence[str], seeds: Sequence[int], pools: Sequence[Pool]) -> dict[int, Tensor]:
    """Pool positions of the start sets that the files have, by seed; the first file's where several have one."""
    starts: dict[int, Tensor] = {}
    for seed, pool in zip(seeds, pools, strict=True):
        for picks, name in _starting(files, seed):
            starts.setdefault(seed, positions_in(pool, picks, name, seed, 0))
    return starts


def start_sources(files: Sequence[str], seeds: Sequence[int]) -> tuple[str, ...]:
    """Paths of the files that have a start set of one of the seeds."""
    return tuple(path_of(text) for text in files if any(read_picks(text).start(seed) for seed in seeds))


def _starting(files: Sequence[str], seed: int) -> Iterator[tuple[FilePicks, str]]:
    """Every strategy of the files that has a start set of the seed."""
    for picks in map(read_picks, files):
        for name, seeds in picks.batches.items():
            if 0 in seeds.get(seed, ()):
                yield picks, name


def positions_in(pool: Pool, picks: FilePicks, name: str, seed: int, index: int) -> Tensor:
    """Pool positions of what was bought in a round, in that order [B], int64.

    Raises:
        DataError: a sample that is not in the pool, or an id that does not say which sample it is.
    """
    import torch

    samples = picks.batches[name][seed][index]
    indices = [int(sample) for sample in samples] if picks.column == "index" else _indices(picks, pool, samples)
    wanted, ids = torch.tensor(indices, dtype=torch.int64), pool.ids.cpu()
    at = torch.searchsorted(ids, wanted).clamp(max=len(ids) - 1)
    missing = (ids[at] != wanted).nonzero().flatten().tolist()
    if missing:
        raise _fault(
            picks, name, seed, index,
            f"{_named(picks, samples[missing[0]])} is not in that seed's pool of {len(ids):,}: it is a test image, or "
            "the file is of other data, --pool or --folds",
        )  # fmt: skip
    return at


def _indices(picks: FilePicks, pool: Pool, samples: Sequence[str]) -> list[int]:
    """Data-set indices of ids."""
    known = _by_id(pool.records)
    if not known:
        raise DataError(f"{picks.where}: knows samples by id, and the data have no ids; give the column index")
    for sample in samples:
        if len(known.get(sample, ())) != 1:
            why = "stands twice in the data; give the column index" if sample in known else "is no sample of the data"
            raise DataError(f"{picks.where}: id {shorten(sample)!r} {why}")
    return [known[sample][0] for sample in samples]


@functools.lru_cache(maxsize=2)
def _by_id(records: Records) -> Mapping[str, list[int]]:
    known: dict[str, list[int]] = {}
    for index, sample in enumerate(records.ids):
        known.setdefault(sample, []).append(index)
    return known


def check_picks(files: Sequence[str], asked: PicksAsked, pool_of: Callable[[int], Pool]) -> None:
    """Hold the files to what a run asks of them, before anything is trained.

    Args:
        files: pinned, or not.
        asked: seeds, rounds and sizes.
        pool_of: gives a seed's pool.

    Raises:
        DataError: a seed or round that is missing, a batch or start set of another size, start sets that differ, a
            sample that is not in the pool, or that its seed began with.
    """
    readings = [read_picks(text) for text in files]
    for picks in readings:
        for name in picks.batches:
            _check_sizes(picks, name, asked)
    for seed in asked.seeds:
        pool = pool_of(seed)
        begun = _agreed_start(files, seed, pool, asked.start)
        for picks in readings:
            for name in picks.batches:
                _check_bought(picks, name, seed, pool, begun, asked.rounds)


def _check_sizes(picks: FilePicks, name: str, asked: PicksAsked) -> None:
    """Refuse a strategy that lacks a seed or a round, or has one of another size."""
    for seed in asked.seeds:
        rounds = picks.batches[name].get(seed)
        if rounds is None:
            seeds = sorted(picks.batches[name])
            raise DataError(
                f"{picks.where}: strategy {name!r} has no seed {seed}, which --seeds asks; it has "
                f"{shorten(', '.join(map(str, seeds)))}"
            )
        for index in range(asked.rounds + 1):
            bought = len(rounds.get(index, ()))
            wanted = asked.batch if index else asked.start
            if not bought and index:
                raise _fault(picks, name, seed, index, f"is not there, and --rounds {asked.rounds} asks it; ask fewer")
            if bought and bought != wanted:
                option = "--batch" if index else "--start"
                text = f"has {bought:,} samples, and {option} is {wanted:,}; give {option} {bought}"
                raise _fault(picks, name, seed, index, text)


def _agreed_start(files: Sequence[str], seed: int, pool: Pool, start: int) -> set[int]:
    """Pool positions of a seed's start set: the files', which must agree, or, without any, the one that is drawn."""
    from fbench.learning.rounds import drawn_start

    starting = list(_starting(files, seed))
    sets = [set(positions_in(pool, picks, name, seed, 0).tolist()) for picks, name in starting]
    for (picks, name), positions in zip(starting, sets, strict=True):
        if positions != sets[0]:
            first, whose = starting[0]
            text = f"begins from another start set than {whose!r} of {first.where.removeprefix(OPTION + ' ')}"
            raise _fault(picks, name, seed, 0, f"{text}: arms of a seed must share it; compare them in two runs")
    allowed = set(pool.starters().tolist())
    if starting and not sets[0] <= allowed:
        picks, name = starting[0]
        raise _fault(picks, name, seed, 0, "begins with a sample of a class that --dataset …:missing leaves out")
    return sets[0] if sets else set(drawn_start(pool, seed, start).tolist())


def _check_bought(picks: FilePicks, name: str, seed: int, pool: Pool, begun: set[int], rounds: int) -> None:
    """Refuse what is not in the pool, or was in the start set."""
    for index in range(1, rounds + 1):
        at = positions_in(pool, picks, name, seed, index).tolist()
        repeated = [i for i, position in enumerate(at) if position in begun]
        if repeated:
            sample = _named(picks, picks.batches[name][seed][index][repeated[0]])
            whose = "of the file" if picks.start(seed) else "that this run begins with; add the file's own as round 0"
            raise _fault(picks, name, seed, index, f"{sample} is in the start set {whose}")
