"""How often ``fbench diff`` and the gate call what is not so, on drawn samples.

Writes reports/reference/claims/regression.csv.

    python tests/benchmarks/claims/regression.py

The table goes onto fbench/regression/README.md, too. Ten minutes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import write
from marked_pages import fill_mark
from regression_claims import claims, rates_table

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "fbench" / "regression" / "README.md"
_DRAWS = 1000

if __name__ == "__main__":
    with write("regression", claims(_DRAWS)).open(newline="") as file:
        table = rates_table(csv.DictReader(file))
    PAGE.write_text(fill_mark(PAGE.read_text(encoding="utf-8"), "rates", table), encoding="utf-8")
