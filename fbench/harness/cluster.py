"""Ray, for ``--executor ray``: how it is begun or joined, what its nodes have, and what may not differ between them.

``ray`` is imported inside: it is the extra ``fbench[ray]``, and only who asks for it waits for it.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import platform
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, NamedTuple

import fbench
from fbench.errors import UsageError
from fbench.harness import registry
from fbench.harness.identity import package_digest
from fbench.harness.ray_address import check_address, knock, take_token

_RAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # what is begun here tells nobody of itself
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # cases on a CPU see the GPUs that they are not to take, as they do here
}
"""How Ray is set where the user has not."""


class Node(NamedTuple):
    """What a machine of a cluster has."""

    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs cases: ``address`` as it was typed, empty for this machine alone, and its nodes."""

    address: str
    nodes: tuple[Node, ...]

    def lanes(self, cpus: float, gpus: float) -> int:
        """How many processes of so many CPUs and GPUs fit side by side; none is spread over two nodes.

        Example:
            >>> Cluster("auto", (Node(4, 0), Node(7, 1))).lanes(2, 0), Cluster("", (Node(4, 1),)).lanes(1, 0.5)
            (5, 2)
        """
        return sum(math.floor(min(n.cpus / cpus, n.gpus / gpus if gpus else math.inf) + 1e-9) for n in self.nodes)

    def __str__(self) -> str:
        if not self.address:
            return "Ray on this machine"
        cpus, gpus = (sum(column) for column in zip(*self.nodes, strict=True))
        nodes = f"{len(self.nodes)} node{'' if len(self.nodes) == 1 else 's'}"
        return f"Ray at {self.address}: {nodes}, {cpus:g} CPUs" + (f", {gpus:g} GPUs" if gpus else "")


def require_ray() -> Any:
    """The module ``ray``.

    Raises:
        UsageError: it is not installed.
    """
    for name, text in _RAYS.items():  # read when ``ray`` is imported
        os.environ.setdefault(name, text)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError(f"--executor ray needs Ray ({error}); install it: pip install 'fbench[ray]'") from error


@contextlib.contextmanager
def joined(address: str, cpus: int = 0) -> Iterator[Any]:
    """Ray, begun on this machine with so many CPUs, or joined at an address; left at the end.

    A program that has begun Ray itself keeps it, and cases run there.

    Raises:
        UsageError: Ray is not installed, nothing answers, or what answers is another version.
    """
    if address not in ("", "auto"):
        _approach(address)
    ray = require_ray()
    if ray.is_initialized():
        yield ray
        return
    try:
        with _handlers_kept():
            _begin(ray, address, cpus)
        yield ray
    finally:
        ray.shutdown()


def cluster_at(address: str, here: Node) -> Cluster:
    """The cluster that answers at an address; without one, this machine, where Ray is begun once there is work.

    Raises:
        UsageError: as ``joined``, or what is no address.
    """
    if address:
        check_address(address)
    if not address and not require_ray().is_initialized():
        return Cluster("", (here,))
    with joined(address) as ray:
        return Cluster(address, nodes_of(ray))


def nodes_of(ray: Any) -> tuple[Node, ...]:
    """The nodes that are alive."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return tuple(Node(resources.get("CPU", 0.0), resources.get("GPU", 0.0)) for resources in alive)


def _approach(address: str) -> None:
    try:
        knock(address)
    except OSError as error:
        raise UsageError(_why_not(address, error)) from error
    take_token(address)


def _begin(ray: Any, address: str, cpus: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    logging.getLogger("ray").setLevel(logging.ERROR)  # before ``init`` has read that it is to be quiet
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address:
                ray.init(address, **quiet)
            else:
                ray.init("local", num_cpus=cpus, include_dashboard=False, **quiet)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it ends the program where it has waited too long
        raise UsageError(_why_not(address, error)) from error


def _why_not(address: str, error: BaseException) -> str:
    """One line of what Ray says in several."""
    text = getattr(error, "strerror", None) or str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "ersion" in str(error) and "mismatch" in str(error).lower():
        told = " ".join(lines)
        return f"--address {address}: the cluster has other versions ({told}); install the same here and there"
    where = f"--address {address}" if address else "--executor ray"
    reason = lines[0] if lines else type(error).__name__
    remedy = "give the address of a cluster that runs (ray start --head)" if address else "see /tmp/ray for its logs"
    return f"{where}: Ray does not answer: {reason.rstrip('.')}; {remedy}"


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and would end the program before its last words."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def versions() -> dict[str, str]:
    """What must be the same where the run is driven and where its cases run; torch is not imported.

    Builds of torch for other accelerators count as the same, and so do Pythons that differ by mended faults alone.
    """
    registry.SUITES.names()  # so that the suites are imported, whose code counts
    python = ".".join(platform.python_version_tuple()[:2])
    code = f"{fbench.__version__} ({package_digest()[:8]})"
    return {"fbench": code, "torch": metadata.version("torch").partition("+")[0], "Python": python}


def differing(here: Mapping[str, str], there: Mapping[str, str], node: str) -> str:
    """What versions differ, as one line; empty where none does.

    Example:
        >>> differing({"torch": "2.11.0", "Python": "3.11"}, {"torch": "2.12.0", "Python": "3.11"}, "node-7")
        'torch is 2.11.0 here and 2.12.0 on node-7: rows would not be the same; install the same on every machine'
    """
    told = [
        f"{name} is {version} here and {there[name]} on {node}"
        for name, version in here.items()
        if there[name] != version
    ]
    return f"{', '.join(told)}: rows would not be the same; install the same on every machine" if told else ""
