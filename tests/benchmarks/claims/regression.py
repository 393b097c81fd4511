"""How often ``fbench diff`` calls what is not so, on drawn samples: reports/reference/claims/regression.csv.

python tests/benchmarks/claims/regression.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import write
from regression_claims import claims

_DRAWS = 1000

if __name__ == "__main__":
    print(write("regression", claims(_DRAWS)))
