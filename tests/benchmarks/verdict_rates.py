"""How often ``fbench gate`` is wrong, and what it finds, on this machine: recorded once, then judged two hundred times.

    python tests/benchmarks/verdict_rates.py record reports/reference/verdicts/quiet
    python tests/benchmarks/verdict_rates.py record reports/reference/verdicts/busy --busy
    python tests/benchmarks/verdict_rates.py judge --page fbench/gate/README.md reports/reference/verdicts/quiet
        reports/reference/verdicts/busy

``record FOLDER [--starts 50] [--busy]`` runs ten benchmarks in the gate's own processes, five codes side by side (see
tests/verdict_series.py): in every round a block of each, in random order. Processes are begun anew after every four
rounds, as the gate does. ``--busy``: two processes that compute and sleep irregularly run beside. Rows go to
FOLDER/series.csv as they are measured, with environment.json. Fifteen minutes a condition on two cores.

``judge FOLDER…`` draws two hundred whole runs a condition and code, has the gate decide them by its own functions, and
writes rates.csv, rates.svg, rates.png and rates.md beside the folders, and rates.md onto the page. In a run of equal
code any benchmark that is called is a mistake; in one with a slowed benchmark, one of the ten in turn, that one is to
be called.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from busy_machine import busy
from marked_pages import fill_mark
from verdict_counts import RATES, all_rates, figure, rates_table, sentences
from verdict_series import CODES, COLUMNS, SLOWED, Starts, middles, read_starts

from fbench.gate.builds import Build
from fbench.gate.playing import PAIRS_A_START
from fbench.gate.processes import GateSide, renew
from fbench.gate.sources import Source
from fbench.measure.environment import environment
from fbench.results.figures import draw

TEN = Path(__file__).with_name("ten_benchmarks.py")
_STARTS, _ROUNDS, _BLOCK_S = 50, 5, 0.02
_DRAWS = 200


def record(folder: Path, starts: int, *, is_busy: bool, seed: int = 0) -> None:
    """Measure so many starts of all processes, four rounds each."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, begun = random.Random(seed), time.monotonic()
    about: dict[str, Any] = {"condition": "busy" if is_busy else "quiet", "seed": seed, "block_s": _BLOCK_S}
    about |= environment(("cpu",), 1)
    with (
        (folder / "series.csv").open("w", newline="") as file,
        busy(2 if is_busy else 0),
        living_sides() as sides,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        renew(sides, rng)
        calls = calibrated(sides[0])
        for start in range(starts):
            if start:
                renew(sides, rng)
            for side in sides:
                for name in calls:
                    side.run(name, 1, 1)  # what a process does for the first time only is not of the code's making
            for number in range(PAIRS_A_START):
                writer.writerows((start, number, *row) for row in one_round(sides, calls, rng))
            file.flush()
            print(f"\rstart {start + 1} of {starts}, {time.monotonic() - begun:.0f} s", end="", flush=True)
    about |= {"spent_s": round(time.monotonic() - begun, 1), "load_average_after": os.getloadavg()}
    (folder / "environment.json").write_text(json.dumps(about, indent=2) + "\n")
    print()
    told = [f"{name}: {value:+.1%}" for name, value in _seen(read_starts(folder / "series.csv", "")).items()]
    print(f"median over the base, all benchmarks: {', '.join(told)}")


def _seen(starts: Starts) -> dict[str, float]:
    return {code: statistics.median(middles(starts, code)) for code in CODES[1:]}


@contextlib.contextmanager
def living_sides() -> Iterator[list[GateSide]]:
    """A process of every code, each with a copy of the benchmarks that says by how much its calls are slowed."""
    with tempfile.TemporaryDirectory(prefix="fbench-verdicts-") as work, contextlib.ExitStack() as stack:
        sides = []
        for number, code in enumerate(CODES):
            home = Path(work, f"home-{number}")
            home.mkdir()
            (home / "test_ten.py").write_text(TEN.read_text(encoding="utf-8"), encoding="utf-8")
            (home / "share").write_text(str(SLOWED.get(code, 0.0)))
            build = Build(Source(code, "0" * 40), Path(sys.executable), home, home, ())
            side = GateSide(code, build, [str(home / "test_ten.py")], Path(work, f"empty-{number}"), timeout_s=60)
            sides.append(stack.enter_context(side))
        yield sides


def calibrated(base: GateSide) -> dict[str, int]:
    """Calls of a round, by benchmark, so that a block of five takes about 20 ms."""
    seconds = {name: statistics.median(base.run(name, _ROUNDS, 1).seconds) for name in base.names}
    return {name: max(1, round(_BLOCK_S / _ROUNDS / value)) for name, value in seconds.items()}


def one_round(
    sides: Sequence[GateSide], calls: Mapping[str, int], rng: random.Random
) -> Iterator[tuple[str, int, str, str]]:
    """A block of every benchmark and code, both in random order: benchmark, place, code, seconds of a call."""
    for name in rng.sample(list(calls), len(calls)):
        for place, side in enumerate(rng.sample(list(sides), len(sides))):
            block = side.run(name, _ROUNDS, calls[name])
            yield name.rpartition("::")[2], place, side.role, f"{statistics.median(block.seconds):.6g}"


def judge(folders: Sequence[Path], draws: int = _DRAWS, page: Path | None = None) -> None:
    """Count, and write what was counted beside the folders and onto a page."""
    recorded = [read_starts(path / "series.csv", _condition(path)) for path in folders]
    place = folders[0].resolve().parent
    counts = [count for one in recorded for count in all_rates(one, draws)]
    with (place / "rates.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, RATES, lineterminator="\n")
        writer.writeheader()
        writer.writerows(count.row() for count in counts)
    rows = [count.row() for count in counts]
    draw(figure(rows), place)
    lines = sentences(rows, recorded)
    told = f"{rates_table(rows)}\n\n" + "\n".join(f"- {line}" for line in lines)
    (place / "rates.md").write_text(f"{told}\n", encoding="utf-8")
    if page is not None:
        page.write_text(filled(page.read_text(encoding="utf-8"), told), encoding="utf-8")
    print(*lines, sep="\n")


def filled(page: str, told: str) -> str:
    """The page with what was judged between its marks."""
    if "<!-- /verdicts -->" not in page.partition("<!-- verdicts -->\n")[2]:
        raise ValueError("the page has no place for it: <!-- verdicts --> and <!-- /verdicts -->, a line each")
    return fill_mark(page, "verdicts", told)


def _condition(folder: Path) -> str:
    about = folder / "environment.json"
    return str(json.loads(about.read_text())["condition"]) if about.is_file() else folder.name


def main(words: Sequence[str] | None = None) -> None:
    """Record or judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    recording = steps.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--starts", type=int, default=_STARTS)
    recording.add_argument("--busy", action="store_true")
    judging = steps.add_parser("judge")
    judging.add_argument("folders", type=Path, nargs="+")
    judging.add_argument("--draws", type=int, default=_DRAWS)
    judging.add_argument("--page", type=Path)
    asked = parser.parse_args(words)
    if asked.step == "record":
        record(asked.folder, asked.starts, is_busy=asked.busy)
    else:
        judge(asked.folders, asked.draws, asked.page)


if __name__ == "__main__":
    main()
