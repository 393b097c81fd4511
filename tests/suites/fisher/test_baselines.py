"""Every way to the diagonal and to the masked embedding gives the same numbers, and knows what it cannot answer."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cases
import pytest
import reference
import torch

import fbench
from fbench.harness import registry
from fbench.suites.fisher import backpack, baselines
from fbench.suites.fisher.baselines import BASELINES, FisherTask
from fbench.suites.fisher.passes import max_rel_error

HERE = ("loop", "vmap", "batched")


def task_of(masked: bool, batch_size: int | None = None) -> FisherTask:
    model, inputs = cases.model("stock resnet")
    g = torch.Generator().manual_seed(1)
    mask = fbench.Mask({name: torch.rand(p.shape, generator=g) < 0.3 for name, p in model.named_parameters()})
    return FisherTask(model, inputs, mask if masked else None, batch_size)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("samples", [1, 3, 5])
class TestValues:
    def test_diagonal(self, name: str, batch_size: int | None, samples: int) -> None:
        task = task_of(False, batch_size)
        values = BASELINES[name].run(task, samples)
        expected = reference.fisher_diagonal(task.model, task.inputs[:samples])
        assert values is not None
        torch.testing.assert_close(values, torch.cat([v.flatten() for v in expected.values()]), rtol=1e-10, atol=1e-14)

    def test_masked_embedding(self, name: str, batch_size: int | None, samples: int) -> None:
        task = task_of(True, batch_size)
        assert task.mask is not None
        values = BASELINES[name].run(task, samples)
        V = reference.jacobian_rows(task.model, task.inputs[:samples], task.mask)
        assert values is not None
        assert values.shape[::2] == (samples, task.mask.size)
        torch.testing.assert_close(values.mT @ values, V.mT @ V, rtol=1e-10, atol=1e-13)
        assert max_rel_error(task, values, V) < 1e-10
        assert max_rel_error(task, 1.1 * values, V) == pytest.approx(0.21, abs=0.01)


@pytest.mark.skipif(importlib.util.find_spec("backpack") is None, reason="BackPACK is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_size", [None, 2])
def test_backpack(batch_size: int | None) -> None:
    torch.manual_seed(0)
    model = registry.MODELS.get("small").build(1, (3, 8, 8), 4).double().eval()
    task = FisherTask(model, torch.randn(3, 3, 8, 8, dtype=torch.float64), batch_size=batch_size)
    values = BASELINES["backpack"].run(task, 3)
    expected = BASELINES["loop"].run(task, 3)
    assert values is not None
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-14)
    assert torch.get_default_dtype() == torch.float32


def test_the_floor_gives_no_values_and_leaves_no_gradients() -> None:
    task = task_of(False)
    assert BASELINES["backward"].run(task, 5) is None
    assert all(p.grad is None for p in task.model.parameters())


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = BASELINES["backpack"].refusal
    assert refusal(task_of(True)) == "BackPACK gives the diagonal only"
    monkeypatch.setattr(backpack.importlib.util, "find_spec", lambda name: None)
    assert refusal(task_of(False)) == "BackPACK is not installed: pip install backpack-for-pytorch"
    assert not BASELINES["loop"].refusal(task_of(True))


@pytest.mark.parametrize(
    ("name", "batch_size", "batch"),
    [("loop", None, 5), ("loop", 2, 2), ("vmap", 4, 1), ("backward", 3, 3), ("batched", 4, 4), ("batched", None, 5)],
)
@pytest.mark.parametrize("masked", [False, True])
def test_the_batch_of_a_pass(name: str, batch_size: int | None, batch: int, masked: bool) -> None:
    assert BASELINES[name].batch(task_of(masked, batch_size)) == batch


def test_the_published_batch() -> None:
    task = FisherTask(torch.nn.Linear(2, 2), torch.zeros(300, 2))
    assert BASELINES["loop"].batch(task) == baselines.LOOP_BATCH == 128


def test_fisher_has_no_need_of_backpack() -> None:
    """It is imported when it is asked for, and nowhere else."""
    source = Path(backpack.__file__).read_text(encoding="utf-8")
    assert [line for line in source.splitlines() if line.startswith(("import backpack", "from backpack"))] == []
