"""``sharded:N``: processes of this machine that share a pool, timed as one way, and what becomes of them."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest
import torch
from command import finished, table
from crew_work import die_at_one, fail_at_one, ranks_and_threads

from fbench.errors import LostRankError, UsageError
from fbench.suites.select import crew as crews
from fbench.suites.select.crew import crew_of
from fbench.suites.select.ways import SelectionProblem, parse_way, unfit_reason


@pytest.fixture
def two():
    """A crew of two, and its other process."""
    threads = torch.get_num_threads()
    crew = crew_of(2, ("cpu",))
    ((process, _),) = crew._others
    yield crew, psutil.Process(process.pid)
    if crews._current:
        crews._current.pop().end()
    assert torch.get_num_threads() == threads
    assert not torch.distributed.is_initialized()


def test_both_do_the_same_and_share_the_threads(two):
    crew, _ = two
    assert crew.run(ranks_and_threads) == ["cpu", 1, 2]
    assert crew_of(2, ("cpu",)) is crew


@pytest.mark.parametrize(("work", "reason"), [(fail_at_one, "ValueError: no such thing"), (die_at_one, "it ended")])
def test_a_process_that_fails_ends_the_crew(two, work, reason):
    crew, other = two
    with pytest.raises(LostRankError, match=rf"^a process that shares the pool has failed: {reason}$"):
        crew.run(work)
    assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE
    assert crews._current == []


ENDS_WITH_A_CREW = """
import atexit

atexit.register(lambda: print(torch.distributed.is_initialized(), multiprocessing.active_children()))  # comes last

import multiprocessing
import torch.distributed
from fbench.suites.select.crew import crew_of

if __name__ == "__main__":
    crew_of(2, ("cpu",))
    print(torch.distributed.is_initialized())
"""


def test_a_process_that_ends_leaves_its_crew_before(tmp_path):
    (tmp_path / "ends.py").write_text(ENDS_WITH_A_CREW)
    ended = subprocess.run([sys.executable, "ends.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split("\n")) == (0, ["True", "False []", ""]), ended.stderr


def test_the_command_times_it_beside_one_process(tmp_path):
    words = "--candidates 61 --classes 3 --dim 12 --batch 4 --labelled 6 --passes 2 --dtype float64 --threads 1"
    folder = finished(tmp_path / "run", "select", *words.split(), "--methods", "incremental,sharded:2")
    rows = table(folder)
    of = {name: [row for row in rows if row["method"] == name] for name in ("incremental", "sharded:2")}
    phases = [row["phase"] for row in of["incremental"]]
    assert [row["phase"] for row in of["sharded:2"]] == phases
    agreed = [row for row in of["sharded:2"] if row["phase"] == "agreement"]
    assert [float(row["same_picks"]) for row in agreed] == [1.0]
    text = (folder / "summary.md").read_text()
    assert "sharded:2" in text
    children = psutil.Process().children(recursive=True)
    assert [child for child in children if "spawn_main" in " ".join(child.cmdline())] == []


def problem(n: int = 50) -> SelectionProblem:
    return SelectionProblem(n, k=3, d=12, batch=4, labelled=6)


def test_what_cannot_be_shared_out():
    two = parse_way("sharded:2")
    assert two.exact
    assert unfit_reason(problem(), two, ("cpu",)) == ""
    many = "sharded:60 has more processes than the 50 candidates"
    assert unfit_reason(problem(), parse_way("sharded:60"), ("cpu",)) == many
    assert unfit_reason(problem(), two, ("cuda:0",)) == "sharded:2 takes a GPU for each process, and 1 were named"
    with pytest.raises(UsageError, match=r"^--methods sharded:65: at most 64 processes share a pool here$"):
        parse_way("sharded:65")
