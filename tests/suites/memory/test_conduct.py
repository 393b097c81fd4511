"""How a memory run went: readers, faults, what is not torch's, what was not finished."""

from __future__ import annotations

import pytest
from memory_rows import ALLOCATED, GIB, NON_TORCH, NVML, RSS, reader, rounds_of, row, tables

from fbench.suites.memory.conduct import conduct_findings
from fbench.suites.memory.names import case_names
from fbench.suites.memory.peaks import memory_of_cases
from fbench.suites.memory.rows import read_rows

DELTA = ("cuda:0", "nvml", "non_torch", "device_delta")


def said(*groups, **more):
    rows = read_rows(tables(*groups, **more))
    cases = memory_of_cases(rows.phases)
    return conduct_findings(cases, rows, case_names(cases))


def test_rates_and_readings_missed():
    rows = [reader("bait", 0, rate_hz=188.4, missed=3), reader("bait", 1, rate_hz=199.9, missed=0)]
    assert said(readers=rows) == [
        "The rss sampler took 188 to 200 readings a second where 200 were asked for; 3 of 4,003 were missed (0.075 %)."
    ]
    assert said(readers=[reader("bait")]) == [
        "The rss sampler took 200 readings a second where 200 were asked for; 0 of 2,000 were missed."
    ]


@pytest.mark.parametrize(
    ("more", "end"),
    [({"period_s": None}, "; 0 of 2,000 were missed."), ({"samples": None}, " where 200 were asked for.")],
)
def test_what_is_not_known_of_a_rate_is_not_said(more, end):
    assert said(readers=[reader("bait", **more)]) == [f"The rss sampler took 200 readings a second{end}"]


def test_exact_marks_have_no_rate():
    exact = reader("bait", which=ALLOCATED, period_s=None, samples=None, missed=None, rate_hz=None)
    assert said(readers=[exact]) == []


def test_a_fault_is_said_once_with_what_it_leaves_empty():
    fault = {"fault": "no NVIDIA driver: install it.", "samples": None, "missed": None, "rate_hz": None}
    empty = [row("bait", phase, which=which) for phase in ("train", "embed") for which in (NVML, NON_TORCH)]
    readers = [reader("bait", number, NVML, **fault) for number in range(3)]
    assert said(rounds_of("bait", {"train": [9]}, which=ALLOCATED), empty, readers=readers) == [
        "nvml on cuda:0: no NVIDIA driver: install it; 4 of 4 of its peaks are empty (used and non_torch)."
    ]


def test_a_fault_that_leaves_nothing_empty():
    dead = [reader("bait", fault="the sampler process ended by SIGKILL")]
    assert said(rounds_of("bait", {"train": [9, 9]}), readers=dead)[1] == (
        "rss on cpu: the sampler process ended by SIGKILL; no peak is empty for it."
    )
    assert said(readers=dead)[1].endswith("; there are no peaks by rss.")


def test_a_devices_growth_is_said_to_be_that():
    _, scope = said(readers=[reader("bait", which=(*NVML[:3], "device_delta"))])
    assert scope == (
        "NVML did not tell this process's own memory on cuda:0: its rows are the growth of the whole device, other "
        "processes included."
    )


def test_what_is_not_torchs():
    rows = rounds_of("bait", {"train": [90, 92, 94], "data": [1, 1, 1]}, which=NON_TORCH, baseline=500)
    assert said(rows, readers=[reader("bait", which=NVML)])[-1] == (
        "Outside torch's allocator the process held at most 592 MiB on cuda:0, in train of bait (median of 3 rounds); "
        "readings are 5 ms apart and miss what is shorter."
    )
    assert said(rounds_of("bait", {"train": [90]}, which=DELTA)) == [
        "Outside torch's allocator memory grew by at most 90 MiB on cuda:0, in train of bait (median of 1 round)."
    ]
    assert said([row("bait", "train", which=NON_TORCH)]) == []


def test_cases_that_did_not_end():
    refused = {"which": RSS, "status": "oom", "reason": "over the budget.", "predicted_bytes": 9 * GIB}
    lost = [row("big", "forward", candidates=n, **refused) for n in (100_000, 200_000)]
    none = [{"case": "x", "status": "skipped", "reason": "k does not divide d"}]
    assert said(rounds_of("bait", {"train": [9]}), lost, none) == [
        "Not finished (oom): 2 of 4 cases; the first is method=big candidates=100000 dtype=float32, predicted to grow "
        "by 9 GiB in forward: over the budget.",
        "Not finished (skipped): 1 of 4 cases; the first is x: k does not divide d.",
    ]


def test_no_reason_is_said_to_be_none():
    assert said([{"case": "x", "status": "failed", "reason": ""}])[-1].endswith("is x: no reason was given.")
