"""``fbench.run``: a suite from Python, as from the command line: the same options, rules, folders and errors."""

from __future__ import annotations

import contextlib
import os
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fbench.errors import UsageError
from fbench.harness import runner
from fbench.harness.contract import Case
from fbench.harness.executors import Fault
from fbench.harness.registry import SUITES
from fbench.harness.runner import Settings
from fbench.runs.asking import as_typed
from fbench.runs.defined import as_file, definitions
from fbench.runs.loading import load_again
from fbench.runs.opening import Run, open_run
from fbench.runs.report import write_report
from fbench.runs.study import Study, plan_study, start
from fbench.units import format_seconds

PathLike = str | os.PathLike[str]


def run(
    suite: str,
    *,
    load: PathLike | Sequence[PathLike] = (),
    progress: Callable[[str], object] | None = None,
    **options: Any,
) -> Run:
    """Run ``fbench SUITE`` and open what it measured.

    The options are the command's, ``--train-batch`` as ``train_batch``, as they would be typed or as Python's values:
    numbers, lists, paths, True and False; a ``range`` of seeds. So are the folders: without ``out`` an unfinished run
    of the same study is taken up, with it a run grows. A run that is interrupted is on disk up to its last unit, and
    the same call goes on. ``progress`` is told a line now and then: ``progress=print``.

    Strategies, kernels, data sets, models and suites that the caller has registered in a notebook or a script can be
    named; worker processes get them by value. No ``if __name__ == "__main__":`` is needed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     few = dict(candidates=40, classes=3, dim=12, batch=4, labelled=6, passes=1, dtype="float64")
        ...     select = run("select", methods="incremental", out=folder + "/run", device="cpu", threads=1, **few)
        ...     select.finished, select.settings["batch"], len(select.results) > 0
        (True, (4,), True)

    Raises:
        UsageError: whatever the command would refuse with exit code 2, in the same words.
        NothingMeasuredError: there is no good row.
    """
    loads = load_again([Path(file) for file in ([load] if isinstance(load, str | os.PathLike) else load)])
    chosen = SUITES.get(suite)
    by_hand = {name for name, value in options.items() if value is not None}
    study = plan_study(chosen, as_typed(chosen, options), by_hand, loads)
    for note in study.notes:
        warnings.warn(note, stacklevel=2)
    folder, _ = start(study)
    try:
        with _threads_kept(), _settings(study) as settings:
            runner.run(chosen, study.options, settings, folder, _Lines(progress, chosen.unit))
        for note in (*folder.notes, *write_report(open_run(folder.path).report, folder, study.files)):
            warnings.warn(note, stacklevel=2)
    except KeyboardInterrupt as error:
        traceback.clear_frames(error.__traceback__)  # a notebook keeps it, and with its frames the workers
        raise
    finally:
        folder.close()
    return open_run(folder.path)


@contextlib.contextmanager
def _settings(study: Study) -> Iterator[Settings]:
    """How to run, so that worker processes know what was defined in Python; without them where they cannot."""
    settings, suite = study.settings, study.suite
    defined = definitions(suite, study.options)
    elsewhere = suite.executor != "inline" or settings.cluster is not None
    if not elsewhere and settings.jobs == 1:
        yield settings
        return
    with contextlib.ExitStack() as stack:
        try:
            files = stack.enter_context(as_file(defined))
        except UsageError as error:
            if elsewhere:
                raise
            warnings.warn(f"{error}. This run stays in this process (jobs=1)", stacklevel=4)
            yield replace(settings, jobs=1)
            return
        yield replace(settings, loads=(*settings.loads, *files))


@contextlib.contextmanager
def _threads_kept() -> Iterator[None]:
    """Leave the caller's torch with as many threads as it had."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class _Lines:
    """Tells how far a run is, a line now and then, and warns of what fails."""

    def __init__(self, tell: Callable[[str], object] | None, unit: str) -> None:
        self._tell, self._unit = tell or (lambda line: None), unit
        self._done, self._total, self._next = 0, None, 0.0  # type: tuple[int, int | None, float]

    def planned(self, done: int, total: int | None) -> None:
        self._done, self._total = done, total
        self._say("")

    def measured(self, case: Case[Any], unit: int, left_s: float | None) -> None:
        self._done += 1
        if self._total is None or self._done >= self._next or self._done == self._total:
            self._say("" if left_s is None else f", about {format_seconds(left_s)} left")
            self._next = self._done + (self._total or 0) / 20

    def stopped(self, case: Case[Any], fault: Fault) -> None:
        warnings.warn(f"{case.id}: {fault.status}: {fault.reason}", stacklevel=4)

    def _say(self, left: str) -> None:
        of = "" if self._total is None else f" of {self._total}"
        self._tell(f"{self._done}{of} {self._unit}s{left}")
