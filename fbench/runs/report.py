"""What a run's rows say, as files and as values: the summary first, then the figures, of which any may fail."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbench.errors import NothingMeasuredError
from fbench.harness.contract import Figure, Row, Summary
from fbench.harness.folder import RunFolder
from fbench.harness.suite import Suite
from fbench.results import render
from fbench.results.figures import FIGURE_FILES, FigureFiles
from fbench.runs.about import how_measured


@dataclass(frozen=True)
class Report:
    """A run's summary, the sentence that says where it was measured, and the paragraphs that say how."""

    title: str
    summary: Summary
    where: str
    how: Sequence[str] = ()

    @property
    def markdown(self) -> str:
        """The text of ``summary.md``."""
        return self.markdown_with("png")

    def markdown_with(self, kind: str) -> str:
        """The text of ``summary.md`` beside figures of that kind of file."""
        return render.markdown(self.title, self.summary, self.how or [self.where], kind)


def summarised(
    suite: Suite,
    options: Any,
    rows: Mapping[str, Sequence[Row]],
    identity: Mapping[str, Any],
    environment: Mapping[str, Any],
    spent_s: float,
    folder: Path,
) -> Report:
    """What the rows say.

    Raises:
        NothingMeasuredError: there is no good row.
    """
    statuses = {row["status"] for row in rows["results"]}
    if "ok" not in statuses:
        reasons = {row["reason"] for row in rows["results"]}
        raise NothingMeasuredError(f"nothing was measured in {folder}: {'; '.join(sorted(reasons)) or 'no cases'}")
    return Report(
        f"fbench {suite.name}",
        suite.summarise(rows, options),
        render.provenance(environment, spent_s),
        how_measured(suite, options, identity, environment, spent_s),
    )


def write_report(report: Report, folder: RunFolder, files: FigureFiles = FIGURE_FILES) -> list[str]:
    """Write ``summary.md``, then every figure; gives a line for each figure that could not be drawn.

    Raises:
        FolderError: the folder cannot be written.
    """
    kind = "png" if "png" in files.kinds else files.kinds[0]
    places = folder.publish({"summary.md": report.markdown_with(kind).encode("utf-8", "backslashreplace")})
    warnings = []
    for figure in report.summary.all_figures:
        try:
            images = drawn(figure, files)
        except Exception as error:  # a broken backend, style file or title costs a figure, never the text
            first = (str(error).splitlines() or [""])[0]
            warnings.append(f"figure {figure.name} could not be drawn: {type(error).__name__}: {first}")
            continue
        places |= folder.publish(images)
    for name, path in places.items():
        if path != folder.path / name:
            warnings.append(f"{folder.path / name} is not as fbench wrote it and stays; the new one is {path.name}")
    return warnings


def drawn(figure: Figure, files: FigureFiles = FIGURE_FILES) -> dict[str, bytes]:
    """A figure's files, by name below the run's folder."""
    from fbench.results.figures import draw

    with tempfile.TemporaryDirectory(prefix="fbench-") as folder:
        paths = draw(figure, Path(folder), files)
        return {f"figures/{path.name}": path.read_bytes() for path in paths}
