"""The program as its tests run it: what a command ended with, and the table that it wrote."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from fbench import cli


class Ended(NamedTuple):
    """A command's exit code and what it printed."""

    code: int
    out: str
    err: str


def table(folder: Path, name: str = "results") -> list[dict[str, str]]:
    """The rows of a run's table, every cell as text."""
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def finished(path: Path, *words: str) -> Path:
    """A run of ``fbench`` in this process that went well, in ``path``; torch's threads are left as they were."""
    threads = torch.get_num_threads()
    assert cli.run([*words, "--out", str(path)]) == 0
    torch.set_num_threads(threads)
    return path


def typed(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``fbench`` with these words, in a process of its own."""
    program = "import sys; from fbench.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *(str(word) for word in words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def interpreted(code: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, where Triton's kernels run interpreted."""
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
