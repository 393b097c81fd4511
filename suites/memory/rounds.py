"""The rounds of one case of ``fbench memory`` as units of rows: peaks, what is held, the time line, the readers."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from fbench.fisher.planning.plan import MEMORY_MARGIN
from fbench.harness.contract import Row, Unit
from fbench.measure.memory.growth import return_freed_blocks
from fbench.measure.memory.watch import MemoryWatch, RoundMemory

from .model import Limits, limits, predicted
from .phases import play
from .plan import spec_of, unfit
from .spec import Spec

_SPOKEN_OF = {"cpu": ("rss", "used"), "cuda": ("torch", "allocated")}
"""By kind of device, the source and quantity that a prediction is of."""
_TIME_LINE = 1
"""The round whose time line is kept: the first one's has first uses in it."""


@dataclass(frozen=True)
class Task:
    """One case: its point of the grid, the suite's options, the devices."""

    point: Mapping[str, Any]
    options: Mapping[str, Any]
    devices: tuple[str, ...]

    @property
    def spec(self) -> Spec:
        """Its sizes."""
        return spec_of(self.point, self.options)


def run(task: Task, done: int) -> Iterator[Unit]:
    """Rounds after the first ``done``; a case that cannot be, or would not fit, ends with a unit that says why."""
    reason = unfit(task.point, task.options)
    if reason:
        yield from [] if done else [Unit(0, [{**task.point, "status": "skipped", "reason": reason}])]
        return
    found = {device: limits(task.spec, device, task.options["memory_budget"], task.devices) for device in task.devices}
    refused = next((each.refusal for each in found.values() if each.refusal), "")
    if refused:
        yield Unit(done, _refused(task, refused), {} if done else {"limits": _limit_rows(task, found)})
        return
    if task.options["malloc"] == "returning":
        return_freed_blocks()
    _warm_up(task)
    guesses = {device: predicted(task.spec, device, task.devices) for device in found}
    with _frozen(), MemoryWatch(task.devices) as watch:
        for number in range(done, task.options["rounds"]):
            watch.begin()
            play(task.spec, task.devices, watch.phase)
            yield _unit(task, number, watch.end(), found, guesses)


@contextmanager
def _frozen() -> Iterator[None]:
    """Each phase begins with a collection of garbage, which need not look at what libraries have made once."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _warm_up(task: Task) -> None:
    """A tiny round of the same kind: what is loaded, compiled or started at first use is not the round's."""
    asked = task.spec
    d = min(asked.d, 64) if asked.method.masked else asked.d
    tiny = replace(asked, n=64, d=d, batch=2, labelled=min(asked.labelled, 32), fisher_samples=4, picks=1)
    play(tiny, task.devices, lambda name: nullcontext())


def _refused(task: Task, reason: str) -> list[Row]:
    """The predictions, for they are why; nothing was measured."""
    rows: list[Row] = []
    for device in dict.fromkeys(task.devices):
        source, quantity = _spoken_of(device)
        for phase, size in predicted(task.spec, device, task.devices).items():
            key = {"phase": phase, "device": device, "source": source, "quantity": quantity, "scope": "process"}
            rows.append({**task.point, **key, "predicted_bytes": size, "status": "oom", "reason": reason})
    return rows


def _unit(
    task: Task, number: int, found: RoundMemory, fits: Mapping[str, Limits], guesses: Mapping[str, Mapping[str, int]]
) -> Unit:
    rows = []
    for peak in found.peaks:
        row = {**task.point, **{name: getattr(peak, name) for name in _PEAK}}
        if (peak.source, peak.quantity) == _spoken_of(peak.device):
            row["predicted_bytes"] = guesses[peak.device].get(peak.phase)
        rows.append(row)
    place = ("device", "source", "quantity")
    tables: dict[str, list[Row]] = {
        "rounds": [dict(zip((*place, "held_bytes"), each, strict=True)) for each in found.held],
        "readers": [dict(vars(each)) for each in found.facts],
    }
    if number == min(_TIME_LINE, task.options["rounds"] - 1):
        tables["timeline"] = [dict(zip((*place, "t_s", "bytes"), each, strict=True)) for each in found.timeline]
    if number == 0:
        tables["limits"] = _limit_rows(task, fits)
    return Unit(number, rows, tables)


_PEAK = (
    "phase",
    "device",
    "source",
    "quantity",
    "scope",
    "start_s",
    "end_s",
    "baseline_bytes",
    "start_bytes",
    "peak_bytes",
)


def _limit_rows(task: Task, found: Mapping[str, Limits]) -> list[Row]:
    return [
        {
            **task.point,
            "device": device,
            "margin": MEMORY_MARGIN,
            **{name: value for name, value in vars(each).items() if name != "refusal"},
        }
        for device, each in found.items()
    ]


def _spoken_of(device: str) -> tuple[str, str]:
    return _SPOKEN_OF[device.partition(":")[0]]
