"""A model as a module: whatever its forward gives, callers get logits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from fbench.harness.registry import Model
from fbench.learning.building import blank_network, build_network, logits_of


class Auxiliary(NamedTuple):
    logits: Tensor
    aux_logits: Tensor


LOGITS = torch.rand(2, 3)
OUTPUTS = [
    LOGITS,
    (LOGITS, "states"),
    [LOGITS],
    {"logits": LOGITS, "loss": 1},
    SimpleNamespace(logits=LOGITS),
    Auxiliary(LOGITS, LOGITS),
]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: type(output).__name__)
def test_logits_are_taken_out_of_what_a_network_gives(output: Any) -> None:
    class Fixed(nn.Linear):
        def forward(self, x: Tensor) -> Any:  # type: ignore[override]
            return output

    assert logits_of(output) is LOGITS
    network = build_network(Model("fixed", "", lambda replicas, shape, classes: Fixed(*shape, classes)), 1, (4,), 3)
    assert network(torch.ones(2, 4)) is LOGITS
    assert list(network.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize("output", [(), {"out": LOGITS}, None, 3])
def test_what_holds_no_logits_stays_for_the_checks(output: Any) -> None:
    assert logits_of(output) is output


def test_a_blank_network_has_shapes_alone() -> None:
    model = Model("flat", "", lambda replicas, shape, classes: nn.Linear(*shape, replicas * classes))
    assert blank_network(model, (4,), 3, replicas=2).weight.shape == (6, 4)
    assert blank_network(model, (4,), 3).weight.device.type == "meta"
