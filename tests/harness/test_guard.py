"""The guard: whose a function is, what its errors say, and what passes through."""

from __future__ import annotations

import functools
import re
import sys
from types import FunctionType

import pytest

from fbench.errors import DataError, ForeignError, UsageError
from fbench.harness import guard
from fbench.harness.sweep import parse_sweep


def fails() -> None:
    raise ValueError("the first line\nthe second")


def line_of(function: FunctionType, below: int = 0) -> int:
    return function.__code__.co_firstlineno + below


def test_whose_a_function_is():
    assert guard.is_foreign(fails)
    assert guard.is_foreign(functools.partial(fails))
    assert guard.is_foreign(sys.exit)
    assert not guard.is_foreign(parse_sweep)
    assert not guard.is_foreign(functools.partial(parse_sweep, "1..3"))
    assert guard.guarded(parse_sweep, "it") is parse_sweep


def test_the_place_is_the_users_file_and_line():
    assert guard.place_of(fails) == f"test_guard.py:{line_of(fails)}"
    assert guard.place_of(functools.partial(fails)) == guard.place_of(fails)
    assert guard.place_of(parse_sweep) == guard.place_of(sys.exit) == ""


def test_an_error_tells_the_line_that_failed():
    with pytest.raises(ForeignError) as caught:
        guard.guarded(fails, "strategy 'mine'")()
    assert str(caught.value) == f"test_guard.py:{line_of(fails, 1)}: strategy 'mine' raised ValueError: the first line"
    assert isinstance(caught.value.__cause__, ValueError)
    assert "in fails" in guard.whole_story(caught.value)


def test_the_line_is_the_users_though_ours_failed():
    def calls() -> None:
        parse_sweep("3..1")

    with pytest.raises(ForeignError, match=rf"test_guard\.py:{line_of(calls, 1)}: it: .*"):
        guard.guarded(calls, "it")()


def test_our_errors_keep_their_own_words():
    def refuses() -> None:
        raise DataError("give --data-dir")

    with pytest.raises(ForeignError, match=r"data set 'mine': give --data-dir$"):
        guard.guarded(refuses, "data set 'mine'")()


def test_an_error_is_told_once():
    inner = guard.guarded(fails, "the inner")
    with pytest.raises(ForeignError, match=r"^test_guard\.py:\d+: the inner raised ValueError") as caught:
        guard.guarded(lambda: inner(), "the outer")()
    assert "outer" not in str(caught.value)


def test_wrapping_twice_is_wrapping_once():
    once = guard.guarded(fails, "it")
    assert guard.guarded(once, "it") is once


@pytest.mark.parametrize("error", [SystemExit(2), GeneratorExit(), RecursionError("deep"), MemoryError()])
def test_what_ends_a_program_ends_a_case(error):
    def ends() -> None:
        raise error

    with pytest.raises(ForeignError, match=type(error).__name__):
        guard.guarded(ends, "it")()


def test_ctrl_c_passes_and_so_does_what_may():
    def interrupted() -> None:
        raise KeyboardInterrupt

    def refuses() -> None:
        raise UsageError("--size: too large")

    with pytest.raises(KeyboardInterrupt):
        guard.guarded(interrupted, "it")()
    with pytest.raises(UsageError, match=r"^--size: too large$"):
        guard.guarded(refuses, "it", passes=UsageError)()


def test_a_result_of_another_type():
    with pytest.raises(ForeignError, match=r"test_guard\.py:\d+: it gave a str; it must give int or None$"):
        guard.guarded(lambda: "3", "it", (int, type(None)))()
    assert guard.guarded(lambda: None, "it", (int, type(None)))() is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda state: None, r"it takes \(state\); it is called with \(state, batch_size\)"),
        (lambda state, batch_size, *, more: None, r"it takes .*more\); it is called with"),
        (3, r"it is a int; it must be a function of \(state, batch_size\)"),
    ],
)
def test_another_signature(function, message):
    with pytest.raises(ForeignError, match=message):
        guard.check_call(function, "it", ("state", "batch_size"))


@pytest.mark.parametrize("function", [lambda *a: None, lambda a, b, c=1: None, lambda state, batch_size: None, print])
def test_a_signature_that_will_do(function):
    guard.check_call(function, "it", ("state", "batch_size"))


def test_an_error_without_a_frame_of_the_users_is_left():
    error = ValueError("ours")
    assert guard.explained(error) is error
    assert re.fullmatch(r"test_guard\.py:\d+: it raised ValueError: ours", str(guard.explained(error, "it", fails)))
