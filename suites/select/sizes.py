"""The sizes that a case of ``fbench select`` has, and how they are written.

Letters are those of fbench/fisher/MATH.md.
"""

from __future__ import annotations

from typing import NamedTuple

SIZE_LETTERS = {"candidates": "n", "classes": "k", "dim": "d", "batch": "B", "dtype": "dtype"}
COUNTS = ("candidates", "classes", "dim", "batch")
"""The sizes that are numbers."""
_BYTES = {"float32": 4, "float64": 8}


class ProblemSizes(NamedTuple):
    """Sizes of a problem, and the dtype in which its batch is selected."""

    candidates: int
    classes: int
    dim: int
    batch: int
    dtype: str

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """n, k, d and B: the problem without its dtype."""
        return self.candidates, self.classes, self.dim, self.batch

    @property
    def operations(self) -> int:
        """n·k·d²·B, to which the operations of the published order are proportional."""
        return self.candidates * self.classes * self.dim**2 * self.batch

    @property
    def embedding_bytes(self) -> int:
        """Bytes of V built with all its rows: n·k·d numbers of the dtype."""
        return self.candidates * self.classes * self.dim * _BYTES[self.dtype]

    def count(self, name: str) -> int:
        """The size of that name, one of ``COUNTS``."""
        return self.counts[COUNTS.index(name)]

    def value(self, name: str) -> str:
        """The size of that name as it is read: ``5,000``, ``float32``."""
        return self.dtype if name == "dtype" else f"{self.count(name):,}"

    def equation(self, name: str) -> str:
        """``n = 5,000`` for the size of that name; a dtype stands alone."""
        return self.dtype if name == "dtype" else f"{SIZE_LETTERS[name]} = {self.value(name)}"

    def equations(self, names: tuple[str, ...] = COUNTS) -> str:
        """``n = 5,000, k = 10`` for the sizes of these names."""
        return ", ".join(self.equation(name) for name in names)
