"""The batched scores agree with each other and with the slow formula."""

from __future__ import annotations

import pytest
import reference as slow
import torch

from fbench.suites.select import problem, scoring
from fbench.suites.select.ways import SelectionProblem, parse_way

PROBLEM = SelectionProblem(n=50, k=3, d=12, batch=4, labelled=6)
NAMES = ("score-packed", "score-cholesky", "score-inverse")


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_slow_formula(name):
    state = scoring.random_batch_state(PROBLEM, torch.float64, "cpu")
    pool = problem.outputs(PROBLEM, torch.float64, "cpu")
    V, labelled = slow.last_layer_rows(pool.logits, pool.features), pool.labelled.tolist()
    M = slow.m_with(V, labelled, 4, 1.0, problem.random_batch(PROBLEM, 0).kept)
    U, F = slow.scaled(V, labelled, 4), slow.fisher(V)
    wanted = torch.tensor([slow.score(u, M, F) for u in U], dtype=torch.float64)
    for embedding in scoring.embeddings(parse_way(name), PROBLEM, torch.float64, "cpu"):
        scores = scoring._SCORES[name](embedding, state)()
        torch.testing.assert_close(scores, wanted, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("name", "rows"), [("score-packed", [2]), ("score-cholesky", [2]), ("score-inverse", [3, 2])])
def test_passes_over_every_embedding(name, rows):
    scored = list(scoring.score_passes(parse_way(name), PROBLEM, torch.float32, "cpu", 3, first=True))
    assert [block.rows for block in scored] == rows
    for block in scored:
        assert len(block.seconds) == 3
        assert min(block.seconds) > 0
        assert 0 <= block.max_rel_error < 1e-4


def test_later_blocks_are_timed_alone():
    (scored,) = scoring.score_passes(parse_way("score-packed"), PROBLEM, torch.float64, "cpu", 1, first=False)
    assert (scored.peak_bytes, scored.max_rel_error) == (None, None)
