"""What the units of a run took, as tests replay it: ``record_courses.py COURSE.json SUITE …`` runs the command once.

A line of the file is an event as the clock heard it: which case, how many seconds, what it was told; with the moments
at which that was, and what every unit was expected to cost before the first.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from fbench import cli
from fbench.harness import runner
from fbench.harness.clock import Clock


class Recorder(Clock):
    """A clock that writes down what it hears."""

    heard: dict[str, Any]

    def __init__(self, expected: Any, *, counted: bool = True, lanes: int = 1, **more: Any) -> None:
        expected = {case: [float(f"{cost:.4g}") for cost in costs] for case, costs in expected.items()}
        super().__init__(expected, counted=counted, lanes=lanes, **more)
        self._began = time.perf_counter()
        limit_s = more["ends_at"] - time.monotonic()
        known = {"lanes": lanes, "in_seconds": more["in_seconds"]}
        limit = None if limit_s == float("inf") else round(limit_s, 3)
        Recorder.heard = {"expected": expected, "counted": counted, **known, "limit_s": limit, "events": []}

    def take(self, case: str, seconds: float, told: float | None = None) -> None:
        self._write(case, seconds, told)
        super().take(case, seconds, told)

    def stop(self, case: str) -> None:
        self._write(case, None, None)
        super().stop(case)

    def _write(self, case: str, seconds: float | None, told: float | None) -> None:
        moment = time.perf_counter() - self._began
        numbers = [None if number is None else round(number, 4) for number in (moment, seconds, told)]
        self.heard["events"].append([case, *numbers])


def main(path: Path, words: list[str]) -> int:
    """Run the command, and write its course."""
    runner.Clock = Recorder  # type: ignore[misc]
    code = cli.run(words)
    names = {case: str(number) for number, case in enumerate(Recorder.heard["expected"])}
    heard = {
        **Recorder.heard,
        "expected": {names[case]: costs for case, costs in Recorder.heard["expected"].items()},
        "events": [[names[event[0]], *event[1:]] for event in Recorder.heard["events"]],
    }
    path.write_text(json.dumps({"command": " ".join(words), **heard}) + "\n", encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
