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


class AboutTwo:
    """What is said of a question: its two strategies, by their part in it."""

    question: Question

    @property
    def first(self) -> str:
        """The strategy that the question is about."""
        return self.question.first

    @property
    def second(self) -> str:
        """The strategy that it is held to."""
        return self.question.second


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

    Arms of one size (``NAME@D``) take the places of their names in the family: equal d is compared with equal d.

    Example:
        >>> [str(question) for question in default_questions("bait >= random", ["random", "mine"])]
        ['mine > random']
        >>> [str(question) for question in default_questions("a > b, a > c", ["a@9", "b@9", "c", "a@5", "b"])]
        ['a@9 > b@9', 'a@9 > c', 'a@5 > c']
    """
    sizes = dict.fromkeys(name[len(name.partition("@")[0]) :] for name in arms)
    kept = tuple(filter(None, (_of_size(q, size, arms) for size in ("", *sizes) for q in parse_questions(family))))
    kept = tuple(dict.fromkeys(kept))
    asked = {"random", *(name for question in kept for name in (question.first, question.second))}
    others = [name for name in arms if name not in asked] if "random" in arms else []
    return (*kept, *(Question(name, ">", "random") for name in others))


def _of_size(question: Question, size: str, arms: Sequence[str]) -> Question | None:
    """A question of arms of a size, such as ``@328``, where they are in the run in place of those that take none."""
    sized = {name.partition("@")[0] for name in arms if "@" in name}
    first, second = (name + size if name in sized else name for name in (question.first, question.second))
    return Question(first, question.relation, second) if {first, second} <= set(arms) else None
