"""Text that came from elsewhere, as text and nothing else: on a terminal, in Markdown, in a CSV, as a file's name."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from fbench.harness.contract import MATHEMATICS

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what turns the direction of a text, line breaks of other kinds, and halves of letters."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_PIPE = re.compile(r"(\\*)\|")
_FORMULA = re.compile(r"'*\s*[=+\-@]")
_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST_FILE_NAME = 100


def visible(text: str, keep: str = "") -> str:
    r"""The text with every character that is a command and no letter in one that can be seen.

    Example:
        >>> visible("a\x1b[31m\n")
        'a␛[31m␊'
    """
    return _UNSEEN.sub(lambda match: match[0] if match[0] in keep else _seen(match[0]), text)


def _seen(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def _marked(text: str) -> str:
    return text.replace(MATHEMATICS[0], "$").replace(MATHEMATICS[1], "$")


def markdown_text(text: str) -> str:
    r"""A sentence for Markdown: of one line, and without HTML.

    Example:
        >>> markdown_text("p < 0.1\nin <b>bold</b>")
        'p < 0.1 in &lt;b>bold&lt;/b>'
    """
    line = " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
    return _TAG.sub("&lt;", _marked(visible(line)))


def markdown_cell(text: str) -> str:
    r"""A cell of a Markdown table.

    Example:
        >>> markdown_cell("a|b")
        'a\\|b'
    """
    return _PIPE.sub(r"\1\1\\|", markdown_text(text))


def as_drawn(value: Any) -> Any:
    r"""A figure's description with its texts as matplotlib draws them to the letter: formulas are what is marked so.

    Example:
        >>> as_drawn(("$5 and $6", 7))
        ('\\$5 and \\$6', 7)
    """
    if isinstance(value, str):
        return _marked(visible(value, keep="\n").replace("$", r"\$"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: as_drawn(part) for name, part in fields.items()})
    return type(value)(map(as_drawn, value)) if type(value) in (tuple, list) else value


def csv_text(text: str) -> str:
    """A text for a CSV: one that a spreadsheet would take for a formula gets an apostrophe before it.

    Example:
        >>> csv_text("=1+2"), csv_text("'=1"), csv_text("1+2")
        ("'=1+2", "''=1", '1+2')
    """
    whole = text.encode("utf-8", "backslashreplace").decode()  # halves of letters, as undecodable file names have them
    return f"'{whole}" if _FORMULA.match(whole) else whole


def text_of_csv(cell: str) -> str:
    """The text that ``csv_text`` wrote.

    Example:
        >>> text_of_csv("'=1+2"), text_of_csv("'tis")
        ('=1+2', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell[1:]) else cell


def file_stem(name: str) -> str:
    r"""A file's name, without folders and in letters that every system takes.

    Example:
        >>> file_stem("time_by_chunk"), file_stem("../a b\0")
        ('time_by_chunk', 'a-b')
    """
    return _NO_FILE_NAME.sub("-", name).strip("-.")[:_LONGEST_FILE_NAME] or "unnamed"
