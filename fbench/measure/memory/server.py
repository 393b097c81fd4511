"""What runs in a sampler's own process; ``sampler`` begins it and speaks to it. It must be light to import."""

from __future__ import annotations

import json
import os
import pickle
import select
import time
from collections.abc import Callable

from fbench.measure.memory.readers import Reader, ReaderFault
from fbench.measure.memory.samples import STAGE, record

__all__ = ["serve"]


def serve(file: int, setup: bytes) -> None:
    """Sample from "+" to "-" on the standard input, with an answer to each; end when the other side is gone."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    series = _Series(file, setup)
    _answer(answers)
    while os.read(0, 1) == b"+":
        fault = _fault_of(series.begin)
        _answer(answers, fault=fault, **series.about)
        fault = fault or _fault_of(series.go_on)
        if os.read(0, 1) != b"-":
            break
        _answer(answers, fault=fault)
    series.close()


def _answer(answers: int, **what: object) -> None:
    os.write(answers, json.dumps(what).encode() + b"\n")


def _fault_of(call: Callable[[], None]) -> str:
    try:
        call()
    except ReaderFault as error:
        return str(error)
    except Exception as error:  # of the reader, or of the file: whatever it is, it must be told
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return ""


class _Series:
    """Readings on a fixed schedule, written to the file; the reader is made at the first and then kept."""

    def __init__(self, file: int, setup: bytes) -> None:
        self._file, self._setup = file, setup
        self._reader: Reader | None = None
        self.about: dict[str, object] = {}  # what is known from the first reading on

    def begin(self) -> None:
        self.about = {}
        make, period_s = pickle.loads(self._setup)
        self._reader = self._reader or make()
        self._start = time.perf_counter()
        values = self._reader.read()
        self._quantities, self._record = list(values), record(len(values))
        self._period_s = max(period_s, self._reader.least_period_s)
        self._write(self._start, values)
        self.about = {"scope": self._reader.scope, "quantities": self._quantities, "period_s": self._period_s}

    def go_on(self) -> None:
        """Until something is said on the standard input."""
        assert self._reader is not None
        start, period_s, count = self._start, self._period_s, 1
        due = start + period_s
        while not select.select([0], [], [], max(0.0, due - time.perf_counter()))[0]:
            now = time.perf_counter()
            self._write(now, self._reader.read())
            count += 1
            if count % STAGE == 1:  # this sample is the first of a stage
                start, period_s = now, 2 * period_s
            passed = int((time.perf_counter() - start) / period_s)
            due = start + (passed + 1) * period_s  # on the schedule: what came late does not delay the rest

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _write(self, t_s: float, values: dict[str, int]) -> None:
        os.write(self._file, self._record.pack(t_s, *(values[name] for name in self._quantities)))
