"""Sentences of a chunk sweep say what was planted in the rows, and claim no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chunk_rows import OPTIONS, memory, passes, row, swept, tables

from fbench.suites.chunksize.findings import findings
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.sweeps import Sweep, effect, group_sweeps, knee_of

SIZES = [64 * 2**i for i in range(6)]
HALVES = "Best and worst were chosen on the even blocks and compared on the odd ones, "


def sentences_of(*groups, options=OPTIONS, **more):
    return findings(read_run(complete(tables(*groups, **more), options)), options)


def sweep_of(*groups, **more) -> Sweep:
    return group_sweeps(read_run(complete(tables(*groups, **more), OPTIONS)).points)[0]


def blocks(*seconds):
    return [[time_s] for time_s in seconds]


def two(kernel, first, second):
    """A kernel at chunks of 64 and 128."""
    return [*passes(kernel, 64, blocks(*first)), *passes(kernel, 128, blocks(*second))]


NOISY = ((1.0, 1.1, 1.0, 0.9, 1.02, 1.1, 1.0, 0.9), (1.1, 1.0, 1.0, 1.0, 1.1, 1.0, 1.1, 1.0))


def test_the_effect_is_estimated_on_other_blocks_than_it_was_chosen_on():
    rows = two("fused", (9.0, 3.0) * 4, (1.0, 2.0) * 4)
    assert sentences_of(rows)[0] == (
        "Chunk size matters: the worst chunk takes 1.5 times as long as the best by fused (95 % interval 1.5 to 1.5; "
        f"64 against 128). {HALVES}4 of them."
    )


def test_noise_is_not_an_effect():
    sentence = sentences_of(two("fused", *NOISY))[0]
    assert sentence.startswith("No effect of chunk size was resolved: the worst chunk takes ")
    assert " times as long as the best by fused (95 % interval 0.8" in sentence
    assert sentence.endswith(f"; 128 against 64). {HALVES}4 of them.")


@pytest.mark.parametrize(("count", "common"), [(1, "1 block"), (3, "3 blocks")])
def test_few_blocks_say_so(count, common):
    assert sentences_of(two("fused", [1.0] * count, [2.0] * count))[0] == (
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
    sentence = sentences_of(*groups)[0]
    assert sentence.startswith(
        "Chunk size matters: the worst chunk takes 2 times as long as the best by published (95 % interval 2 to 2; 64 "
        "against 128), 3 by fused (3 to 3; 64 against 128); no effect was resolved of the others, "
    )
    assert sentence.endswith(
        "; blocks are too few by few and fewer, whose best and worst chunk have 1 to 3 blocks in common, and 4 are "
        f"needed. {HALVES}3 to 4 of them."
    )


def test_one_size_has_no_effect_and_no_knee():
    text = "\n".join(sentences_of(passes("fused", 64, blocks(*[1.0] * 8))))
    assert "matters" not in text
    assert "effect" not in text
    assert "smallest chunk" not in text
    assert effect(sweep_of(passes("fused", 64, blocks(*[1.0] * 8)))) is None


def test_effect_explanation_and_knees_come_first():
    sentences = sentences_of(*(swept(kernel, lambda c: 1 + 50 / c, SIZES) for kernel in ("fused", "slow")))
    assert sentences[0].startswith("Chunk size matters: ")
    assert sentences[1] == "From 6 sizes a period cannot be measured; --sizes 64..2048:+32 would (63 sizes)."
    assert sentences[2].startswith("The smallest chunk within the interval of the best is ")


def falling(kernel):
    return [
        *(timed for size in (64, 128, 256) for timed in passes(kernel, size, blocks(*[1 + 8 / size] * 8))),
        *(memory(kernel, size, size * 2**20) for size in (64, 128, 256)),
    ]


def test_knees_with_their_memory():
    rows = [*falling("fused"), *two("slow", [2.0] * 3, [1.0] * 3), *two("flat", [1.0] * 8, [1.0] * 8)]
    knees = (
        "The smallest chunk within the interval of the best is 256 by fused (256 MiB of temporaries), 128 by slow "
        "(without an interval yet), 64 by flat."
    )
    assert knees in sentences_of(rows)
    assert knee_of(sweep_of(rows), None) == 256


def test_memory_is_named_once():
    assert any(
        "256 by fused (256 MiB of temporaries), 256 by slow (256 MiB)." in s
        for s in sentences_of(falling("fused"), falling("slow"))
    )


def test_knees_keep_to_the_memory_budget():
    rows = [*falling("fused"), *two("unknown", [2.0] * 8, [1.0] * 8)]
    under = "The smallest chunk within the interval of the best and under the memory budget of 200 MiB is 128 by fused"
    none = "no chunk of unknown is known to keep under the memory budget of 200 MiB."
    text = sentences_of(rows, options=replace(OPTIONS, memory_budget=200 * 2**20))
    assert f"{under} (128 MiB of temporaries); {none}" in text
    text = sentences_of(rows, options=replace(OPTIONS, memory_budget=1024))
    assert "No chunk of fused and unknown is known to keep under the memory budget of 1 KiB." in text


def test_problems_are_named_where_they_vary():
    groups = [
        passes("fused", 64, blocks(*[1.0] * 8), dim=dim, dtype=dtype)
        for dim in (640, 1280)
        for dtype in ("float32", "float64")
    ]
    text = sentences_of(*groups)
    assert any(sentence.startswith("d = 1,280, float64: At its best") for sentence in text)
    assert not any("n = " in sentence for sentence in text)


def test_nothing_timed():
    text = sentences_of([row("fused", 64, status="oom", reason="out of memory.")])
    assert text == [
        "No pass was timed, so nothing can be said of chunk sizes: see the rows' reasons.",
        "Not measured (oom): fused at chunk 64: out of memory.",
    ]
