"""The questions of a comparison, fixed before the run: ``A >= B`` (is A not inferior to B, by the margin?) or
``A > B`` (is A better than B?).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from fbench.errors import UsageError, shorten


class Question(NamedTuple):
    """A question of two strategies: is ``first`` not inferior to (``>=``), or better than (``>``), ``second``?"""

    first: str
    relation: str
    second: str

    def __str__(self) -> str:
        return f"{self.first} {self.relation} {self.second}"


def parse_questions(text: str) -> tuple[Question, ...]:
    """Read a text such as ``bait+fish >= bait, bait+fish > random``; an empty one asks nothing.

    Raises:
        UsageError: an item that is neither ``A >= B`` nor ``A > B``.
    """
    questions = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([^\s<>=]+)\s*(>=|>)\s*([^\s<>=]+)", item)
        if match is None or match[1] == match[3]:
            raise UsageError(
                f"question {shorten(item)!r}: write 'A >= B' (not inferior) or 'A > B' (better) for two strategies"
            )
        questions.append(Question(*match.groups()))
    return tuple(questions)


def more_questions(before: str, after: str) -> str:
    """The questions that were asked, then those that are new."""
    asked = parse_questions(before)
    return ", ".join(map(str, [*asked, *(question for question in parse_questions(after) if question not in asked)]))


def default_questions(family: str, arms: Sequence[str]) -> tuple[Question, ...]:
    """Those of a family whose arms are in the run; an arm that none of them asks about is held against random.

    Example:
        >>> [str(question) for question in default_questions("bait >= random", ["random", "mine"])]
        ['mine > random']
    """
    kept = tuple(question for question in parse_questions(family) if {question.first, question.second} <= set(arms))
    asked = {"random", *(name for question in kept for name in (question.first, question.second))}
    others = [name for name in arms if name not in asked] if "random" in arms else []
    return (*kept, *(Question(name, ">", "random") for name in others))
