"""Picks of another program: what a file must hold to be replayed, and where its samples stand in a pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fbench.errors import DataError
from fbench.learning.data import Pool, Records
from fbench.learning.replay import (
    PicksAsked,
    check_picks,
    positions_in,
    read_picks,
    replayed_names,
    replayed_strategy,
    start_sources,
    starts_of,
)
from fbench.learning.rounds import drawn_start

Line = tuple[str, int, int, int, int]
"""Strategy, seed, round, position, index."""
IDS = (3, 5, 8, 10, 11, 12, 20, 21)
"""Of a pool of eight out of 30 samples."""
ASKED = PicksAsked(seeds=(0, 1), rounds=2, start=2, batch=1)
GOOD: list[Line] = [
    row
    for seed in (0, 1)
    for row in (
        ("theirs", seed, 0, 1, 20),
        ("theirs", seed, 0, 0, 8),
        ("theirs", seed, 1, 0, 3 + 2 * seed),
        ("theirs", seed, 2, 0, 21),
    )
]


def pool_of(seed: int) -> Pool:
    ids, none = torch.tensor(IDS), torch.zeros(0)
    records = Records([f"s{i}" for i in range(29)] + ["s28"])
    return Pool(torch.zeros(8, 1), torch.zeros(8), ids, none, none, 2, records=records, total=30)


@pytest.fixture
def written(tmp_path: Path):
    """Write a file of picks; gives its path."""

    def write(lines: Sequence[Line], column: str = "index", name: str = "picks.csv") -> str:
        path = tmp_path / name
        text = [",".join(map(str, line)) for line in lines]
        path.write_text("\n".join([f"strategy,seed,round,position,{column}", *text]) + "\n")
        return str(path)

    read_picks.cache_clear()
    return write


def changed(at: int, **columns: object) -> list[Line]:
    """The good lines with one changed."""
    names = ("strategy", "seed", "round", "position", "index")
    lines = list(GOOD)
    lines[at] = tuple(columns.get(name, value) for name, value in zip(names, lines[at], strict=True))  # type: ignore[assignment]
    return lines


def test_a_good_file_is_read_in_the_order_bought(written) -> None:
    path = written(GOOD)
    check_picks([path], ASKED, pool_of)
    assert replayed_names([path]) == ("theirs",)
    assert read_picks(path).batches["theirs"][1] == {0: ("8", "20"), 1: ("5",), 2: ("21",)}
    starts = starts_of([path], [0, 1], [pool_of(0), pool_of(1)])
    assert {seed: [IDS[i] for i in at] for seed, at in starts.items()} == {0: [8, 20], 1: [8, 20]}
    assert (start_sources([path], [1]), start_sources([path], [7])) == ((path,), ())
    assert replayed_strategy([path], "other") is None


def test_ids_stand_for_indices(written) -> None:
    lines = [(*line[:4], f"s{line[4]}") for line in GOOD]
    path = written(lines, column="id")  # type: ignore[arg-type]
    check_picks([path], ASKED, pool_of)
    assert positions_in(pool_of(0), read_picks(path), "theirs", 0, 0).tolist() == [IDS.index(8), IDS.index(20)]


@pytest.mark.parametrize(
    ("sample", "records", "text"),
    [
        ("s99", True, "id 's99' is no sample of the data"),
        ("s28", True, "id 's28' stands twice in the data; give the column index"),
        ("", True, "line 4: has no id; write the sample's"),
        ("s3", False, "knows samples by id, and the data have no ids; give the column index"),
    ],
)
def test_ids_that_tell_no_sample(written, sample: str, records: bool, text: str) -> None:
    lines = [(*line[:4], f"s{line[4]}") for line in GOOD]
    lines[2] = (*lines[2][:4], sample)
    path = written(lines, column="id")
    with pytest.raises(DataError, match=text):
        check_picks([path], ASKED, pool_of if records else lambda seed: replace(pool_of(seed), records=Records()))


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (changed(2, seed="x"), "line 4: seed 'x' is no whole number"),
        (changed(2, index="3.0"), "line 4: index '3.0' is no whole number"),
        (changed(2, seed=10**10), "line 4: seed 10000000000 is larger than 1,000,000,000, fbench's largest"),
        (changed(1, position=1), "line 3: position 1 stands twice in that round; number them"),
        (changed(3, index=3), "strategy 'theirs', seed 0, round 2: index 3 is bought twice in that seed"),
        (GOOD[:4], "strategy 'theirs' has no seed 1, which --seeds asks; it has 0"),
        (GOOD[:7], "seed 1, round 2: is not there, and --rounds 2 asks it; ask fewer"),
        ([*GOOD, ("theirs", 1, 2, 1, 10)], "round 2: has 2 samples, and --batch is 1; give --batch 2"),
        (GOOD[1:], "seed 0, round 0: has 1 samples, and --start is 2; give --start 1"),
        (changed(2, index=4), "index 4 is not in that seed's pool of 8: it is a test image, or the file is of other"),
        (changed(2, index=29), "index 29 is not in that seed's pool"),
        (
            [*GOOD, *[("more", *line[1:]) for line in changed(4, index=10)]],
            "'more', seed 1, round 0: begins from another",
        ),
        (changed(2, strategy="random"), "random is a strategy of fbench"),
    ],
)
def test_what_cannot_be_replayed(written, lines: list[Line], text: str) -> None:
    path = written(lines)
    with pytest.raises(DataError, match=text) as caught:
        check_picks([path], ASKED, pool_of)
    assert str(caught.value).startswith(f"--replay {path}")


def test_what_a_seed_began_with_is_not_bought(written) -> None:
    """Without start sets in the file, those that are drawn."""
    begun = IDS[drawn_start(pool_of(0), 0, 2)[0]]
    lines = [line for line in changed(2, index=begun) if line[2]]
    with pytest.raises(DataError, match=f"round 1: index {begun} is in the start set that this run begins with; add"):
        check_picks([written(lines)], ASKED, pool_of)
    whole, alone = written(GOOD), written([("more", 0, 1, 0, 8), ("more", 0, 2, 0, 3)], name="more.csv")
    with pytest.raises(DataError, match="index 8 is in the start set that this run begins with"):
        check_picks([whole, alone], replace(ASKED, seeds=(0,)), pool_of)


def test_a_start_set_without_the_missing_classes(written) -> None:
    may_start = torch.tensor([index != 20 for index in IDS])
    with pytest.raises(DataError, match="seed 0, round 0: begins with a sample of a class that --dataset …:missing"):
        check_picks([written(GOOD)], ASKED, lambda seed: replace(pool_of(seed), may_start=may_start))


def test_two_files_have_names_of_their_own(written) -> None:
    first, second = written(GOOD), written(GOOD, name="again.csv")
    with pytest.raises(DataError, match=r"again\.csv: has the strategy 'theirs', as .*picks\.csv has; call one"):
        replayed_names([first, second])
    assert replayed_names([first, f"mine={second}"]) == ("theirs", "mine")
