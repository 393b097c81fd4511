"""A null run: every size does the same work, and what is claimed all the same is counted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from chunk_rows import OPTIONS, passes, swept, tables
from plain import faults

from fbench.harness.contract import Context
from fbench.suites.chunksize import plan
from fbench.suites.chunksize.judged import judge_run
from fbench.suites.chunksize.null import QUESTION, _logs, false_rates
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.summary import summary

NULL = replace(OPTIONS, null=True)
SIZES = [64, 128, 256, 512]


def rows(law, blocks=8):
    return tables(*(swept(kernel, law, SIZES, blocks=blocks, noise=0.03) for kernel in ("fused", "published")))


def test_equal_work_claims_nothing():
    said = summary(rows(lambda size: 1.0), NULL)
    (answer,) = said.answers
    assert (answer.question, answer.verdict) == (QUESTION, "no")
    assert answer.sentence.startswith(
        "Size is claimed to matter with 0 of 2 kernels; of 400 runs with shuffled readings,"
    )
    assert said.lead[0] == "No effect of size is claimed where there is none; every size did the same work."
    assert said.lead[1].startswith(
        "With 8 blocks, 80 % of draws find a fall from the smallest size to the largest of 1."
    )
    assert said.lead[2] == "Believe a yes on this machine; a no rules out only falls larger than those it finds."
    behind = said.evidence[0].tables[0]
    assert [line[0] for line in behind.rows] == ["4", "5", "8"]
    assert all(" times" in line[-1] for line in behind.rows)
    assert faults(said) == []


def test_a_claim_is_a_false_one():
    said = summary(rows(lambda size: 1.0 + (size == 64)), NULL)
    assert said.answers[0].verdict == "yes"
    assert said.lead[2] == "Do not believe a yes on this machine."
    assert faults(said) == []


def test_few_blocks_are_too_few():
    said = summary(rows(lambda size: 1.0, blocks=3), NULL)
    assert said.answers[0].verdict == "too few"


def test_shuffled_readings_claim_about_as_often_as_they_may():
    kernels = judge_run(read_run(complete(rows(lambda size: 1.0), OPTIONS)), OPTIONS).kernels
    rates = false_rates(kernels, 0, 8)
    assert rates is not None
    assert false_rates(kernels, 0, 10) is None
    assert rates.claims <= 0.11  # of 400 at 5 %, more come about once in 10⁶
    assert rates.knees <= 0.11


def test_the_power_is_that_of_the_suite_itself():
    """Its slow twin: rows with the fall that is said to be found, judged as any run's are."""
    (one,) = judge_run(
        read_run(complete(tables(swept("fused", lambda size: 1.0, SIZES, noise=0.1)), OPTIONS)), OPTIONS
    ).kernels
    found = false_rates([one], 0, 8).detectable["fused"]
    assert 1.05 < found < 1.4
    told = 0
    for draw in range(20):
        falls = np.exp(np.linspace(math.log(found), 0, len(SIZES)))
        order = np.random.default_rng(draw)
        readings = [order.permuted(row) for row in _logs(one)]
        rows = [
            passes("fused", size, [[math.exp(row[at]) * fall] for row in readings])
            for at, (size, fall) in enumerate(zip(SIZES, falls, strict=True))
        ]
        told += judge_run(read_run(complete(tables(*rows), OPTIONS)), OPTIONS).kernels[0].matters
    assert told >= 10  # 80 % are 16; fewer than 10 come once in 500 runs, and these are always the same


def test_every_size_is_given_the_same_work_and_no_single_chunk_is_timed():
    asked = replace(NULL, sizes=(16, 32, 64, 128), candidates=(256,))
    options = plan.resolve(asked, Context())
    points = plan.points(options)
    assert {point.phase for point in points} == {"sweep"}
    assert {plan.work_size(point, options) for point in points} == {64}
    assert {plan.work_size(point, replace(options, null=False)) for point in points} == {16, 32, 64, 128}
