"""Cases on a cluster of Ray: the rows are those of a local run, whatever befalls a worker, a node or the driver."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
from command import table
from outliving import outliving

from fbench import cli
from fbench.errors import UsageError
from fbench.harness import ray_executor, registry
from fbench.harness.cluster import Cluster, Node
from fbench.harness.contract import Context, Unit
from fbench.harness.executors import Fault, Job, inline
from fbench.harness.history import History
from fbench.harness.ray_executor import cluster_workers
from fbench.harness.suite import values_of

ray = pytest.importorskip("ray")

SMALL = {"object_store_memory": 80 * 2**20}
"""Of a node."""


QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300}
"""Of a cluster: that a node has died is seen after two seconds, not after half a minute."""


@pytest.fixture(scope="module")
def ray_cluster():
    """A head that runs nothing; tests add nodes."""
    from ray.cluster_utils import Cluster as NodesOfThisMachine

    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICK, **SMALL}
    cluster = NodesOfThisMachine(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def node(ray_cluster):
    """A machine of two CPUs, the only one that runs anything; a test may take it away."""
    node = ray_cluster.add_node(num_cpus=2, **SMALL)
    yield node
    if node in ray_cluster.list_all_nodes():
        ray_cluster.remove_node(node)


def until(what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def job_of(toy, suite, **options):
    declared = registry.SUITES.get(suite)
    chosen = replace(declared.typed(), **options)
    return Job(suite, values_of(chosen), Context(), 1, (toy,)), declared.grid(chosen)


def collect(events, job, cases, history):
    """Events, and the rows at their end; rows are completed as the runner does."""
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event.outcome, Unit):
            key = {"case": event.case.id, "step": event.outcome.index, "status": "ok"}
            history.add(event.case, replace(event.outcome, rows=[{**key, **row} for row in event.outcome.rows]))
    return seen, history.in_order(cases)


def on_cluster(cluster, job, cases, count=2):
    history = History(registry.SUITES.get(job.suite), {"results": [], "extra": []})
    where = Cluster(cluster.address, (Node(2, 0),))
    return collect(cluster_workers(job, cases, history.of, 0, count, where), job, cases, history)


def here(job, cases):
    history = History(registry.SUITES.get(job.suite), {"results": [], "extra": []})
    return collect(inline(job, cases, history.of, 0), job, cases, history)[1]


def faults(events):
    return {event.case.id: event.outcome for event in events if isinstance(event.outcome, Fault)}


def test_a_run_has_the_rows_of_a_local_one(registries, toy_file, ray_cluster, node, tmp_path, capsys):
    words = ["toyblocks", "--threads", "1", "--device", "cpu"]
    cluster = ["--executor", "ray", "--address", ray_cluster.address]
    assert cli.run([*words, "--load", str(toy_file), *cluster, "--out", str(tmp_path / "there")]) == 0
    assert cli.run([*words, "--jobs", "1", "--out", str(tmp_path / "here")]) == 0
    for name in ("results", "extra"):
        assert table(tmp_path / "there", name) == table(tmp_path / "here", name)
    where = f"Ray at {ray_cluster.address}: 2 nodes, 2 CPUs"
    assert f"(cpu, 2 × 1 threads; {where})" in capsys.readouterr().err
    assert json.loads((tmp_path / "there/environment.json").read_text())["cluster"] == where


def test_what_befalls_a_case_costs_it_alone(toy, ray_cluster, node, tmp_path):
    (tmp_path / "trap").write_text("2:1:kill")
    job, cases = job_of(toy, "toyworker", trap=str(tmp_path / "trap"))
    events, rows = on_cluster(ray_cluster, job, cases)
    why = "the worker process was killed (signal 9), as the system does when memory runs out"
    assert faults(events) == {"size=2": Fault("oom", why)}
    assert Counter(row["size"] for row in rows["results"]) == {1: 3, 2: 1, 3: 3}


def test_a_node_that_dies_in_the_middle_of_cases(toy, ray_cluster, node):
    """Its cases go on elsewhere from what is committed: no row is lost, none is there twice."""
    whole = here(*job_of(toy, "toyblocks"))
    job, cases = job_of(toy, "toyblocks", pause=0.7)
    history = History(registry.SUITES.get(job.suite), {"results": [], "extra": []})
    events = cluster_workers(job, cases, history.of, 0, 2, Cluster(ray_cluster.address, (Node(2, 0),)))
    first = next(events)
    other = ray_cluster.add_node(num_cpus=2, **SMALL)
    death = threading.Timer(0.3, ray_cluster.remove_node, [node, False])
    death.start()
    with pytest.warns(
        UserWarning, match=r"^size=\d: its worker was lost, with its node or alone; it goes on elsewhere$"
    ):
        seen, rows = collect(itertools.chain([first], events), job, cases, history)
    death.join()
    ray_cluster.remove_node(other)
    assert faults(seen) == {}
    assert rows == whole
    assert Counter((event.case.id, event.outcome.index) for event in seen if event.outcome).most_common(1)[0][1] == 1


@pytest.fixture
def full_node(ray_cluster, monkeypatch):
    """A machine whose memory is always about to run out: Ray ends what runs there."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.0001")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "50")
    node = ray_cluster.add_node(num_cpus=2, **SMALL)
    yield node
    ray_cluster.remove_node(node)


