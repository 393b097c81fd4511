"""What learns, and from what: hidden widths, weights of a file, linear probes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from fbench.errors import UsageError
from fbench.harness.registry import MODELS, SUITES, Model
from fbench.learning import learners
from fbench.learning.arm_options import seed_blocks
from fbench.learning.data import Images
from fbench.learning.inference import logits_and_features, predict
from fbench.learning.strategies.dropout import dropouts_of
from fbench.learning.training import Recipe, initial_network, train_block

IMAGES = Images("noise", torch.rand(9, 1, 8, 8), torch.arange(9) % 3, 3, torch.rand(5, 1, 8, 8), torch.arange(5) % 3)


def options(**typed: Any) -> Any:
    return SUITES.get("compare").typed(**{"model": "small", **typed})


def test_a_hidden_width_is_the_models() -> None:
    model = learners.learning_model(options(model="mlp", hidden=12))
    assert model.build(8, (4,), 3).hidden[0].weight.shape == (8 * 12, 4)
    assert model is learners.learning_model(options(model="mlp", hidden=12))
    assert MODELS.get("mlp").build(1, (4,), 3).hidden[0].out_features == 128


def test_a_users_model_may_take_a_hidden_width(registries: Any) -> None:
    def build(replicas: int, shape: tuple[int, ...], classes: int, hidden: int = 3) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(*shape, hidden), torch.nn.Linear(hidden, classes))

    MODELS.add(Model("mine", "", build))
    assert learners.learning_model(options(model="mine", hidden=9)).build(1, (4,), 2)[0].out_features == 9


def test_networks_with_dropout_are_trained_one_at_a_time() -> None:
    """What drops out of a seed's network is then the same whoever else is in the run."""
    how = options(model="mlp", hidden=12, dropout=0.25, seeds="3")
    model = learners.learning_model(how)
    assert (model.block, seed_blocks(how.seeds, how)) == (1, [(0,), (1,), (2,)])
    assert [layer.p for layer in dropouts_of(model.build(1, (4,), 3))] == [0.25]
    plain = learners.learning_model(options(model="mlp"))
    assert (plain.block, dropouts_of(plain.build(1, (4,), 3))) == (8, [])


def test_dropout_is_at_work_in_training_alone() -> None:
    x, y = torch.randn(1, 30, 4, generator=torch.Generator().manual_seed(0)), torch.arange(30)[None] % 3
    dropping = learners.learning_model(options(model="mlp", hidden=12, dropout=0.5))
    plain = dataclasses.replace(learners.learning_model(options(model="mlp", hidden=12)), block=1)
    first, again, other = (
        train_block(model, x, y, [5], classes=3, recipe=Recipe(epochs=3))[0] for model in (dropping, dropping, plain)
    )
    logits = [predict(network, x[0]) for network in (first, first, again, other)]
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])
    assert not torch.allclose(logits[0], logits[3])


@pytest.mark.parametrize("name", ["linear", "small", "torchvision:resnet18"])
def test_a_model_without_a_hidden_width_says_so(name: str) -> None:
    with pytest.raises(UsageError, match=f"--hidden 5: model {name} has no hidden width to choose; leave it out"):
        learners.learning_model(options(model=name, hidden=5))


def test_a_frozen_backbone_gives_features_in_place_of_images() -> None:
    how = options(freeze=True)
    probed = learners.inputs_of(how, IMAGES, seed=3)
    network = initial_network(MODELS.get("small"), 3, (1, 8, 8), 3).eval()
    assert torch.equal(probed.images, logits_and_features(network, IMAGES.images)[1])
    assert IMAGES.test_images is not None
    assert torch.equal(probed.test_images, logits_and_features(network, IMAGES.test_images)[1])
    assert torch.equal(probed.targets, IMAGES.targets)
    assert learners.learner_shape(how, IMAGES) == tuple(probed.images.shape[1:]) == (16,)
    assert learners.learning_model(how).name == "linear"


def test_features_are_computed_once_a_seed() -> None:
    how = options(freeze=True)
    first, again, other = (learners.inputs_of(how, IMAGES, seed) for seed in (0, 0, 1))
    assert first is again
    assert not torch.equal(first.images, other.images)


def test_a_data_set_without_a_test_set_stays_without_one() -> None:
    bare = dataclasses.replace(IMAGES, test_images=None, test_targets=None)
    assert learners.inputs_of(options(freeze=True), bare, 0).test_images is None


def test_features_of_a_files_weights_are_every_seeds(tmp_path: Path) -> None:
    torch.save(initial_network(MODELS.get("small"), 9, (1, 8, 8), 7).state_dict(), tmp_path / "w.pt")
    how = options(freeze=True, weights=str(tmp_path / "w.pt"))
    assert learners.inputs_of(how, IMAGES, 0) is learners.inputs_of(how, IMAGES, 1)


def test_without_freezing_inputs_are_the_images() -> None:
    assert learners.inputs_of(options(), IMAGES, 0) is IMAGES
    assert learners.learner_shape(options(), IMAGES) == (1, 8, 8)
