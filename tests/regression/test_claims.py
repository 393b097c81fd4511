"""What the committed rates say, that today's code has them, and that the page shows them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from claim_rows import CLAIMS, most
from regression_claims import of_gates, of_histories, of_pairs, of_runs, rates_table

PAGE = Path(__file__).resolve().parents[2] / "fbench" / "regression" / "README.md"
DRAWS = 12


def committed():
    with (CLAIMS / "regression.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def shares(quantity, *words):
    return [float(row["share"]) for row in committed() if row["quantity"] == quantity and words[0] in row["condition"]]


def test_the_page_shows_the_committed_rates():
    assert f"<!-- rates -->\n{rates_table(committed())}\n<!-- /rates -->" in PAGE.read_text(encoding="utf-8")


def test_equal_code_is_seldom_called():
    rows = [row for row in committed() if row["quantity"].startswith("false_s") and "remembering" not in row["noise"]]
    living = [row for row in rows if row["noise"] == "living" and "interleaved" in row["condition"]]
    assert min(float(row["share"]) for row in living) > 0.1, "pairs of the same processes, judged one by one"
    rows = [row for row in rows if row not in living]
    assert {row["draws"] for row in rows} == {"1000"}
    pairs = [float(row["share"]) for row in rows if "pairs" in row["condition"]]
    assert max(pairs) <= 0.02
    assert max(float(row["share"]) for row in rows if "history" in row["condition"]) <= 0.02


def test_what_intervals_alone_would_have_called_is_most_of_it():
    assert min(shares("false_by_interval", "two runs")) > 5 * max(shares("false_slower", "two runs"))


@pytest.mark.parametrize(
    ("claims", "false"),
    [
        (lambda: of_pairs(DRAWS, "normal", 20), 0.01),
        (lambda: of_gates(DRAWS, "normal"), 0.01),
        (lambda: of_runs(DRAWS, controlled=True), 0.05),
        (lambda: of_histories(DRAWS, 16, 0.0), 0.01),
    ],
)
def test_todays_code_has_these_rates(claims, false):
    counts = {(count.quantity, count.condition): count for count in claims()}
    for (quantity, _), count in counts.items():
        if quantity in ("false_slower", "false_step"):
            assert count.count <= most(count.draws, false)
        if quantity == "power" and "25%" in count.condition and "two runs" not in count.condition:
            assert count.count >= 0.8 * count.draws
