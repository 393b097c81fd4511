"""What is said of arms that are picks of a file: whose they are, and where all arms began."""

from __future__ import annotations

from pathlib import Path

from fbench.harness.contract import Evidence
from fbench.learning.named_files import path_of
from fbench.results.words import listed

from .options import Options


def beginning(options: Options) -> str:
    """The data set, and whose start sets the arms begin from where a file has them."""
    files = listed([Path(path).name for path in options.start_files.split(", ")]) if options.start_files else ""
    return f"{options.dataset} from the start sets of {files}" if files else options.dataset


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
