"""What a command that is no suite takes: a word and ``--json``, and how its help shows both; examples of every help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fbench.errors import UsageError


@dataclass(frozen=True)
class Fixed:
    """A command of at most one word: ``run(word, as_json)`` gives the exit code.

    ``word`` is how its help shows the word, empty where it takes none; ``json`` says what ``--json`` prints, empty
    where there is no such thing.
    """

    run: Callable[[str, bool], int]
    examples: tuple[str, ...]
    word: str = ""
    json: str = ""

    def called(self, name: str, words: Sequence[str]) -> int:
        """Run it with the words behind its name.

        Raises:
            UsageError: a word too many.
        """
        plain = [word for word in words if word != "--json"]
        most = 1 if self.word else 0
        if len(plain) > most:
            raise UsageError(f"fbench {name}: {plain[most]!r} is one word too many; see fbench {name} --help")
        return self.run(plain[0] if plain else "", len(plain) < len(words))

    def understands(self, words: Sequence[str]) -> bool:
        """Whether typer, whose parser costs more than all else here, has nothing to say to these words."""
        return all(not word.startswith("-") or (word == "--json" and self.json) for word in words)


def examples_below(examples: Sequence[str]) -> str:
    """Examples as they stand at the end of a help; the first letter keeps click from joining their lines.

    Example:
        >>> examples_below(["fbench list"]).splitlines()[1:]
        ['Examples:', '  fbench list']
    """
    return "\n".join(["\b", "Examples:", *(f"  {example}" for example in examples)])
