"""What a plan expects of a selection: every way its blocks, and once what belongs to whichever way begins."""

from __future__ import annotations

from fbench.harness import registry
from fbench.harness.contract import Context

SUITE = registry.SUITES.get("select")
CONTEXT = Context(devices=("cpu",), threads=1)


def test_no_way_has_what_is_done_once():
    """Blocks come in shuffled order: had the first way it, the clock would wait for it where another began."""
    options = SUITE.typed(methods="incremental,incremental:again", passes=3)
    one, other = (SUITE.expected(case, options, CONTEXT) for case in SUITE.grid(options))
    assert one == other
    assert one[0] > one[1] == one[2] > 0


def test_the_selection_in_float64_is_once_a_problem():
    def once(**typed):
        return SUITE.once_s(SUITE.typed(methods="incremental", **typed), CONTEXT)

    compiled = once(reference_budget=0)
    reference = once() - compiled
    assert compiled > 0
    assert reference > 0
    assert once(candidates="2000,3000") - compiled > 2 * reference
    assert once(dtype="float32,float64") == once()


def test_what_does_not_fit_takes_no_time():
    options = SUITE.typed(methods="random", passes=2)
    (case,) = SUITE.grid(options)
    assert SUITE.expected(case, options, CONTEXT) == [0.0, 0.0]
