"""Processes on this machine that share a pool: what ``sharded:N`` is timed on.

The process that measures is rank 0. The others are begun with it, wait for a pass, and make the same calls; where it
ends, in whatever way, they do.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import socket
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
import torch.distributed as dist

from fbench.errors import LostRankError

_LOST_S = 60
"""Seconds after which a rank that says nothing counts as lost, when rank 0 is through."""
_current: list[Crew] = []
"""The crew of this process, if it has one: a process is in one group at a time."""


class Crew:
    """Rank 0 of ``count``, in this process, and the others; threads are shared out among ranks on a CPU."""

    def __init__(self, count: int, devices: tuple[str, ...]) -> None:
        self.count, self.devices = count, devices
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        self._threads = torch.get_num_threads()
        threads = max(1, self._threads // count)
        spawn = multiprocessing.get_context("spawn")
        self._others: list[tuple[Any, Connection]] = []
        for rank in range(1, count):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(
                target=_serve, args=(theirs, address, rank, count, _device_of(devices, rank), threads), daemon=True
            )
            process.start()
            theirs.close()
            self._others.append((process, ours))
        _join(address, 0, count, _device_of(devices, 0))
        torch.set_num_threads(threads)

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """What ``work`` gives here, while all others do the same.

        Raises:
            LostRankError: one of them has ended, or failed.
        """
        try:
            for _, channel in self._others:
                channel.send((work, arguments))
            result = work(_device_of(self.devices, 0), *arguments)
            for process, channel in self._others:
                _hear(process, channel)
            return result
        except BaseException:
            _current.clear()
            self.end()
            raise

    def end(self) -> None:
        """Leave the group, and end the other processes."""
        for process, channel in self._others:
            channel.close()
            process.kill()
            process.join()
        dist.destroy_process_group()
        torch.set_num_threads(self._threads)


def crew_of(count: int, devices: tuple[str, ...]) -> Crew:
    """The crew of so many ranks; begun at its first use, and kept until another is asked for."""
    if _current and (_current[0].count, _current[0].devices) != (count, devices):
        _current.pop().end()
    if not _current:
        _current.append(Crew(count, devices))
    return _current[0]


@atexit.register
def _end_current() -> None:
    """Leave the group with the process: torch may abort one that ends in a group, whatever it has done until then."""
    while _current:
        _current.pop().end()


def _hear(process: Any, channel: Connection) -> None:
    """Wait until a process is through with its part."""
    failed = "it ended"
    if channel in wait([channel, process.sentinel], _LOST_S):
        with contextlib.suppress(EOFError):
            failed = channel.recv()
    if failed:
        raise LostRankError(f"a process that shares the pool has failed: {failed}")


def _device_of(devices: tuple[str, ...], rank: int) -> str:
    return devices[rank % len(devices)]


def _join(address: str, rank: int, count: int, device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    patience = timedelta(seconds=10 * _LOST_S)
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=count, timeout=patience)


def _serve(channel: Connection, address: str, rank: int, count: int, device: str, threads: int) -> None:
    """What another rank does: the same calls, as long as there is somebody who asks for them."""
    torch.set_num_threads(threads)
    _join(address, rank, count, device)
    while True:
        try:
            work, arguments = channel.recv()
        except EOFError:
            return
        try:
            work(device, *arguments)
            channel.send("")
        except Exception as error:
            channel.send(f"{type(error).__name__}: {error}")
