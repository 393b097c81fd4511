"""The rounds of one case of ``fbench memory`` as units of rows: peaks, what is held, the time line, the readers."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace

from fbench.fisher.planning.plan import MEMORY_MARGIN
from fbench.harness.contract import Row, Unit
from fbench.measure.memory.growth import return_freed_blocks
from fbench.measure.memory.watch import MemoryWatch, RoundMemory

from .options import Options, Point
from .phases import play_round
from .plan import spec_of, why_impossible
from .predictions import Limits, limits, predicted
from .spec import PREDICTED_QUANTITIES, Spec

_TIMELINE_ROUND = 1
"""The round whose time line is kept: the first one has first uses in it."""


@dataclass(frozen=True)
class PlannedCase:
    """One case to be measured: its point of the grid, the suite's options, the devices."""

    point: Point
    options: Options
    devices: tuple[str, ...]

    @property
    def spec(self) -> Spec:
        """The sizes of its rounds."""
        return spec_of(self.point, self.options)


def run(case: PlannedCase, done: int) -> Iterator[Unit]:
    """Measure the rounds after the first ``done``; a case that cannot be, or would not fit, ends with a reason."""
    options, spec, devices = case.options, case.spec, case.devices
    reason = why_impossible(case.point, options)
    if reason:
        yield from [] if done else [Unit(0, [{**case.point._asdict(), "status": "skipped", "reason": reason}])]
        return
    fits = {device: limits(spec, device, options.memory_budget, devices) for device in devices}
    refusal = next((limit.refusal for limit in fits.values() if limit.refusal), "")
    if refusal:
        yield Unit(done, _refused(case, refusal), {} if done else {"limits": _limit_rows(case, fits)})
        return
    if options.malloc == "returning":
        return_freed_blocks()
    _warm_up(case)
    predictions = {device: predicted(spec, device, devices) for device in fits}
    with _frozen(), MemoryWatch(devices) as watch:
        for number in range(done, options.rounds):
            since = time.perf_counter()
            watch.begin()
            play_round(spec, devices, watch.phase)
            unit = _unit(case, number, watch.end(), fits, predictions)
            left_s = (time.perf_counter() - since) * (options.rounds - number - 1)  # a process begins but once
            yield replace(unit, left_s=left_s)


@contextmanager
def _frozen() -> Iterator[None]:
    """Each phase begins with a collection of garbage, which need not look at what libraries have made once."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _warm_up(case: PlannedCase) -> None:
    """Run a tiny round of the same method: what is loaded, compiled or started at first use is not the round's."""
    spec = case.spec
    d = min(spec.d, 64) if spec.method.masked else spec.d
    tiny = replace(spec, n=64, d=d, batch=2, labelled=min(spec.labelled, 32), fisher_samples=4, picks=1)
    play_round(tiny, case.devices, lambda name: nullcontext())


def _refused(case: PlannedCase, reason: str) -> list[Row]:
    """Rows of the predictions, for they are why the case was refused; nothing was measured."""
    rows: list[Row] = []
    for device in dict.fromkeys(case.devices):
        source, quantity = _predicted_quantity(device)
        for phase, size in predicted(case.spec, device, case.devices).items():
            key = {"phase": phase, "device": device, "source": source, "quantity": quantity, "scope": "process"}
            rows.append(
                {**case.point._asdict(), **key, "predicted_bytes": size, "status": "oom", "reason": reason},
            )
    return rows


def _unit(
    case: PlannedCase,
    number: int,
    measured: RoundMemory,
    fits: Mapping[str, Limits],
    predictions: Mapping[str, Mapping[str, int]],
) -> Unit:
    """What is written of one round; limits stand with the first, the time line with ``_TIMELINE_ROUND`` or the last."""
    rows: list[Row] = []
    for peak in measured.peaks:
        row = {**case.point._asdict(), **asdict(peak)}
        if (peak.source, peak.quantity) == _predicted_quantity(peak.device):
            row["predicted_bytes"] = predictions[peak.device].get(peak.phase)
        rows.append(row)
    place = ("device", "source", "quantity")
    tables: dict[str, list[Row]] = {
        "rounds": [dict(zip((*place, "held_bytes"), held, strict=True)) for held in measured.held],
        "readers": [asdict(facts) for facts in measured.facts],
    }
    if number == min(_TIMELINE_ROUND, case.options.rounds - 1):
        tables["timeline"] = [dict(zip((*place, "t_s", "bytes"), line, strict=True)) for line in measured.timeline]
    if number == 0:
        tables["limits"] = _limit_rows(case, fits)
    return Unit(number, rows, tables)


def _limit_rows(case: PlannedCase, fits: Mapping[str, Limits]) -> list[Row]:
    rows = []
    for device, limit in fits.items():
        cells = asdict(limit)
        del cells["refusal"]  # the reason of the rows in results.csv
        rows.append({**case.point._asdict(), "device": device, "margin": MEMORY_MARGIN, **cells})
    return rows


def _predicted_quantity(device: str) -> tuple[str, str]:
    """The source and quantity that a prediction for this device is of."""
    return PREDICTED_QUANTITIES[device.partition(":")[0]]
