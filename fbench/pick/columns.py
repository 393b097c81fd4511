"""The columns of the picks' CSV."""

from fbench.harness.contract import Column

PICK_COLUMNS = (
    Column("position", "int", "", "order within the batch, from 0"),
    Column("index", "int", "", "position in the pool: row of the arrays, from 0"),
    Column("score", "float", "", "by how much the forward pick lowered tr(F M⁻¹)"),
    Column("gap", "float", "share", "its lead over the next, relative to the score; inf when nothing else was left"),
)
