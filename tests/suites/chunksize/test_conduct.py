"""How a chunk sweep went: convergence, the machine, what was not measured."""

from __future__ import annotations

import pytest
from chunk_rows import OPTIONS, passes, row, tables

from fbench.suites.chunksize.conduct import how_it_went
from fbench.suites.chunksize.points import complete, read_run

STEADY = passes("fused", 64, [[1.0]] * 8)


def sentences_of(*groups, **more):
    return how_it_went(read_run(complete(tables(*groups, **more), OPTIONS)), OPTIONS)


def test_all_points_converged():
    assert sentences_of(STEADY)[0] == "1 of 1 points reached the precision of 5 %."


@pytest.mark.parametrize(
    ("blocks", "end"),
    [
        ([[1.0], [1.1]] * 4, "; the others had 8 blocks: about --max-time 300 would be needed."),
        ([[1.0], [2.0]] * 4, "; the others had 8 blocks: some would need over 10 times --max-time 80."),
        ([[1.0]] * 3, "; the others had 3 blocks: at least --max-time 160 would be needed."),
        ([[1.0]], "; the others had 1 block: at least --max-time 480 would be needed."),
    ],
)
def test_the_time_that_others_would_need(blocks, end):
    assert sentences_of(STEADY, passes("fused", 128, blocks))[0] == f"1 of 2 points reached the precision of 5 %{end}"


def test_of_several_late_points_the_slowest_says_the_time():
    late = passes("fused", 128, [[1.0]] * 3), passes("fused", 256, [[1.0]] * 5)
    assert sentences_of(STEADY, *late)[0] == (
        "1 of 3 points reached the precision of 5 %; the others had 3 to 5 blocks: at least --max-time 160 would be "
        "needed."
    )


def test_the_machine_meanwhile():
    text = sentences_of(STEADY, control_s=[0.01] * 4 + [0.011] * 4, load_1m=1.5, steal_share=0.02)
    assert text[1] == "The control operation's time ranged from −4.8 % to +4.8 % of its median (95 % of 8 readings)."
    assert text[2] == "The worst block had a load of 1.5 and 2 % of the CPU time taken by the hypervisor."


def test_what_was_not_read_is_not_said():
    assert len(sentences_of(STEADY)) == 2  # convergence and the control
    assert len(sentences_of(passes("fused", 64, [[1.0]]))) == 1


def test_clocks_held_down():
    text = sentences_of(STEADY, gpu_throttle="sw_power_cap+hw_slowdown")
    assert text[-1] == "GPU clocks were held down in 8 of 8 units: hw_slowdown, sw_power_cap."


def test_what_was_not_measured_is_grouped_by_reason():
    lost = [row("fused", size, status="oom", reason="no memory") for size in (64, 128, 256, 512, 1024, 2048)]
    alone = [row("published", 8, 0, "single", status="oom", reason="no memory")]
    skipped = [{"case": "x", "status": "skipped", "reason": "k does not divide d.", "block": 0}]
    text = sentences_of(STEADY, lost, alone, skipped)
    assert text[-2:] == [
        "Not measured (oom): fused at chunk 64, 128, 256, 512 and 2 more; published alone at chunk 8: no memory.",
        "Not measured (skipped): x: k does not divide d.",
    ]
