"""Whether two processes got equal values: a digest of a value, and its first letters for a reader.

Used by ``bench_server`` in an environment that may have no fbench: the standard library alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

_DEEPEST, _MOST_LETTERS = 12, 60


def value_digest(value: Any) -> str:
    """The same text for equal values of two processes; empty where a value does not tell (a function, a file).

    Numbers, text, containers of them, arrays and tensors (dtype, shape and bytes), and objects by what is in them.

    Example:
        >>> value_digest({"a": [1, 2.0]}) == value_digest({"a": [1, 2.0]}), value_digest(1) == value_digest(1.0)
        (True, False)
        >>> value_digest(print)
        ''
    """
    try:
        return hashlib.sha256(_bytes_of(value, 0)).hexdigest()[:16]
    except Exception:  # a value of somebody else's may refuse anything; then it is not compared
        return ""


def first_letters(value: Any) -> str:
    """The first letters of a value, in one line.

    Example:
        >>> first_letters([1, 2]), len(first_letters("x" * 100))
        ('[1, 2]', 61)
    """
    try:
        text = " ".join(repr(value).split())
    except Exception as error:
        text = f"{type(value).__name__} ({type(error).__name__} when shown)"
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"


def _bytes_of(value: Any, depth: int) -> bytes:
    """Type and content; lengths stand before parts, so that no two values have the same bytes."""
    if depth > _DEEPEST:
        raise ValueError("deeper than is looked at")
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | bytearray):
        parts = [repr(value).encode("utf-8", "surrogatepass")]
    elif isinstance(value, list | tuple):
        parts = [_bytes_of(part, depth + 1) for part in value]
    elif isinstance(value, dict):
        parts = sorted(_bytes_of(key, depth + 1) + _bytes_of(held, depth + 1) for key, held in value.items())
    elif isinstance(value, set | frozenset):
        parts = sorted(_bytes_of(part, depth + 1) for part in value)
    else:
        parts = _parts_of_object(value, depth)
    return b"".join([_sized(kind.encode()), *(_sized(part) for part in parts)])


def _parts_of_object(value: Any, depth: int) -> list[bytes]:
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes") and hasattr(value, "dtype") and hasattr(value, "shape"):
        if getattr(value.dtype, "hasobject", False):
            return [_bytes_of(value.tolist(), depth + 1)]
        return [str(value.dtype).encode(), str(tuple(value.shape)).encode(), value.tobytes()]
    if callable(value) or not hasattr(value, "__dict__"):
        raise ValueError("nothing in it can be compared")
    return [_bytes_of(vars(value), depth + 1)]


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(8, "little") + part
