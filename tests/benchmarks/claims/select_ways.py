"""How often select claims what is not so, on drawn times: reports/reference/claims/select.csv.

    python tests/benchmarks/claims/select_ways.py

A script called select.py would hide the standard library's module from every script in this folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from claim_rows import write
from timing_claims import SELECT, SELECT_AS_COMMITTED, draw_select, false_claims, power
from two_states import Machine

_DRAWS = 1000
_EXACT = SELECT_AS_COMMITTED["incremental"]
_TRUE = {
    "incremental": SELECT_AS_COMMITTED["published"] / _EXACT,
    **{way: _EXACT / SELECT_AS_COMMITTED[way] for way in ("top2", "binary", "pca")},
}

if __name__ == "__main__":
    machines = (Machine(spread=0.1), Machine(15.0, spread=0.1))
    print(
        write(
            "select",
            [
                *false_claims(draw_select, SELECT, 2.0, _DRAWS),
                *power(draw_select, SELECT_AS_COMMITTED, _TRUE, _DRAWS, machines),
            ],
        )
    )
