"""Processes of one ``torch.distributed`` group on this machine, begun as torchrun begins them, and what they said.

torchrun itself ends the others as soon as one fails; here each is left to itself, so that its own end is seen.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def run_ranks(words: Sequence[str], count: int, folder: Path, seconds: float = 100) -> list[tuple[int, str, str]]:
    """Run ``python WORDS`` as ``count`` ranks in a folder; each one's exit code and what it wrote, in order."""
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count)}
    group |= {"LOCAL_WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, **group, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    try:
        said = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *words) for process, words in zip(processes, said, strict=True)]
