"""Commands in real processes, several at once and killed if need be, without seconds of imports for each of them.

Run as a program, it imports fbench once and then forks a process for every command that it is told on its input;
``Forks`` is the other end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Forks:
    """A process that has everything imported and forks; its children work in ``cwd``."""

    def __init__(self, cwd: Path, *loads: Path) -> None:
        self.cwd = cwd
        command = [sys.executable, __file__, *map(str, loads)]
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd, env={**os.environ, **threads}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate("")

    def ran(self, *commands: Sequence[str], kill_after_s: float | None = None) -> list[tuple[int, str, str]]:
        """Run these at once; gives each one's exit code (negative: its signal), and what it printed.

        The first is killed after so many seconds, if it has not ended by then.
        """
        print(json.dumps([commands, kill_after_s]), file=self._process.stdin, flush=True)
        return [tuple(ended) for ended in json.loads(self._process.stdout.readline())]


def _child(words: list[str], folder: str, number: int) -> int:
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        for handle, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(os.path.join(folder, f"{name}{number}"), os.O_WRONLY | os.O_CREAT), handle)  # noqa: PTH118
        from fbench import cli

        code = cli.run(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _serve(commands: list[list[str]], kill_after_s: float | None) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        processes = [_child(words, folder, number) for number, words in enumerate(commands)]
        if kill_after_s is not None:
            timer = threading.Timer(kill_after_s, os.kill, (processes[0], signal.SIGKILL))
            timer.start()
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes[::-1]][::-1]
        if kill_after_s is not None:
            timer.cancel()
        texts = [[Path(folder, f"{name}{n}").read_text() for name in ("out", "err")] for n in range(len(commands))]
        return [[code, *text] for code, text in zip(codes, texts, strict=True)]


def main(loads: list[str]) -> None:
    """Import everything, then do as told until the input ends."""
    import torch

    from fbench.harness import registry
    from fbench.runs import report, study

    torch.set_num_threads(1)
    for path in loads:
        registry.load_file(Path(path))
    where = study.environment(("cpu",), 1)
    study.environment = lambda *_: where
    report.drawn = lambda figure, files: {f"figures/{figure.name}.{end}": b"x" for end in ("svg", "png")}
    for line in sys.stdin:
        print(json.dumps(_serve(*json.loads(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
