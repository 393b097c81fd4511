"""Per-sample gradients by capture and contraction: k−1 backward passes over a batch, whatever its size.

The diagonal and the masked embedding differ in what meets a row's δ: running sums of squares, or a mask's positions
of A. Nothing of the size samples × parameters exists in either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fbench.fisher.gradients import capture
from fbench.fisher.gradients.capture import Hashing, Record, RowMaker, UnsupportedError
from fbench.fisher.gradients.contractions import SquareSum, square_sum, tile
from fbench.fisher.gradients.footprint import Footprint, watching
from fbench.fisher.gradients.functional import combination
from fbench.fisher.gradients.layers import Factors, MaskedFactors, factors, output_factor
from fbench.fisher.likelihood import logit_rows

_PIECE = 1 << 20
"""Bytes of a parameter's G beyond which its samples are parted: what a core's cache holds; one sample at least."""


@dataclass(frozen=True)
class _Part:
    """One parameter of one captured layer: everything of its gradient but δ, which is the record's."""

    full: str
    name: str
    record: int
    A: Factors


@dataclass(frozen=True)
class Passes:
    """A batch after its backward passes: A of every parameter, and D [n, O, L] of every record, row by row.

    Whoever keeps them has the gradients at any mask's positions without another pass over the batch. ``nbytes`` is what
    they take.
    """

    nbytes: int
    _parts: Sequence[_Part]
    _rows: list[Sequence[Tensor]] = field(default_factory=list)

    def add(self, D: Sequence[Tensor]) -> None:
        """Take a row's."""
        self._rows.append(D)

    def gathered(self, positions: Mapping[str, Tensor]) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and G [n, d] at the positions side by side."""
        parts = {part.full: part for part in self._parts}
        masked = _at_positions([parts[full] for full in positions], positions)
        for D in self._rows:
            yield len(self._rows), _side_by_side(masked, D)


class CapturedPath:
    """The per-sample gradients of one network, batch after batch.

    ``positions`` are the flat positions wanted of each parameter, None for the whole of it. Backward passes end at the
    earliest layer that holds one of them. ``footprint`` is what a batch holds, measured on ``probe``, a sample or two.

    Raises:
        UnsupportedError: this network's gradients have another form.
    """

    def __init__(self, model: nn.Module, probe: Tensor, positions: Mapping[str, Tensor | None]) -> None:
        self._model, self._positions = model, positions
        self._sums: dict[str, SquareSum] = {}
        self.footprint = self._probe(probe)

    def square_sums(self, inputs: Tensor, rows: RowMaker, totals: Mapping[str, Tensor], room: int = 0) -> Passes | None:
        """Add Σ_x Σ_r g² of a batch to ``totals``, the same tensors at every call.

        What the passes gave is returned if it takes no more than ``room`` bytes.
        """
        logits, records, R = self._forward(inputs, rows)
        parts = self._parts(records)
        size = _bytes_of_passes(records, R)
        kept = Passes(size, parts) if size <= room else None
        sums = [(self._sum_of(part, totals[part.full]), part) for part in parts]
        for running, part in sums:
            running.start(part.A, R.shape[1])
        for r, D in enumerate(_passes(logits, records, R)):
            for running, part in sums:
                running.row(r, D[part.record])
            if kept is not None:
                kept.add(D)
        for running, _ in sums:
            running.end()
        return kept

    def gathered(self, inputs: Tensor, rows: RowMaker) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and G [n, d] at the positions side by side."""
        logits, records, R = self._forward(inputs, rows)
        masked = _at_positions(self._parts(records), self._positions)
        for D in _passes(logits, records, R):
            yield R.shape[1], _side_by_side(masked, D)

    def hashed(self, inputs: Tensor, rows: RowMaker, hashing: Hashing) -> Iterator[tuple[int, Tensor]]:
        """Give, for one row after another, the number of rows and the sums [n, dim] of the hashed gradients."""
        logits, records, R = self._forward(inputs, rows)
        parts = [(part, part.A.lanes() if part.name == "weight" else None) for part in self._parts(records)]
        room = next((lanes.room(hashing.dim) for _, lanes in parts if lanes), None)
        for D in _passes(logits, records, R):
            sums = R.new_zeros(len(R), hashing.dim)
            for part, lanes in parts:
                if lanes is None:
                    _add_pieces(part, D[part.record], hashing, sums)
                else:
                    assert room is not None  # some layer is in lanes
                    lanes.add_hashed(D[part.record], hashing.buckets[part.full], hashing.signs[part.full], room)
            if room is not None:
                sums += room.transpose(1, 2).reshape(-1, hashing.dim)[: len(R)]
                room.zero_()
            yield R.shape[1], sums

    def _forward(self, inputs: Tensor, rows: RowMaker) -> tuple[Tensor, list[Record], Tensor]:
        logits, records = capture.forward(self._model, inputs)
        wanted = [record for record in records if any(full in self._positions for full, _ in record.parameters())]
        return logits, wanted, rows(logits.detach())

    def _parts(self, records: Sequence[Record]) -> list[_Part]:
        """The wanted parameters of the records, in the order of the positions."""
        parts = {}
        for number, record in enumerate(records):
            A = factors(record.layer, record.a.detach())
            for full, name in record.parameters():
                parts[full] = _Part(full, name, number, A)
        return [parts[full] for full in self._positions]

    def _sum_of(self, part: _Part, total: Tensor) -> SquareSum:
        if part.full not in self._sums:
            self._sums[part.full] = square_sum(part.A, part.name, total)
        return self._sums[part.full]

    def _probe(self, inputs: Tensor) -> Footprint:
        """Compare a sample's gradients with those of its own backward pass, and count bytes.

        A layer may be fed samples along another axis than the first (steps first, or steps folded into samples);
        nothing in the shapes need betray it, but then no sample agrees. One that does is enough: rounding can put a
        ReLU's input on the other side of 0, which changes a sample's gradients by per cents. That is a question of the
        network, asked with the exact rows: the caller's may be drawn at random, anew at every call.
        """
        with watching() as held:
            logits, records, R = self._forward(inputs, logit_rows)
        parts = self._parts(records)
        held.add(*(record.a for record in records), *(part.A.view for part in parts))
        kept = held.bytes(*self._model.parameters(), *self._model.buffers())
        D = next(_passes(logits, records, R[:, :1]))
        if not any(_agrees(self._model, inputs, R[:, 0], x, parts, D) for x in reversed(range(len(inputs)))):
            raise UnsupportedError("a layer does not take one sample a row")
        # autograd frees δ as it goes but for those asked for, and each layer's way back works beside them
        deltas = 2 * sum(d.nbytes for d in D)
        beside, tiles = self._working_bytes(parts, D, R.shape[1])
        parameters = sum(p.nbytes for p in self._model.parameters())  # the probe's gradients, a layer's squares
        return Footprint(2 * (tiles + parameters), (kept + deltas + beside) // len(inputs))

    def _working_bytes(self, parts: Sequence[_Part], D: Sequence[Tensor], rows: int) -> tuple[int, int]:
        """Bytes beside activations and δ (a mask's A and its products, or stacked rows), and those of a tile of g."""
        if any(at is not None for at in self._positions.values()):
            return sum(3 * masked.nbytes for masked, _ in _at_positions(parts, self._positions)), 0
        dense = [(part.A, D[part.record]) for part in parts if part.name == "weight" and part.A.groups > 0]
        stacks = sum(rows * d.nbytes for _, d in dense)
        return stacks, max(
            (tile(A.outputs, rows, A.inputs // A.groups, A.groups, like).bytes for A, like in dense), default=0
        )


def _at_positions(parts: Sequence[_Part], positions: Mapping[str, Tensor | None]) -> list[tuple[MaskedFactors, int]]:
    """A at a mask's positions in every part, and the number of its record."""
    masked = []
    for part in parts:
        at = positions[part.full]
        assert at is not None
        masked.append((part.A.at(part.name, at), part.record))
    return masked


def _side_by_side(masked: Sequence[tuple[MaskedFactors, int]], D: Sequence[Tensor]) -> Tensor:
    """A row's gradients G [n, d] at all positions."""
    return torch.cat([A.gradient(D[record]) for A, record in masked], dim=1)


def _bytes_of_passes(records: Sequence[Record], R: Tensor) -> int:
    """Bytes of what entered the layers, and of every row's D."""
    outputs = sum(record.shape.numel() for record in records)
    return sum(record.a.nbytes for record in records) + outputs * R.shape[1] * R.element_size()


def _add_pieces(part: _Part, D: Tensor, hashing: Hashing, sums: Tensor) -> None:
    """Add one parameter's G, from a row's D [n, O, L], to the hashed ``sums``: a few samples at a time."""
    width = part.A.inputs // part.A.groups if part.A.groups and part.name == "weight" else 1
    step = max(1, _PIECE // (D.shape[1] * width * D.element_size()))
    for x in range(0, len(D), step):
        samples = slice(x, min(x + step, len(D)))
        hashing.add(part.full, part.A.gradients(D, part.name, samples), sums[samples])


def _passes(logits: Tensor, records: list[Record], R: Tensor) -> Iterator[list[Tensor]]:
    """D [n, O, L] of every record, for one row after another: one backward pass a row."""
    for r in range(R.shape[1]):
        deltas = capture.output_gradients(logits, records, R[:, r], last=r == R.shape[1] - 1)
        yield [output_factor(record.layer, delta) for record, delta in zip(records, deltas, strict=True)]


def _agrees(
    model: nn.Module, inputs: Tensor, rows: Tensor, x: int, parts: Sequence[_Part], D: Sequence[Tensor]
) -> bool:
    """Whether sample x's gradients of its logits weighted by ``rows[x]`` [k] are those of autograd."""
    try:
        mine = {part.full: part.A.gradients(D[part.record], part.name, slice(x, x + 1))[0] for part in parts}
    except (IndexError, RuntimeError):  # factors whose shapes do not even fit each other
        return False
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    with capture.affine_norms(model, live=True):
        one = torch.func.grad(combination(model))(parameters, inputs[x], rows[x])
    scale = max(float(one[name].abs().max()) for name in mine)
    if not math.isfinite(scale):
        return True  # nothing to compare; whoever asked refuses gradients that are not finite
    tolerance = scale * (1e-7 if rows.dtype == torch.float64 else 1e-2)
    return all(
        g.numel() == one[name].numel() and float((g - one[name].flatten()).abs().max()) <= tolerance
        for name, g in mine.items()
    )
