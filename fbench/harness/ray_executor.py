"""Where cases run by ``--executor ray``: in worker processes as the local ones, each held by an actor of a cluster.

The actor is the worker's parent on its machine: what a case does to its process is an event there as it is here. What
befalls the actor itself, or its whole machine, is Ray's to tell; the case then begins again elsewhere, from what is
committed. The driver alone writes.
"""

from __future__ import annotations

import functools
import math
import os
import pickle
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from fbench.errors import UsageError
from fbench.harness import registry
from fbench.harness.cluster import Cluster, Node, differing, joined, nodes_of, versions
from fbench.harness.contract import Case, Row
from fbench.harness.executors import CaseOutcome, Committed, Event, Fault, Job, WorkerProcess, take_turns
from fbench.harness.suite import Suite

_MOST_LOSSES = 5
"""Workers that a case may lose before it is blamed; a node that dies may cost two, as Ray learns of it late."""
_THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Needs(NamedTuple):
    """What a worker takes of a node."""

    cpus: float
    gpus: float


def needs_of(suite: Suite, devices: Sequence[str], threads: int, nodes: Sequence[Node]) -> Needs:
    """The CPUs and GPUs of a worker: what is timed holds a node's CPUs, or its GPUs, alone.

    Of several nodes it is the largest whose CPUs are taken: any other could be shared with somebody.
    """
    timed, gpus = suite.executor != "inline", sum(device != "cpu" for device in devices)
    if gpus:
        return Needs(threads, suite.gpu_share if gpus == 1 and not timed else gpus)
    return Needs(max(threads, *(node.cpus for node in nodes)) if timed else threads, 0)


def cpus_beside(suite: Suite, devices: Sequence[str], cluster: Cluster) -> int:
    """CPUs of a worker on GPUs: its share of its node's, on the node that has the fewest of them to a GPU; 1 at least.

    More would leave GPUs without a worker.
    """
    gpus = needs_of(suite, devices, 1, cluster.nodes).gpus
    return math.floor(max(1, min((gpus * node.cpus / node.gpus for node in cluster.nodes if node.gpus), default=1)))


def room_for(suite: Suite, devices: Sequence[str], threads: int, cluster: Cluster) -> int:
    """How many workers the cluster has room for.

    Raises:
        UsageError: not for one.
    """
    needs = needs_of(suite, devices, threads, cluster.nodes)
    lanes = cluster.lanes(needs.cpus, needs.gpus)
    if lanes == 0:
        gpus = f" and {needs.gpus:g} GPUs" if needs.gpus else ""
        raise UsageError(
            f"{cluster}: no node has {needs.cpus:g} CPUs{gpus}; give fewer --threads, or a larger cluster's --address"
        )
    return lanes


def cluster_workers(
    job: Job, cases: Sequence[Case[Any]], committed: Committed, seed: int, count: int, cluster: Cluster
) -> Iterator[Event]:
    """Run the cases in ``count`` workers of a cluster; one that is lost costs time, and no row.

    Raises:
        UsageError: as ``joined``; a worker's fbench, torch or Python is another.
    """
    with joined(cluster.address, int(cluster.nodes[0].cpus)) as ray:
        suite = registry.SUITES.get(job.suite)
        needs = needs_of(suite, job.context.devices, job.threads, nodes_of(ray))
        order, data = ray.put(_ordered(job, suite)), functools.cache(lambda: ray.put(_loaded_data(job, suite)))
        lanes = [_RayLane(ray, order, data, needs) for _ in range(min(count, len(cases)))]
        yield from take_turns(job, cases, committed, seed, lanes, lambda awaited: ray.wait(awaited)[0])


@dataclass(frozen=True)
class _Order:
    """What an actor gets from the driver, once a cluster: the job, and what it must be like there as it is here."""

    job: Job
    ends_at: float
    folder: str
    variables: Mapping[str, str]
    loads: tuple[tuple[str, Mapping[str, bytes]], ...]
    data_paths: Sequence[str]
    versions: Mapping[str, str]


def _ordered(job: Job, suite: Suite) -> _Order:
    left_s = job.context.ends_at - time.monotonic()  # another machine's monotonic clock began elsewhere
    kept = {name: text for name, text in os.environ.items() if name.startswith("FBENCH_") or name in _THREAD_COUNTS}
    loads = tuple((str(path.absolute()), _beside(path)) for path in job.loads)
    paths = list(suite.data.paths(suite.options(**job.options))) if suite.data else []
    return _Order(job, time.time() + left_s, str(Path.cwd()), kept, loads, paths, versions())


def _loaded_data(job: Job, suite: Suite) -> bytes:
    """What the suite's cases read, pickled: the actor passes it on, and needs no torch for it."""
    assert suite.data is not None
    return pickle.dumps(suite.data.load(suite.options(**job.options)))


