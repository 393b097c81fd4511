"""What a selection from pools of 10⁶ and 10⁷ would take on 1 to 64 GPUs, by the model of ``fbench``'s plans.

    python tests/benchmarks/predicted_scaling.py FOLDER

Nothing is measured here: rates are those of a data sheet, which no program reaches. ``scaling.py`` measures how far
the model misses where it can be checked. B = 1,000 of a pool with 10,000 labelled, twice as many forward picks, in
float32, with one refresh. Whether a share fits is told by the plan of its memory.

Writes FOLDER/predicted.csv, FOLDER/predicted.md and FOLDER/figures/predicted.svg and .png.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fbench.fisher.planning.plan import Shape, StepCounts, plan_selection
from fbench.fisher.planning.scaling import Rates, scaled_selection
from fbench.harness.contract import Figure, Panel, Series
from fbench.results.figures import draw
from fbench.units import format_bytes

H200 = Rates(narrow=67e12, wide=67e12, memory=4.8e12, latency_s=20e-6, link=450e9)
"""NVIDIA H200, by its data sheet: 67 TFLOP/s in float32 and, on tensor cores, in float64; 4.8 TB/s; NVLink, 450 GB/s
one way. 20 µs is what a small NCCL collective is commonly said to take."""
GPU_BYTES = 139 * 2**30
RANKS = (1, 2, 4, 8, 16, 32, 64)
POOLS = (10**6, 10**7)
BATCH, LABELLED = 1000, 10_000


@dataclass(frozen=True)
class Way:
    """A way to select: its name, classes and features, and r and k of its embedding."""

    name: str
    k: int
    h: int
    rows: int
    classes: int

    @property
    def label(self) -> str:
        """As the figure and the table call it."""
        return f"{self.name}, k = {self.k:,}, h = {self.h:,}"

    def shape(self, n: int) -> Shape:
        """Of the whole pool's embedding."""
        return Shape(n, self.rows, self.classes * self.h, self.classes)


WAYS = (
    Way("exact", 10, 512, 9, 10),
    Way("exact", 100, 512, 99, 100),
    Way("top2", 100, 512, 2, 100),
    Way("binary", 1000, 2048, 1, 1),
    Way("exact", 1000, 2048, 999, 1000),
)


@dataclass(frozen=True)
class Prediction:
    """Seconds and bytes of one way for one pool on so many GPUs."""

    way: Way
    n: int
    ranks: int
    phases: dict[str, float]
    messages_s: float
    held: int

    @property
    def all_s(self) -> float:
        """Of all phases."""
        return sum(self.phases.values())

    @property
    def fits(self) -> bool:
        """Whether a GPU holds its share."""
        return self.held <= GPU_BYTES


def predict(way: Way, n: int, ranks: int) -> Prediction:
    """The prediction for one way, pool and number of GPUs."""
    counts = StepCounts.of(BATCH, 2.0, n - LABELLED, labelled=LABELLED)
    times = scaled_selection(way.shape(n), counts, H200, ranks=ranks)
    share = replace(way.shape(n), n=-(-n // ranks))
    plan = plan_selection(share, device="cuda", counts=counts)
    held = plan.inputs + plan.needed
    seconds = {phase: time.all_s for phase, time in times.items()}
    return Prediction(way, n, ranks, seconds, sum(time.messages_s for time in times.values()), held)


def pays_until(fitting: Sequence[Prediction]) -> int:
    """The largest number of GPUs, of those that fit, to which doubling has still taken a quarter of the time away."""
    last = fitting[0]
    for nxt in fitting[1:]:
        if nxt.all_s > 0.75 * last.all_s:
            break
        last = nxt
    return last.ranks


def write_rows(path: Path, predictions: Sequence[Prediction]) -> None:
    """A row a prediction."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        phases = list(predictions[0].phases)
        writer.writerow(
            ["method", "k", "h", "r", "d", "n", "ranks", "fits", "held_bytes", "all_s", "messages_s", *phases]
        )
        for p in predictions:
            shape = p.way.shape(p.n)
            sizes = [p.way.name, p.way.k, p.way.h, shape.rows, shape.dim, p.n, p.ranks, p.fits, p.held]
            writer.writerow([*sizes, *(f"{seconds:.4g}" for seconds in (p.all_s, p.messages_s, *p.phases.values()))])


def figure_of(predictions: Sequence[Prediction]) -> Figure:
    """Seconds against GPUs, a panel a pool, only where a share fits."""
    panels = []
    for n in POOLS:
        series = []
        for number, way in enumerate(WAYS):
            fitting = [p for p in predictions if p.way == way and p.n == n and p.fits]
            x, y = [float(p.ranks) for p in fitting], [p.all_s for p in fitting]
            series.append(Series(way.label, x, y, colour=number))
        series = [line for line in series if line.x]
        title = f"{n:,} candidates"
        ticks = [float(p) for p in RANKS]
        panels.append(Panel(series, "GPUs", "seconds a selection", title, x_ticks=ticks, x_log=True, y_log=True))
    note = "predicted from an H200's data sheet: lower bounds; a line begins where a share fits"
    return Figure("predicted", f"A batch of {BATCH:,}, over GPUs that share the pool", panels, note)


def sentences_of(predictions: Sequence[Prediction]) -> list[str]:
    """What the predictions say, a line a way and pool."""
    lines = []
    for way in WAYS:
        for n in POOLS:
            of_one = [p for p in predictions if p.way == way and p.n == n]
            fitting = [p for p in of_one if p.fits]
            if not fitting:
                held = format_bytes(of_one[-1].held)
                lines.append(f"- {way.label}, n = {n:,}: does not fit: {held} a GPU even over {of_one[-1].ranks}.")
                continue
            first, last = fitting[0], next(p for p in fitting if p.ranks == pays_until(fitting))
            most = max(last.phases, key=lambda phase: last.phases[phase])
            lines.append(
                f"- {way.label}, n = {n:,}: {first.all_s:,.3g} s on {first.ranks}, the fewest that hold it; pays until "
                f"{last.ranks} ({last.all_s:,.3g} s, {100 * last.messages_s / last.all_s:.0f} % of it messages), where "
                f"`{most}` takes {100 * last.phases[most] / last.all_s:.0f} %."
            )
    return lines


def main(folder: Path) -> None:
    """Predict, write and print."""
    predictions = [predict(way, n, ranks) for way in WAYS for n in POOLS for ranks in RANKS]
    write_rows(folder / "predicted.csv", predictions)
    draw(figure_of(predictions), folder / "figures")
    lines = sentences_of(predictions)
    head = (
        f"# A batch of {BATCH:,} over GPUs, predicted\n\nBy rates of a data sheet, so at best. Each doubling of GPUs "
        "pays as long as it takes a quarter of the time away.\n\n"
    )
    picture = "\n\n![Seconds against GPUs](figures/predicted.svg)\n"
    (folder / "predicted.md").write_text(head + "\n".join(lines) + picture, encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
