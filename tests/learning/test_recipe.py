"""The recipe: its batches, its rates, what it refuses."""

from __future__ import annotations

import pytest
import torch

from fbench.errors import InputError
from fbench.learning.recipe import Recipe


@pytest.mark.parametrize("samples", range(1, 40))
@pytest.mark.parametrize("train_batch", [2, 3, 8, 64])
def test_no_batch_of_one(samples: int, train_batch: int) -> None:
    batches = torch.arange(samples).tensor_split(Recipe(train_batch=train_batch).batches(samples))
    sizes = [len(batch) for batch in batches]
    assert sum(sizes) == samples
    assert max(sizes) <= max(train_batch, 3)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 1 or samples == 1


def test_the_rate_rises_then_falls_to_nothing() -> None:
    recipe = Recipe(learning_rate=0.1, warmup=0.25)
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1 / 25)
    assert rates[24] == rates[25] == max(rates) == 0.1
    assert rates[:25] == sorted(rates[:25])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert rates[-1] < 1e-4
    assert Recipe(learning_rate=0.1, warmup=0).rate(0, 1) == 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0; train for at least 1"),
        ({"train_batch": 1}, "train batch is 1; batch norm needs at least 2 images"),
        ({"learning_rate": 0.0}, r"learning rate is 0.0; it must be above 0"),
        ({"learning_rate": float("nan")}, r"learning rate is nan; it must be above 0"),
        ({"weight_decay": -1.0}, r"weight decay is -1.0; it must be 0 or more"),
        ({"warmup": 1.0}, r"warm-up is 1.0; it is a fraction of the steps"),
        ({"stop": 1.5}, r"stop is 1.5; it is a training accuracy, above 0 to 1, or 0 for none"),
    ],
)
def test_a_recipe_out_of_range_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**change)  # type: ignore[arg-type]