def _beside(path: Path) -> dict[str, bytes]:
    """A loaded file, and what lies beside it under its name: what was defined in Python is in such a file."""
    return {file.name: file.read_bytes() for file in path.absolute().parent.glob(f"{path.stem}.*") if file.is_file()}


class _RayLane:
    """An actor and the case that it works at; one that is lost is replaced, and its case sent again."""

    awaited: Any = None

    def __init__(self, ray: Any, order: Any, data: Callable[[], Any], needs: Needs) -> None:
        self._ray, self._order, self._data, self._needs = ray, order, data, needs
        self._actor: Any = None
        self._losses: Counter[str] = Counter()

    def send(self, case: Case[Any], committed: Committed) -> None:
        self._case, self._committed = case, committed
        if self._actor is None:
            placed = self._ray.remote(num_cpus=self._needs.cpus, num_gpus=self._needs.gpus)
            self._actor = placed(NodeWorker).remote(self._order)
        self.awaited = self._actor.advance.remote(case.id, tuple(case.point), committed(case))

    def receive(self) -> tuple[CaseOutcome, float] | None:
        errors = self._ray.exceptions
        try:
            outcome, seconds = self._ray.get(self.awaited)
            return outcome, seconds
        except errors.RayTaskError as error:
            if isinstance(error.cause, _NoDataError):
                self._actor.hold.remote(self._data())
                self.send(self._case, self._committed)
                return None
            raise (error.cause if isinstance(error.cause, UsageError) else error) from None
        except errors.OutOfMemoryError:
            self.stop()
            return Fault("oom", "Ray ended the worker, as the memory of its node was running out"), 0.0
        except errors.RayError as error:
            self.stop()
            return self._again(error)

    def _again(self, error: Exception) -> tuple[CaseOutcome, float] | None:
        if getattr(error, "actor_init_failed", False):
            raise UsageError(f"--executor ray: a worker cannot begin: {_last_line(error)}") from error
        self._losses[self._case.id] += 1
        if self._losses[self._case.id] > _MOST_LOSSES:
            return Fault("failed", f"its worker was lost {_MOST_LOSSES + 1} times: {_last_line(error)}"), 0.0
        warnings.warn(
            f"{self._case.id}: its worker was lost, with its node or alone; it goes on elsewhere", stacklevel=2
        )
        self.send(self._case, self._committed)
        return None

    def renew(self) -> None:
        try:
            self._ray.get(self._actor.renew.remote())
        except (AttributeError, self._ray.exceptions.RayError):  # it is gone, and with it what it held
            self.stop()

    def stop(self) -> None:
        if self._actor is not None:
            self._ray.kill(self._actor)
            self._actor = None


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[-1]


class _NoDataError(Exception):
    """What the cases read is not on this machine."""


class NodeWorker:
    """The actor: on a machine of the cluster, the parent of a worker process.

    Raises:
        UsageError: this machine has other versions.
    """

    def __init__(self, order: _Order) -> None:
        self._differs = differing(order.versions, versions(), os.uname().nodename)
        for name in _THREAD_COUNTS:  # Ray sets one, and libraries would round as on no other machine
            os.environ.pop(name, None)
        os.environ.update(order.variables)
        if Path(order.folder).is_dir():  # where paths that were typed are found, if anywhere
            os.chdir(order.folder)
        left_s = order.ends_at - time.time()
        context = replace(order.job.context, ends_at=time.monotonic() + left_s if left_s < math.inf else math.inf)
        self._job = replace(order.job, context=context, loads=tuple(_at_hand(*load) for load in order.loads))
        self._lacks_data = not all(Path(path).exists() for path in order.data_paths)
        self._worker: WorkerProcess | None = None

    def hold(self, data: bytes) -> None:
        """Have what the cases read, which this machine lacks."""
        self._job, self._lacks_data = replace(self._job, data=data), False

    def advance(self, case_id: str, coordinates: tuple[Any, ...], committed: dict[str, list[Row]]) -> tuple[Any, float]:
        """The case's next unit, or what became of it, and the seconds that it took."""
        if self._differs:
            raise UsageError(self._differs)
        if self._lacks_data:
            raise _NoDataError
        self._worker = self._worker or WorkerProcess(self._job)
        self._worker.send(Case(case_id, coordinates), lambda case: committed)
        return self._worker.receive()

    def renew(self) -> None:
        """End the worker process: the next case gets another."""
        if self._worker is not None:
            self._worker.renew()


def _at_hand(path: str, files: Mapping[str, bytes]) -> Path:
    """The loaded file as it is here, where it is the same; else a copy of what the driver has."""
    here = Path(path).parent
    if all((here / name).is_file() and (here / name).read_bytes() == data for name, data in files.items()):
        return Path(path)
    folder = Path(tempfile.mkdtemp(prefix="fbench-"))
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / Path(path).name
