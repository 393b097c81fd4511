"""What is said of arms that are picks of a file: whose they are, and where all arms began."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fbench.harness.contract import Evidence
from fbench.learning.named_files import path_of
from fbench.results.words import count_words, listed

from .lead import LINE
from .options import Options


def beginning(options: Options) -> str:
    """The data set, and whose start sets the arms begin from where a file has them."""
    files = _start_files(options)
    return f"{options.dataset} from the start sets of {files}" if files else options.dataset


def with_beginning(lines: Sequence[str], options: Options) -> tuple[str, ...]:
    """First lines that name settings, with whose start sets the arms begin from where the first has room for it."""
    first = f"{lines[0]} All begin from the start sets of {_start_files(options)}."
    return tuple(lines) if not options.start_files or count_words(first) > LINE else (first, *lines[1:])


def _start_files(options: Options) -> str:
    return listed([Path(path).name for path in options.start_files.split(", ")]) if options.start_files else ""


def replay_evidence(options: Options) -> list[Evidence]:
    """Which arms were chosen elsewhere, and what pairs them with the others; none without one."""
    if not options.replayed:
        return []
    files, names = listed([path_of(text) for text in options.replay]), options.replayed.split(", ")
    verb = "is" if len(names) == 1 else "are"
    claims = [
        f"{listed(names)} {verb} the picks in {files}, and trained as every arm is; how long choosing them took is not "
        "known."
    ]
    if options.start_files:
        claims.append("Every arm begins from the start sets in the file, so that seeds are pairs.")
    return [Evidence("Picks of another program", claims)]
