"""How often memory claims what is not so, on drawn rounds: reports/reference/claims/memory.csv.

python tests/benchmarks/claims/memory.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import write
from memory_claims import false_claims, power

_DRAWS = 1000

if __name__ == "__main__":
    print(write("memory", [*false_claims(_DRAWS), *power(_DRAWS)]))
