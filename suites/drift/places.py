"""Where a layer stands in its network: the cells that say so in every table of masks or Fisher values.

"Layer" means one parameter tensor throughout.
"""

from __future__ import annotations

from typing import NamedTuple

from fbench.harness.contract import Row

WHOLE = "all"
"""What the columns ``layer`` and ``kind`` call the whole network."""


class Place(NamedTuple):
    """A layer in its place of the forward order.

    Attributes:
        name: the parameter's name.
        number: the place, counted from 0.
        depth: the same from 0, the first layer, to 1, the last.
        layer_type: convolution, pointwise, linear, bias, norm or other.
        parameters: how many weights the layer has.
    """

    name: str
    number: int
    depth: float
    layer_type: str
    parameters: int

    def row(self) -> Row:
        """The cells that say which layer a row is of."""
        return dict(zip(LAYER_COLUMNS, self, strict=True))


LAYER_COLUMNS = ("layer", "layer_index", "depth", "kind", "parameters")
"""Columns that hold the fields of a ``Place``, in their order."""


def whole_row(parameters: int) -> Row:
    """The cells of a row that is of the whole network, which has no place and no depth."""
    return {"layer": WHOLE, "kind": WHOLE, "parameters": parameters}
