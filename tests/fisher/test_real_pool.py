"""A real pool: digits through a thin ResNet-18, d = 1,280. Picks of the published order, whatever the form of work."""

from __future__ import annotations

import pytest
import torch

import fbench
from fbench.fisher import embeddings
from fbench.fisher.selection.candidates import packed
from fbench.harness.registry import MODELS
from fbench.learning.data import digits
from fbench.learning.inference import logits_and_features

LABELLED = [3, 50, 149]


@pytest.fixture(scope="module")
def pool() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and features of 150 digits by an untrained network, its logits spread as a trained one's are."""
    torch.manual_seed(0)
    network = MODELS.get("thin-resnet18").build(1, (1, 8, 8), 10).eval()
    logits, features = logits_and_features(network, digits(None, False).images[:150])
    logits, features = logits.double(), features.double()
    return 2 * (logits - logits.mean(0)) / logits.std(0), features


@pytest.fixture(scope="module")
def published(pool: tuple[torch.Tensor, torch.Tensor]) -> fbench.Selection:
    return select(pool, method="published")


def select(pool: tuple[torch.Tensor, torch.Tensor], **how: object) -> fbench.Selection:
    return fbench.bait_select(fbench.last_layer_embedding(*pool), 4, labelled=LABELLED, regularisation=0.1, **how)


@pytest.mark.parametrize(("shards", "chunk"), [(1, 1 << 12), (3, 1 << 18)])
def test_picks_are_those_of_the_published_order(pool, published, shards, chunk, monkeypatch) -> None:
    monkeypatch.setattr(packed, "_CHUNK", chunk)
    monkeypatch.setattr(embeddings, "_CHUNK_ELEMENTS", {"cpu": chunk})
    assert float(published.gaps.min()) > 1e-9  # no ties: the order means something
    selection = select(pool, devices=["cpu"] * shards)
    assert selection.forward.tolist() == published.forward.tolist()
    assert selection.indices.tolist() == published.indices.tolist()
    torch.testing.assert_close(selection.scores, published.scores, rtol=1e-8, atol=0)
    assert selection.objective == pytest.approx(published.objective, rel=1e-10)


def test_a_dense_embedding_picks_the_same(pool, published) -> None:
    dense = fbench.dense_embedding(fbench.last_layer_embedding(*pool).dense())
    selection = fbench.bait_select(dense, 4, labelled=LABELLED, regularisation=0.1)
    assert selection.forward.tolist() == published.forward.tolist()
    assert selection.indices.tolist() == published.indices.tolist()
