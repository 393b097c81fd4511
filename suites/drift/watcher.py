"""A run watched round by round: the rows of its drift tables, and what looking cost.

Nothing of it reaches the run: the same labels are bought whether it is watched or not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from fbench.harness.contract import Row
from fbench.learning.rounds import Design, Outcome, PlayedRound, retrained
from fbench.learning.strategies import LearnerState
from fbench.measure.timing import elapsed

from .overlaps import Comparison
from .snapshots import MaskGrid, Snapshot, diagonals_of, snapshot_of


class TimedSnapshot(NamedTuple):
    """A network's snapshot, the seconds that its diagonals took, and those of what was made of them."""

    snapshot: Snapshot
    diagonal_s: float
    masks_s: float


class Watcher:
    """Looks at every round that it is shown, and remembers the first and the last of them.

    Args:
        design: the arm, with diagonals at every N of the grid.
        grid: which masks are made of every network.
        retrain: train every round's networks once more, for the baseline of training.
    """

    def __init__(self, design: Design, grid: MaskGrid, *, retrain: bool) -> None:
        self._design, self._grid, self._retrain = design, grid, retrain
        self._first: list[Snapshot] = []
        self._previous: list[Snapshot] = []

    def see(self, played: PlayedRound, strategy: str) -> dict[str, list[Row]]:
        """Give the rows of a round, of all its seeds, by table: ``drift``, ``fisher``, ``masks`` and ``rounds``.

        A round that was committed before has none: it is remembered for those to come.
        """
        looks = [self._look(state) for state in played.states]
        tables: dict[str, list[Row]] = {"drift": [], "fisher": [], "masks": [], "rounds": []}
        if played.outcomes:
            again, retrain_s = self._again(played)
            for i, key in enumerate(played.keys(strategy)):
                other = self._look(again[i]) if again else None
                since = time.perf_counter()
                previous, first = _at(self._previous, i), _at(self._first, i)
                comparison = Comparison(looks[i].snapshot, previous, first, other and other.snapshot)
                labelled = {**key, "labels": played.outcomes[i].labels}
                tables["drift"] += comparison.overlap_rows(self._grid, labelled)
                tables["fisher"] += comparison.fisher_rows(self._grid, labelled)
                tables["masks"] += comparison.written_masks(labelled)
                both = [look for look in (looks[i], other) if look]
                seconds = {
                    "retrain_s": retrain_s,
                    "diagonal_s": sum(look.diagonal_s for look in both),
                    "masks_s": sum(look.masks_s for look in both) + time.perf_counter() - since,
                }
                tables["rounds"].append({**key, **_measured(played.outcomes[i]), **seconds})
        self._keep(played, [look.snapshot for look in looks])
        return tables

    def _again(self, played: PlayedRound) -> tuple[list[LearnerState], float | None]:
        """Train a round's networks once more; give their states, and the seconds that one of them took.

        There are none where one batch holds all labels: then there is no other order, and no other network.
        """
        if not self._retrain or self._design.recipe.batches(played.outcomes[0].labels) < 2:
            return [], None
        with elapsed(self._design.acquisition.devices[0]) as spent:
            states = retrained(self._design, played)
        return states, spent.seconds / len(states)

    def _look(self, state: LearnerState) -> TimedSnapshot:
        with elapsed(str(state.pool.images.device)) as passes:
            diagonals = diagonals_of(state, self._grid)
        since = time.perf_counter()
        snapshot = snapshot_of(state, self._grid, diagonals)
        return TimedSnapshot(snapshot, passes.seconds, time.perf_counter() - since)

    def _keep(self, played: PlayedRound, snapshots: list[Snapshot]) -> None:
        self._previous = [snapshot.to_compare_with(ranks=True) for snapshot in snapshots]
        if played.index == 0:
            self._first = [snapshot.to_compare_with(ranks=False) for snapshot in snapshots]


def _measured(outcome: Outcome) -> Row:
    """A round's outcome without the facts of its strategy; a diagonal that it selects by counts among the diagonals."""
    row = {name: value for name, value in outcome.row().items() if name not in outcome.facts}
    return row if outcome.select_s is None else {**row, "select_s": outcome.select_s - outcome.lent_s}


def _at(snapshots: Sequence[Snapshot], i: int) -> Snapshot | None:
    return snapshots[i] if snapshots else None
