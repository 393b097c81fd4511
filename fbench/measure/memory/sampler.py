"""A process of its own that reads memory at a fixed period: a thread beside a Python loop would come to its turn late.

It is begun with ``subprocess`` and not ``multiprocessing``: a worker of a run is a daemon, which may have no children
there, and a spawned child would import the parent's main module, and torch with it. Both sides speak in single lines
over its standard streams; samples go to a nameless file that both hold, so that nothing is sent while something is
measured, and a sampler that is killed loses no sample. Times are ``time.perf_counter``'s, one clock for all processes.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

from fbench.measure.memory.readers import Reader
from fbench.measure.memory.samples import Samples, missed_periods, record, unpack_samples

__all__ = ["PERIOD_S", "Sampler", "Samples"]

PERIOD_S = 0.020
"""Seconds between two readings where nobody says: a reading takes up to 0.15 ms of a core that had gone to sleep."""

PATIENCE_S = 20.0  # for an answer: Python starts in 0.1 s, NVML on a machine of many sleeping GPUs in several
GRACE_S = 1.0  # for ending by itself
SILENCE_S = 2.0  # and at least 50 periods without a reading: none is waited for any more
_MAIN = (
    "import pickle, sys; file, path, setup = pickle.load(sys.stdin.buffer); sys.path[:] = path; "
    "from fbench.measure.memory.server import serve; serve(file, setup)"
)


class Sampler:
    """Reads in a process of its own; started and stopped any number of times, and waiting in between.

    ``make`` gives the reader. It is called in that process, so it must come from a module that can be imported there,
    as ``functools.partial(RssReader, pid)`` does. What goes wrong with the reader or its process is a fault in the
    samples. A reader is asked again at the next start; a process that is gone is not begun again, since growth would
    count from another first reading.

    Raises:
        Exception: ``make`` cannot be pickled.
    """

    def __init__(self, make: Callable[[], Reader], period_s: float = PERIOD_S) -> None:
        self._setup = pickle.dumps((make, period_s))
        self.period_s = period_s
        """The period in use: the reader's own least one where that is longer, once it has read."""
        self._file: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lost = ""  # why the process is gone
        self._first: dict[str, Any] = {}  # what it said of the first reading since the last start
        self._silent = False

    @property
    def pid(self) -> int | None:
        """The sampler's process, while there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Sample until ``stop``; returns when the first reading was taken, or could not be."""
        self._first, self._silent = {}, False
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  open until ``close``
                self._begin(self._file.fileno())
            self._file.seek(0)  # the place is shared with the process, which writes from here on
            self._file.truncate()
        except (OSError, ValueError) as error:  # no disk, no process, not a POSIX system; or closed
            self._lose(f"the sampler cannot be started: {error}")
        self._first = self._ask(b"+")
        self.period_s = self._first.get("period_s", self.period_s)

    def await_reading(self) -> None:
        """Return once a reading was begun and done, or when there will plainly be none until the next start."""
        quantities = self._first.get("quantities")
        if self._process is None or self._file is None or not quantities or self._silent:
            return
        # Two: the first of them may have begun before.
        enough = os.fstat(self._file.fileno()).st_size + 2 * record(len(quantities)).size
        limit = time.monotonic() + max(SILENCE_S, 50 * self.period_s)
        while os.fstat(self._file.fileno()).st_size < enough and self._process.poll() is None:
            if time.monotonic() > limit:
                self._silent = True
                return
            time.sleep(self.period_s / 4)

    def stop(self) -> Samples:
        """What was sampled since ``start``; never raises."""
        stop_s = time.perf_counter()
        answer = self._ask(b"-") if self._first else {}
        times, values = unpack_samples(self._content(), self._first.get("quantities", []))
        missed = missed_periods(times, stop_s, self.period_s)
        scope, fault = self._first.get("scope", ""), answer.get("fault") or self._lost
        self._first = {}
        return Samples(times, values, scope, self.period_s, missed, fault)

    def close(self) -> None:
        """End the process."""
        self._first = {}
        self._lose("the sampler is closed", grace_s=GRACE_S)
        if self._file is not None:
            self._file.close()

    def _begin(self, file: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what goes wrong is said on stdout
            bufsize=0,
            pass_fds=[file],
            start_new_session=True,  # Ctrl-C is this process's to handle
        )
        # Its answer is waited for: it reads ahead here, and would take a command for the rest of this.
        self._ask(pickle.dumps((file, sys.path, self._setup)))

    def _ask(self, what: bytes) -> dict[str, Any]:
        """What the process answers; if it does not, it is given up, and nothing is the answer."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return {}
        limit, line = time.monotonic() + PATIENCE_S, b""
        try:
            process.stdin.write(what)
            while not line.endswith(b"\n"):
                if not select.select([process.stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
                    self._lose(f"the sampler's process did not answer within {PATIENCE_S:g} s")
                    return {}
                part = os.read(process.stdout.fileno(), 1 << 16)
                if not part:
                    raise BrokenPipeError
                line += part
            return dict(json.loads(line))
        except (OSError, ValueError):  # it has ended, and says by its exit how
            self._lose(grace_s=GRACE_S)
            return {}

    def _lose(self, why: str = "", grace_s: float = 0.0) -> None:
        """End the process, which has ``grace_s`` to end by itself; without a ``why``, how it ended is why."""
        process, self._process = self._process, None
        if process is None:
            self._lost = self._lost or why
            return
        if process.stdin is not None:
            process.stdin.close()  # on which it ends
        code = _exit_of(process, grace_s)
        if code is None:
            process.kill()
            code = _exit_of(process, GRACE_S)
        self._lost = why or f"the sampler's process ended {_how(code)}"
        if process.stdout is not None:
            process.stdout.close()

    def _content(self) -> bytes:
        if self._file is None or not self._first:
            return b""
        self._file.seek(0)
        return self._file.read()


def _exit_of(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """Its exit code; None if it runs on: in the midst of a driver's call not even a kill ends it."""
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None


def _how(code: int | None) -> str:
    if code is None:
        return "and cannot be asked how"
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"by signal {-code}"
