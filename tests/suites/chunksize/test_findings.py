"""Sentences of a chunk sweep say what was planted in the rows, and claim no more."""

from __future__ import annotations

import pytest
from chunk_rows import OPTIONS, memory, passes, row, swept, tables

from fbench.suites.chunksize.findings import findings
from fbench.suites.chunksize.points import complete, read_points
from fbench.suites.chunksize.sweeps import Sweep, effect, knee_of, sweeps

SIZES = [64 * 2**i for i in range(6)]
HALVES = "Best and worst were chosen on the even blocks and compared on the odd ones, "


def said(*groups, options=OPTIONS, **more):
    return findings(complete(tables(*groups, **more), options), options)


def sweep_of(*groups, **more) -> Sweep:
    return sweeps(read_points(complete(tables(*groups, **more), OPTIONS)))[0]


def blocks(*seconds):
    return [[each] for each in seconds]


def two(kernel, first, second):
    """A kernel at chunks of 64 and 128."""
    return [*passes(kernel, 64, blocks(*first)), *passes(kernel, 128, blocks(*second))]


NOISY = ((1.0, 1.1, 1.0, 0.9, 1.02, 1.1, 1.0, 0.9), (1.1, 1.0, 1.0, 1.0, 1.1, 1.0, 1.1, 1.0))


def test_the_effect_is_estimated_on_other_blocks_than_it_was_chosen_on():
    rows = two("fused", (9.0, 3.0) * 4, (1.0, 2.0) * 4)
    assert said(rows)[0] == (
        "Chunk size matters: the worst chunk takes 1.5 times as long as the best by fused (95 % interval 1.5 to 1.5; "
        f"64 against 128). {HALVES}4 of them."
    )


def test_noise_is_not_an_effect():
    sentence = said(two("fused", *NOISY))[0]
    assert sentence.startswith("No effect of chunk size was resolved: the worst chunk takes ")
    assert " times as long as the best by fused (95 % interval 0.8" in sentence
    assert sentence.endswith(f"; 128 against 64). {HALVES}4 of them.")


@pytest.mark.parametrize(("count", "common"), [(1, "1 block"), (3, "3 blocks")])
def test_few_blocks_say_so(count, common):
    assert said(two("fused", [1.0] * count, [2.0] * count))[0] == (
        "Whether chunk size matters cannot be said: blocks are too few by fused, whose best and worst chunk have "
        f"{common} in common, and 4 are needed."
    )


def test_all_kernels_stand_in_one_sentence():
    groups = [
        two("published", [2.0] * 8, [1.0] * 8),
        two("fused", [3.0] * 6, [1.0] * 6),
        two("noisy", *NOISY),
        two("few", [1.0], [2.0]),
        two("fewer", [1.0] * 3, [2.0] * 3),
    ]
    sentence = said(*groups)[0]
    assert sentence.startswith(
        "Chunk size matters: the worst chunk takes 2 times as long as the best by published (95 % interval 2 to 2; 64 "
        "against 128), 3 by fused (3 to 3; 64 against 128); no effect was resolved of the others, "
    )
    assert sentence.endswith(
        "; blocks are too few by few and fewer, whose best and worst chunk have 1 to 3 blocks in common, and 4 are "
        f"needed. {HALVES}3 to 4 of them."
    )


def test_one_size_has_no_effect_and_no_knee():
    text = "\n".join(said(passes("fused", 64, blocks(*[1.0] * 8))))
    assert "matters" not in text
    assert "effect" not in text
    assert "smallest chunk" not in text
    assert effect(sweep_of(passes("fused", 64, blocks(*[1.0] * 8)))) is None


def test_effect_explanation_and_knees_come_first():
    found = said(*(swept(kernel, lambda c: 1 + 50 / c, SIZES) for kernel in ("fused", "slow")))
    assert found[0].startswith("Chunk size matters: ")
    assert found[1] == "From 6 sizes a period cannot be measured; --sizes 64..2048:+32 would (63 sizes)."
    assert found[2].startswith("The smallest chunk within the interval of the best is ")


def falling(kernel):
    return [
        *(each for size in (64, 128, 256) for each in passes(kernel, size, blocks(*[1 + 8 / size] * 8))),
        *(memory(kernel, size, size * 2**20) for size in (64, 128, 256)),
    ]


def test_knees_with_their_memory():
    rows = [*falling("fused"), *two("slow", [2.0] * 3, [1.0] * 3), *two("flat", [1.0] * 8, [1.0] * 8)]
    knees = (
        "The smallest chunk within the interval of the best is 256 by fused (256 MiB of temporaries), 128 by slow "
        "(without an interval yet), 64 by flat."
    )
    assert knees in said(rows)
    assert knee_of(sweep_of(rows), None) == 256


def test_memory_is_named_once():
    assert any(
        "256 by fused (256 MiB of temporaries), 256 by slow (256 MiB)." in s
        for s in said(falling("fused"), falling("slow"))
    )


def test_knees_keep_to_the_memory_budget():
    rows = [*falling("fused"), *two("unknown", [2.0] * 8, [1.0] * 8)]
    under = "The smallest chunk within the interval of the best and under the memory budget of 200 MiB is 128 by fused"
    none = "no chunk of unknown is known to keep under the memory budget of 200 MiB."
    text = said(rows, options={**OPTIONS, "memory_budget": 200 * 2**20})
    assert f"{under} (128 MiB of temporaries); {none}" in text
    text = said(rows, options={**OPTIONS, "memory_budget": 1024})
    assert "No chunk of fused and unknown is known to keep under the memory budget of 1 KiB." in text


def test_problems_are_named_where_they_vary():
    groups = [
        passes("fused", 64, blocks(*[1.0] * 8), dim=dim, dtype=dtype)
        for dim in (640, 1280)
        for dtype in ("float32", "float64")
    ]
    text = said(*groups)
    assert any(sentence.startswith("d = 1,280, float64: At its best") for sentence in text)
    assert not any("n = " in sentence for sentence in text)


def test_nothing_timed():
    text = said([row("fused", 64, status="oom", reason="out of memory.")])
    assert text == [
        "No pass was timed, so nothing can be said of chunk sizes: see the rows' reasons.",
        "Not measured (oom): fused at chunk 64: out of memory.",
    ]
