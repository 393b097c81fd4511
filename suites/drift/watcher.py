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

from .overlaps import Views
from .views import View, Watch, diagonals_of, view


class Seen(NamedTuple):
    """A network's view, and seconds: of its diagonals, and of what was made of them."""

    view: View
    diagonal_s: float
    masks_s: float


class Watcher:
    """Keeps the views of the first and of the last round that it was shown.

    Args:
        design: the arm, its acquisition with the watch's draws.
        watch: which masks.
        retrain: train every round's networks once more, for the floor of training.
    """

    def __init__(self, design: Design, watch: Watch, *, retrain: bool) -> None:
        self._design, self._watch, self._retrain = design, watch, retrain
        self._first: list[View] = []
        self._previous: list[View] = []

    def see(self, played: PlayedRound, strategy: str) -> dict[str, list[Row]]:
        """The rows of a round, of all its seeds, by table: ``drift``, ``fisher``, ``masks`` and ``rounds``.

        None of a round that was committed before: it is remembered for those to come.
        """
        seen = [self._look(state) for state in played.states]
        tables: dict[str, list[Row]] = {"drift": [], "fisher": [], "masks": [], "rounds": []}
        if played.outcomes:
            again, retrain_s = self._again(played)
            for i, key in enumerate(played.keys(strategy)):
                other = self._look(again[i]) if again else None
                since = time.perf_counter()
                views = Views(seen[i].view, _at(self._previous, i), _at(self._first, i), other and other.view)
                own = {**key, "labels": played.outcomes[i].labels}
                tables["drift"] += views.results(self._watch, own)
                tables["fisher"] += views.fisher(self._watch, own)
                tables["masks"] += views.masks(own)
                both = [each for each in (seen[i], other) if each]
                seconds = {
                    "retrain_s": retrain_s,
                    "diagonal_s": sum(each.diagonal_s for each in both),
                    "masks_s": sum(each.masks_s for each in both) + time.perf_counter() - since,
                }
                tables["rounds"].append({**key, **_measured(played.outcomes[i]), **seconds})
        self._keep(played, [each.view for each in seen])
        return tables

    def _again(self, played: PlayedRound) -> tuple[list[LearnerState], float | None]:
        """Nothing where one batch holds all labels: then there is no other order, and no other network."""
        if not self._retrain or self._design.recipe.batches(played.outcomes[0].labels) < 2:
            return [], None
        with elapsed(self._design.acquisition.devices[0]) as spent:
            states = retrained(self._design, played)
        return states, spent.seconds / len(states)

    def _look(self, state: LearnerState) -> Seen:
        with elapsed(str(state.pool.images.device)) as passes:
            diagonals = diagonals_of(state, self._watch)
        since = time.perf_counter()
        made = view(state, self._watch, diagonals)
        return Seen(made, passes.seconds, time.perf_counter() - since)

    def _keep(self, played: PlayedRound, views: list[View]) -> None:
        self._previous = [each.to_compare_with(ranks=True) for each in views]
        if played.index == 0:
            self._first = [each.to_compare_with(ranks=False) for each in views]


def _measured(outcome: Outcome) -> Row:
    """Without the facts of its strategy; a diagonal that it selects by is counted among the diagonals."""
    row = {name: value for name, value in outcome.row().items() if name not in outcome.facts}
    return row if outcome.select_s is None else {**row, "select_s": outcome.select_s - outcome.lent_s}


def _at(views: Sequence[View], i: int) -> View | None:
    return views[i] if views else None
