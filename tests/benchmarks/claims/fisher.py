"""How often fisher claims what is not so, on drawn times: reports/reference/claims/fisher.csv.

python tests/benchmarks/claims/fisher.py
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import write
from timing_claims import FISHER, FISHER_AS_COMMITTED, draw_fisher, false_claims, power
from two_states import Machine

_DRAWS = 1000
_TRUE = {"loop": 97.7, "vmap": 1.81, "backpack": 1.83}

if __name__ == "__main__":
    machines = (Machine(spread=0.1), Machine(15.0, spread=0.1))
    print(
        write(
            "fisher",
            [
                *false_claims(draw_fisher, FISHER, 2.0, _DRAWS),
                *power(draw_fisher, FISHER_AS_COMMITTED, _TRUE, _DRAWS, machines),
            ],
        )
    )
