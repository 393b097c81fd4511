"""Standard streams that nothing is lost by: what cannot be written is dropped, and whoever writes goes on.

A reader may leave (``fbench list | head -1``), a disk be full, a stream be closed before the program begins, and an
encoding lack a letter. None of it is worth a run, a file or an exit code, in a worker as little as in the program.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Any

_NAMES = ("stdout", "stderr")
_PLAIN = {
    **{"×": "x", "·": "*", "•": "*", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">="},
    **{"±": "+-", "≈": "~", "µ": "u", "μ": "u", "λ": "lambda", "⁻¹": "^-1", "⁻": "^-", "¹": "1", "²": "^2", "ᵀ": "^T"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"', "─": "-", "━": "-", "█": "#", "\N{NO-BREAK SPACE}": " "},
}


def spelled_out(text: str, encoding: str) -> str:
    """The text with every letter that the encoding lacks in other words, or as ``?``.

    Example:
        >>> spelled_out("4 × λ ≤ 1 µs at Čech's", "ascii")
        "4 x lambda <= 1 us at ?ech's"
    """
    return text.encode(encoding, _ERRORS).decode(encoding)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


_ERRORS = "fbench.plain"
codecs.register_error(_ERRORS, _replaced)


class Unbreakable:
    """A stream of text that takes what is written even where it can be written no more.

    ``fault`` is why, once it could not: None for a reader who left, who knows.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.fault: OSError | None = None
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors=_ERRORS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        try:
            self._file.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Write to nowhere from here on, what waits in the buffer and would fail at the interpreter's end included."""
        if not isinstance(error, BrokenPipeError):
            self.fault = self.fault or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._file.fileno())
        os.close(nowhere)


def guard_streams() -> None:
    """Make this process's standard streams unbreakable; once more does nothing.

    Those that were closed lead nowhere from here on: else the next file that is opened would take their place, and
    be written to by whoever prints, or be closed with the stream.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free: this one
    for name in _NAMES:
        file = getattr(sys, name)
        if file is None:
            file = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - as long as the process
            setattr(sys, f"__{name}__", file)
        if not isinstance(file, Unbreakable):
            setattr(sys, name, Unbreakable(file))


def stream_fault(name: str) -> OSError | None:
    """Flush ``stdout`` or ``stderr``; why it could not be written, where it was guarded and could not.

    Example:
        >>> stream_fault("stdout") is None
        True
    """
    file = getattr(sys, name)
    if not isinstance(file, Unbreakable):
        return None
    file.flush()
    return file.fault