def test_a_worker_that_ray_ends_for_memory(toy, ray_cluster, full_node):
    job, cases = job_of(toy, "toy", sizes=(2,), pause=30.0)
    events, rows = on_cluster(ray_cluster, job, cases)
    reason = "Ray ended the worker, as the memory of its node was running out"
    assert faults(events) == {"size=2": Fault("oom", reason)}
    assert rows["results"] == []


class Gone:
    """As much of Ray as a worker needs that never answers: whatever is asked of it raises the same."""

    def __init__(self, error):
        self.error, self.begun = error, 0

    def __getattr__(self, name):
        return getattr(ray, name)

    def remote(self, *_, **__):
        return self if _ or not __ else lambda worker: self.started()

    def started(self):
        self.begun += 1
        return SimpleNamespace(remote=lambda order: SimpleNamespace(advance=self))

    def get(self, awaited):
        raise self.error

    def kill(self, actor):
        pass


def test_a_case_that_loses_every_worker(toy):
    """It is begun again five times, each with a warning, and then blamed."""
    gone = Gone(ray.exceptions.NodeDiedError("the node died\nof heat"))
    lane = ray_executor._RayLane(gone, None, None, ray_executor.Needs(1, 0))
    _, [case] = job_of(toy, "toy", sizes=(2,))
    lane.send(case, lambda case: {})
    with pytest.warns(UserWarning, match="^size=2: its worker was lost, with its node or alone; it goes on elsewhere$"):
        assert [lane.receive() for _ in range(5)] == [None] * 5
    assert lane.receive() == (Fault("failed", "its worker was lost 6 times: of heat"), 0.0)
    assert gone.begun == 6


def test_a_worker_that_cannot_begin(toy, ray_cluster, node, monkeypatch):
    ordered = ray_executor._ordered
    monkeypatch.setattr(ray_executor, "_ordered", lambda *asked: replace(ordered(*asked), ends_at="never"))
    with pytest.raises(UsageError, match=r"^--executor ray: a worker cannot begin: TypeError: unsupported .*'str'"):
        on_cluster(ray_cluster, *job_of(toy, "toy"))


def test_other_versions_there(toy, ray_cluster, node, monkeypatch):
    versions = ray_executor.versions()
    monkeypatch.setattr(ray_executor, "versions", lambda: {**versions, "torch": "1.0.0"})
    job, cases = job_of(toy, "toy")
    with pytest.raises(UsageError, match=r"^torch is 1\.0\.0 here and .* on .*: rows would not be the same; install"):
        on_cluster(ray_cluster, job, cases)


HELD = """
    import os, time
    from dataclasses import replace
    from pathlib import Path
    from fbench.harness.contract import Unit
    from fbench.harness.registry import SUITES

    def held(case, options, context):
        for step in range(context.done, options.steps):
            while step == 1 and Path("hold").exists():
                time.sleep(0.02)
            yield Unit(step, [{"size": case.point.size, "value": os.getpid()}])

    SUITES.add(replace(SUITES.get("toy"), name="held", measure=held))
"""


@pytest.fixture
def held(toy_file, tmp_path):
    """The words of a command whose cases give a unit and then wait until a file is gone; they tell their processes."""
    loaded = tmp_path / "held.py"
    loaded.write_text(textwrap.dedent(HELD))
    (tmp_path / "hold").touch()
    return ["held", "--load", str(toy_file), "--load", str(loaded), "--threads", "1", "--out", "run"]


def rows_of(folder):
    """Rows that are written to their end; none while the last one is being written."""
    path = folder / "results.csv"
    return table(folder) if path.exists() and path.read_text().endswith("\n") else []


def test_a_driver_that_is_killed(registries, held, ray_cluster, node, tmp_path, monkeypatch, capsys):
    """What it had on the cluster ends, and the same folder is gone on with, without Ray too."""
    words = [sys.executable, "-c", "from fbench.cli import main; main()", *held, "--executor", "ray"]
    driver = subprocess.Popen([*words, "--address", ray_cluster.address], cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert until(lambda: len(rows_of(tmp_path / "run")) == 2)
    before = rows_of(tmp_path / "run")
    family = [psutil.Process(int(float(row["value"]))) for row in before]
    driver.kill()
    driver.wait()
    assert outliving(family, 20) == []
    before = rows_of(tmp_path / "run")  # as they stand now that nobody writes
    assert len(before) == 2
    (tmp_path / "hold").unlink()
    monkeypatch.chdir(tmp_path)
    assert cli.run([*held, "--jobs", "1"]) == 0
    assert "Taking up the unfinished run" in capsys.readouterr().err
    after = rows_of(tmp_path / "run")
    assert len({(row["size"], row["step"]) for row in after}) == len(after) == 9
    assert all(row in after for row in before)
