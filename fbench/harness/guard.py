"""The guard around foreign code: what users register is called through it, so that its mistakes name its file and line.

Foreign is every function that is not fbench's: of a ``--load`` file, a plug-in, a notebook. ``guarded`` wraps one where
it is registered. Whatever it raises, ``sys.exit()`` included, comes out as a ``ForeignError``; so does a result that is
not of its type. What else a result must be is checked beside each contract, and told by ``refuse``.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from fbench.errors import FbenchError, ForeignError

Refuse = Callable[[str], NoReturn]
"""Raises a ``ForeignError`` with a text."""

_F = TypeVar("_F", bound=Callable[..., Any])

_packages: set[str] = set()
"""Top-level modules of the functions that were guarded: a frame in one of them is the user's."""


def is_foreign(function: Callable[..., Any]) -> bool:
    """Whether a function is somebody else's, and not fbench's.

    Example:
        >>> is_foreign(is_foreign), is_foreign(len)
        (False, True)
    """
    return _package(_plain(function)) != "fbench"


def place_of(function: Callable[..., Any]) -> str:
    """The file and line of a foreign function; empty for fbench's, and for one that has none.

    Example:
        >>> place_of(place_of)
        ''
    """
    code = getattr(_plain(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code and is_foreign(function) else ""


def refuse(function: Callable[..., Any], text: str) -> ForeignError:
    """The error that tells what is wrong with what a function gave, and where it stands.

    Example:
        >>> str(refuse(len, "data set 'mine' gave no images"))
        "data set 'mine' gave no images"
    """
    place = place_of(function)
    return ForeignError(f"{place}: {text}" if place else text)


def refuser(function: Callable[..., Any], what: str) -> Refuse:
    """What raises the error of ``refuse`` about ``what`` a function gives.

    Example:
        >>> refuser(len, "data set 'mine'")("has no images")
        Traceback (most recent call last):
        ...
        fbench.errors.ForeignError: data set 'mine' has no images
    """

    def raise_refusal(text: str) -> NoReturn:
        raise refuse(function, f"{what} {text}")

    return raise_refusal


def explained(error: BaseException, what: str = "", function: Callable[..., Any] | None = None) -> BaseException:
    """The error as a ``ForeignError`` with the file and line of the user's last frame; itself where there is none.

    ``function`` is whose place is told where no frame is the user's: it was called, and never ran.

    Example:
        >>> error = ValueError("ours")
        >>> explained(error) is error
        True
    """
    if isinstance(error, ForeignError):
        return error
    place = _frame(error) or (place_of(function) if function else "")
    if not place and function is None:
        return error
    first = (str(error).splitlines() or [""])[0]
    ours = isinstance(error, FbenchError)  # a sentence already, that needs no name
    told = first if ours else ": ".join(filter(None, [type(error).__name__, first]))
    sentence = f"{what}{': ' if ours else ' raised '}{told}" if what else told
    clear = ForeignError(f"{place}: {sentence}" if place else sentence)
    clear.__cause__ = error
    return clear


def guarded(
    function: _F, what: str, returns: tuple[type, ...] = (), passes: type[BaseException] = KeyboardInterrupt
) -> _F:
    """A foreign function behind the guard; one of fbench's as it is.

    Args:
        function: what the user registered.
        what: what a message calls it, such as ``strategy 'mine'``.
        returns: the types that its result may have; none holds it to nothing.
        passes: an error that goes through as it is.

    Example:
        >>> print(guarded(len, "the length")(3))
        Traceback (most recent call last):
        ...
        fbench.errors.ForeignError: the length raised TypeError: object of type 'int' has no len()
    """
    if not is_foreign(function) or getattr(function, "is_guarded", False):
        return function
    _packages.add(_package(_plain(function)))

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            result = function(*arguments, **named)
        except BaseException as error:  # one that ends the interpreter is one that fails
            if isinstance(error, KeyboardInterrupt | passes):
                raise
            raise explained(error, what, function) from error
        if returns and not isinstance(result, returns):
            raise refuse(function, f"{what} gave a {type(result).__name__}; it must give {_either(returns)}")
        return result

    call.is_guarded = True  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def check_call(function: Any, what: str, names: Sequence[str]) -> None:
    """Refuse what cannot be called with so many arguments, before it is.

    Raises:
        ForeignError: it is no function, or takes other arguments.

    Example:
        >>> check_call(lambda state: None, "strategy 'mine'", ("state", "batch_size"))
        Traceback (most recent call last):
        ...
        fbench.errors.ForeignError: strategy 'mine' takes (state); it is called with (state, batch_size)
    """
    asked = ", ".join(names)
    if not callable(function):
        raise ForeignError(f"{what} is a {type(function).__name__}; it must be a function of ({asked})")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin tells nothing
        return
    try:
        signature.bind(*names)
    except TypeError:
        raise refuse(function, f"{what} takes {signature}; it is called with ({asked})") from None


def whole_story(error: BaseException) -> str:
    """The traceback of what a user's code raised; empty where nothing lies behind the error.

    Example:
        >>> whole_story(ForeignError("mine.py:3: data set 'mine' raised ValueError"))
        ''
    """
    return "".join(traceback.format_exception(error.__cause__)) if error.__cause__ else ""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that lie behind it.

    Example:
        >>> [type(cause).__name__ for cause in causes(explained(MemoryError(), "it", len))]
        ['ForeignError', 'MemoryError']
    """
    while error is not None:
        yield error
        error = error.__cause__


def _frame(error: BaseException) -> str:
    """File and line of the last frame that is the user's."""
    steps = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] in _packages
    ]
    return f"{Path(steps[-1][0]).name}:{steps[-1][1]}" if steps else ""


def _plain(function: Callable[..., Any]) -> Any:
    """What was written: without decorators that say what they wrap, and without ``partial``."""
    function = inspect.unwrap(function)
    return _plain(function.func) if isinstance(function, functools.partial) else function


def _package(function: Any) -> str:
    module = getattr(function, "__module__", None) or type(function).__module__
    return str(module).partition(".")[0]


def _either(types: tuple[type, ...]) -> str:
    names = ["None" if kind is type(None) else kind.__name__ for kind in types]
    return " or ".join(names)
