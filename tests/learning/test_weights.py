"""Pretrained weights: read safely, fitted to all but the head, held to the file that a run began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fbench.errors import DataError
from fbench.harness import guard
from fbench.harness.registry import MODELS, Model
from fbench.learning.building import blank_network
from fbench.learning.training import initial_network
from fbench.learning.weights import fit_backbone, pinned, read_weights, with_weights

SHAPE, CLASSES = (1, 8, 8), 4


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], str]:
    def save(value: Any) -> str:
        torch.save(value, tmp_path / "weights.pt")
        return str(tmp_path / "weights.pt")

    return save


def small(seed: int = 5, classes: int = CLASSES) -> nn.Module:
    return initial_network(MODELS.get("small"), seed, SHAPE, classes)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": s}, lambda s: {"model": s}])
def test_all_but_the_head_are_loaded(saved: Callable[[Any], str], wrap: Callable[[Any], Any]) -> None:
    pretrained, fresh = small(classes=9), small(seed=0)
    model = with_weights(MODELS.get("small"), saved(wrap(pretrained.state_dict())))
    network = initial_network(model, 0, SHAPE, CLASSES)
    assert torch.equal(network.convolutions[0].weight, pretrained.convolutions[0].weight)
    assert torch.equal(network.classifier.weight, fresh.classifier.weight)


def test_parallel_training_leaves_a_prefix_that_is_dropped(saved: Callable[[Any], str]) -> None:
    path = saved({f"module.{name}": value for name, value in small().state_dict().items()})
    assert list(read_weights(path)) == list(small().state_dict())


def test_a_blank_network_only_checks(saved: Callable[[Any], str]) -> None:
    model = with_weights(MODELS.get("small"), saved(small().state_dict()))
    assert blank_network(model, SHAPE, CLASSES).classifier.weight.device.type == "meta"


def test_the_same_model_with_the_same_file_is_the_same(saved: Callable[[Any], str]) -> None:
    path = saved(small().state_dict())
    assert with_weights(MODELS.get("small"), path) == with_weights(MODELS.get("small"), path)


def test_a_users_model_stays_a_users(saved: Callable[[Any], str]) -> None:
    model = Model("mine", "", lambda replicas, shape, classes: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, classes)))
    assert guard.is_foreign(with_weights(model, saved(nn.Linear(2, 2).state_dict())).build)
    assert not guard.is_foreign(with_weights(MODELS.get("small"), saved(small().state_dict())).build)


def test_several_replicas_are_loaded_one_by_one(saved: Callable[[Any], str]) -> None:
    model = with_weights(MODELS.get("small"), saved(small().state_dict()))
    assert model.build(2, SHAPE, CLASSES).convolutions[0].weight.shape[0] == 2 * 16


class Code:
    """What only an unsafe loader would make."""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Code(), "cannot be read safely, as tensors alone; write it by torch.save"),
        ([torch.zeros(2)], "holds no state_dict; write it by"),
        ({"epoch": 3}, "holds no state_dict"),
    ],
)
def test_files_that_are_no_state_dict(saved: Callable[[Any], str], value: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"--weights .*weights\.pt: {message}"):
        read_weights(saved(value))


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "table.pt").write_text("a,b,target\n1.5,2.5,x\n")
    with pytest.raises(DataError, match=r"table\.pt: cannot be read safely"):  # torch pops from an empty list
        read_weights(tmp_path / "table.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(DataError, match=r"text\.pt: cannot be read safely"):
        read_weights(str(tmp_path / "text.pt"))
    for read in (read_weights, pinned):
        with pytest.raises(
            DataError, match=r"--weights .*nowhere\.pt: no such file; give a file that torch.save wrote"
        ):
            read(str(tmp_path / "nowhere.pt"))


def test_weights_of_another_network_are_refused() -> None:
    state = small().state_dict()
    with pytest.raises(DataError, match=r"mine: has no 'norms.0.weight', nor 5 others of the model's 18 tensors; give"):
        fit_backbone(small(), {k: v for k, v in state.items() if "norms" not in k or "running" in k}, "mine")
    with pytest.raises(
        DataError, match=r"mine: 'convolutions.0.weight' has shape \[16, 3, 3, 3\], the model's \[16, 1, 3"
    ):
        fit_backbone(small(), {**state, "convolutions.0.weight": torch.zeros(16, 3, 3, 3)}, "mine")
    with pytest.raises(DataError, match=r"mine: 'norms.0.bias' holds NaN or infinity; give weights that a training"):
        fit_backbone(small(), {**state, "norms.0.bias": torch.full((16,), torch.nan)}, "mine")


def test_a_network_that_is_only_a_head_has_nothing_to_load() -> None:
    with pytest.raises(DataError, match="nothing but its last linear layer, which is not loaded; leave it out"):
        fit_backbone(nn.Linear(3, 2), {"weight": torch.zeros(2, 3)}, "mine")


def test_counters_of_batch_norm_may_be_missing() -> None:
    state = {name: value for name, value in small().state_dict().items() if "num_batches" not in name}
    network = small(seed=1)
    fit_backbone(network, state, "mine")
    assert torch.equal(network.norms[0].running_mean, state["norms.0.running_mean"])


def test_a_file_that_has_changed_is_another(saved: Callable[[Any], str]) -> None:
    began = pinned(saved(small().state_dict()))
    assert pinned(began) == began
    saved(small(seed=6).state_dict())
    with pytest.raises(DataError, match=r"weights\.pt: the file is not the one that the run began with; put that back"):
        pinned(began)
