"""Options: numbers, bounds, threads and jobs, and suites that cannot run."""

from __future__ import annotations

import dataclasses

import pytest

from fbench.errors import UsageError
from fbench.harness import options, registry
from fbench.harness.cluster import Cluster, Node
from fbench.harness.contract import Context

SUITE = registry.SUITES.get("compare")
TYPED = {
    "device": "cpu",
    "gpus": "",
    "threads": 0,
    "jobs": 0,
    "executor": "local",
    "address": "",
    "out": "",
    "fresh": False,
    "overwrite": False,
    "retry": False,
    "accept_version": False,
}


def test_numbers_are_read_and_the_rest_left():
    read = options.read_numbers(SUITE, {"rounds": "7", "margin": "0.01", "dataset": "digits", "jobs": "2"})
    assert read == {"rounds": 7, "margin": 0.01, "dataset": "digits", "jobs": 2}


@pytest.mark.parametrize(("name", "text", "what"), [("rounds", "ten", "a whole number"), ("margin", "x", "a number")])
def test_what_is_no_number(name, text, what):
    with pytest.raises(UsageError, match=f"--{name} {text}: must be {what}"):
        options.read_numbers(SUITE, {name: text})


def test_more_threads_than_cores_are_warned_of(monkeypatch):
    monkeypatch.setattr(options.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    with pytest.warns(UserWarning, match="1 processes of 99 threads on 2 cores"):
        options.settings(SUITE, {**TYPED, "threads": 99, "jobs": 1}, ())


def test_cores_are_shared_among_jobs(monkeypatch):
    monkeypatch.setattr(options.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    found = options.settings(SUITE, TYPED, ())
    assert (found.jobs, found.threads) == (4, 4)


def test_timed_cases_run_alone():
    timed = dataclasses.replace(SUITE, executor="worker")
    with pytest.raises(UsageError, match="--jobs 2: cases of `fbench compare` on cpu run one at a time"):
        options.settings(timed, {**TYPED, "jobs": 2}, ())


def test_timed_cases_run_alone_on_a_cluster_too(monkeypatch):
    """Others get CPUs and GPUs of their own there; two that are timed would share a node's memory and clock."""
    monkeypatch.setattr(options, "cluster_at", lambda address, here: Cluster("auto", (Node(8, 2), Node(8, 2))))
    on_ray, timed = {**TYPED, "executor": "ray", "address": "auto"}, dataclasses.replace(SUITE, executor="worker")
    for suite in (timed, dataclasses.replace(SUITE, executor="fresh")):
        with pytest.raises(UsageError, match="--jobs 2: cases of `fbench compare` on cpu run one at a time"):
            options.settings(suite, {**on_ray, "jobs": 2}, ())
        assert options.settings(suite, {**on_ray, "threads": 2}, ()).jobs == 1
    assert options.settings(SUITE, {**on_ray, "threads": 4}, ()).jobs == 4
    assert options.settings(SUITE, {**on_ray, "threads": 4, "jobs": 3}, ()).jobs == 3


def test_every_gpu_of_a_cluster_has_a_case(monkeypatch):
    """With no --threads typed, a worker leaves the CPUs to the others that its node's GPUs have room for."""
    nodes = (Node(16, 4), Node(64, 8), Node(32, 0))
    monkeypatch.setattr(options, "cluster_at", lambda address, here: Cluster("auto", nodes))
    on_ray = {**TYPED, "executor": "ray", "address": "auto"}
    for devices, threads, jobs in ((("cuda:0",), 4, 12), (("cuda:0", "cuda:1"), 8, 6)):
        monkeypatch.setattr(options, "parse_devices", lambda *_, devices=devices: devices)
        found = options.settings(SUITE, on_ray, ())
        assert (found.threads, found.jobs) == (threads, jobs)


@pytest.mark.parametrize(
    ("devices", "told"),
    [(("cuda:1",), "cuda:1"), (("cuda:1", "cuda:0"), r"cuda:1\+cuda:0"), (("cuda:0", "cuda:2"), r"cuda:0\+cuda:2")],
)
def test_ray_chooses_gpus(monkeypatch, devices, told):
    monkeypatch.setattr(options, "parse_devices", lambda *_: devices)
    with pytest.raises(
        UsageError, match=f"^--executor ray: Ray chooses which GPUs, not {told}; give --device cuda, or"
    ):
        options.settings(SUITE, {**TYPED, "executor": "ray"}, ())


def test_a_suite_without_its_unit_column():
    with pytest.raises(UsageError, match=r"table results lacks Column\('lap', 'int', …\), its unit's number"):
        options.resolve_options(dataclasses.replace(SUITE, unit="lap"), {}, Context())


def test_a_thousand_seeds_are_the_most():
    with pytest.raises(UsageError, match="--seeds: seeds must number 1 to 1,000"):
        SUITE.typed(seeds=1001)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("threads", "100000000000", "--threads 100000000000: must be at most 1,024"),
        ("jobs", "257", "--jobs 257: must be at most 256"),
        ("jobs", "-1", "--jobs -1: must be at least 0"),
        ("rounds", "9" * 310, r"--rounds 9{40}… \(310 letters\): must be at most 10,000"),
        ("batch", "1000000001", "--batch 1000000001: must be at most 1,000,000,000"),
        ("batch", "-" + "9" * 5000, r"--batch -9{39}… \(5,001 letters\): must be at least 1"),
        ("oversample", "1e308", "--oversample 1e308: must be at most 1,000"),
        ("oversample", "1e400", "--oversample 1e400: must be at most 1,000"),
        ("weight_decay", "-1e400", "--weight-decay -1e400: must be at least 0"),
        ("margin", "inf", "--margin inf: must be a finite number"),
        *(("rounds", text, "must be a whole number") for text in ("", " 5 ", "1_000", "٣", "²", "5.0", "1e3", "nan")),
        *(("margin", text, "must be a number") for text in ("", " 0.1", "1_0", "٣.1", "0x1p3", "1e", ".")),
    ],
)
def test_numbers_out_of_bounds(name, text, message):
    with pytest.raises(UsageError, match=message):
        options.read_numbers(SUITE, {name: text})
