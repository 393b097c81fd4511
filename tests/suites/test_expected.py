"""Every suite's plan tells the time: finite, more for more work, and nothing for what will not run."""

from __future__ import annotations

import math

import pytest

from fbench.harness import registry
from fbench.harness.contract import Context
from fbench.learning import durations
from fbench.suites.memory import expected as memory_expected
from fbench.suites.select import expected as select_expected

SMALLER = {
    "select": ({"candidates": (1000,), "reference_budget": 0.0}, {"candidates": (4000,)}),
    "fisher": ({"samples": (64,), "model": "small", "channels": 1, "size": 8}, {"samples": (256,)}),
    "memory": (
        {"methods": ("incremental",), "candidates": (500,), "classes": (10,), "model": "small", "image": (1, 8)},
        {"candidates": (2000,)},
    ),
}


@pytest.fixture(autouse=True)
def a_machine(monkeypatch):
    """Of a known speed, so that nothing is timed."""
    monkeypatch.setattr(durations, "seconds_a_step", lambda train, device: 1e-2)
    for module in (durations, select_expected, memory_expected):
        monkeypatch.setattr(module, "product_rate", lambda device, threads: 1e10)
    durations.trained_model_image_s.cache_clear()
    yield
    durations.trained_model_image_s.cache_clear()


def seconds(name, **changed):
    suite, context = registry.SUITES.get(name), Context()
    options = suite.resolve(suite.restored(changed), context)
    return [suite.expected(case, options, context) for case in suite.grid(options)], suite.units(options)


@pytest.mark.parametrize("name", SMALLER)
def test_every_unit_has_its_seconds(name):
    cases, units = seconds(name, **SMALLER[name][0])
    assert all(len(case) == units for case in cases)
    assert all(0 <= second < math.inf for case in cases for second in case)
    assert sum(map(sum, cases)) > 0


@pytest.mark.parametrize("name", SMALLER)
def test_more_work_takes_longer(name):
    small, more = SMALLER[name]
    assert sum(map(sum, seconds(name, **{**small, **more})[0])) > sum(map(sum, seconds(name, **small)[0]))


def test_double_precision_takes_longer_and_the_first_block_has_more_in_it():
    single, double = (seconds("select", dtype=(dtype,))[0][0] for dtype in ("float32", "float64"))
    assert sum(double) > sum(single)
    assert single[0] > single[1]


def test_what_cannot_run_takes_no_time():
    cases, _ = seconds("select", methods=("incremental", "random"), batch=(10, 10_000))
    assert [sum(case) > 0 for case in cases] == [True, False, False, False]


def test_a_huge_image_is_not_timed_whole(monkeypatch):
    shapes = []

    def timed(train, device):
        shapes.append(train.__closure__)
        return 1.0

    monkeypatch.setattr(durations, "seconds_a_step", timed)
    whole = durations.trained_image_s("thin-resnet18", (3, 1024, 1024), 10, 2, "cpu", 1)
    part = durations.trained_image_s("thin-resnet18", (3, 64, 64), 10, 2, "cpu", 1)
    assert whole == pytest.approx(part * 256)


def test_a_round_that_would_not_fit_is_refused_and_takes_no_time():
    small = SMALLER["memory"][0]
    cases, _ = seconds("memory", **{**small, "memory_budget": 1 << 20})
    assert [sum(case) for case in cases] == [0]


def test_all_trains_in_its_first_round_alone():
    cases, _ = seconds("compare", strategies=("random", "all"), seeds=((0,),), rounds=3, batch=5)
    taken = {sum(second > 0 for second in case): case for case in cases}
    assert set(taken) == {1, 4}
    assert taken[1][0] > max(taken[4])


def test_a_baseline_takes_a_pass_over_the_pool_and_what_it_says_beside_it(monkeypatch):
    asked = {"seeds": ((0,),), "rounds": 1, "batch": 5}
    taken = {}
    for name in ("random", "margin", "coreset", "probcover"):
        cases, _ = seconds("compare", strategies=(name,), **asked)
        taken[name] = cases[0][1]
    assert taken["random"] < taken["margin"] < taken["coreset"] < taken["probcover"]
