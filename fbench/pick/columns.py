"""The columns of the picks' CSV."""

from fbench.harness.contract import Column

PICK_COLUMNS = (
    Column("position", "int", "", "order within the batch, from 0"),
    Column("index", "int", "", "position in the pool: row of the arrays, from 0"),
    Column(
        "score",
        "float",
        "",
        "BAIT: by how much the pick lowered tr(F M⁻¹); else what it was chosen by",
    ),
    Column(
        "gap",
        "float",
        "share",
        "BAIT: the lead over the next, relative to the score; inf when none was left; else empty",
    ),
)
