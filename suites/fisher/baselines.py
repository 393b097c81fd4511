"""Other ways to the numbers of ``fisher_diagonal`` and ``masked_embedding``: what ours are compared with.

Every way solves a ``FisherTask`` and has one signature: ``run(task, samples)`` works on the first ``samples`` of the
inputs, in evaluation mode, and leaves the model as it was. It gives the diagonal, flat [P], or rows V [samples, r, d]
with the right V_xᵀV_x. ``backward`` gives no values: it is a yardstick, k−1 plain backward passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fbench.fisher.gradients.capture import evaluating
from fbench.fisher.gradients.diagonal import fisher_diagonal
from fbench.fisher.gradients.jacobian import automatic_batch
from fbench.fisher.gradients.masked import masked_embedding
from fbench.fisher.likelihood import logit_rows
from fbench.fisher.masks import Mask

from . import backpack

LOOP_BATCH = 128
"""The published loop's own batch: its cost a sample grows with the batch."""
BACKPACK_BATCH = 32
BACKWARD_BATCH = 32
_VMAP_SAMPLES = 8


@dataclass(frozen=True)
class FisherTask:
    """What a way shall compute: the Fisher diagonal over ``inputs`` [N, …], or their embedding on ``mask``.

    With ``batch_size`` None every way takes its own batch.
    """

    model: nn.Module
    inputs: Tensor
    mask: Mask | None = None
    batch_size: int | None = None

    def parameters(self) -> dict[str, nn.Parameter]:
        """The model's parameters by name, in the order that every result has."""
        return dict(self.model.named_parameters())

    def at_mask(self, gradients: Sequence[Tensor]) -> Tensor:
        """Pick the mask's positions from gradients [..., *shape], one a parameter and in their order: [..., d]."""
        assert self.mask is not None
        parts = []
        for (name, p), g in zip(self.parameters().items(), gradients, strict=True):
            parts.append(g.reshape(*g.shape[: g.dim() - p.dim()], -1)[..., self.mask.positions(name).to(g.device)])
        return torch.cat(parts, dim=-1)


@dataclass(frozen=True)
class Baseline:
    """One way to the diagonal or to the embedding.

    ``batch`` gives the samples of one of its passes. ``limit`` is how many samples are enough to time it: whole
    batches, since its time grows in proportion; None times all. ``refusal`` says why it cannot solve a task, or is
    empty.
    """

    name: str
    description: str
    run: Callable[[FisherTask, int], Tensor | None]
    batch: Callable[[FisherTask], int]
    limit: int | None = None
    refusal: Callable[[FisherTask], str] = lambda task: ""


def _batches(task: FisherTask, samples: int, default: int) -> Iterator[Tensor]:
    """Yield the first ``samples`` inputs in batches of the task's size, else of ``default``."""
    size = task.batch_size or default
    for start in range(0, samples, size):
        yield task.inputs[start : min(start + size, samples)]


def _flat(values: Iterable[Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in values])


def _loop(task: FisherTask, samples: int) -> Tensor:
    """The published way (Sung et al. 2021): a whole batch's graph goes backwards once per sample and class."""
    totals = [p.new_zeros(p.shape) for p in task.parameters().values()]
    rows: list[Tensor] = []
    for p, gradients in _loop_gradients(task, samples):
        if task.mask is not None:
            rows.append(p.sqrt() * task.at_mask(gradients))
            continue
        for total, g in zip(totals, gradients, strict=True):
            total += p * g.square()
    return torch.stack(rows).view(samples, len(rows) // samples, -1) if rows else _flat(totals) / samples


def _loop_gradients(task: FisherTask, samples: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Yield p_y and ∇ log p_y by parameter, for every class y of every sample."""
    parameters = list(task.parameters().values())
    with evaluating(task.model), torch.enable_grad():
        for start in range(0, samples, size := task.batch_size or LOOP_BATCH):
            batch = task.inputs[start : start + size]
            log_p = torch.log_softmax(task.model(batch), dim=1)
            wanted = log_p[: samples - start].flatten()
            for i, log_p_y in enumerate(wanted):
                gradients = torch.autograd.grad(log_p_y, parameters, retain_graph=i < len(wanted) - 1)
                yield log_p_y.detach().exp(), gradients


def _vmap(task: FisherTask, samples: int) -> Tensor:
    """Take each sample's vector-Jacobian product, vmap-ed over the rows.

    A second vmap over the samples of a batch, or one over samples a row at a time, took a third longer on one core.
    """
    values = {name: p.detach() for name, p in task.parameters().items()}
    buffers = dict(task.model.named_buffers())
    by_sample: list[Tensor] = []
    with evaluating(task.model), torch.no_grad():
        for x in task.inputs[:samples].split(1):  # type: ignore[no-untyped-call]

            def logits(values: dict[str, Tensor], x: Tensor = x) -> Tensor:
                z: Tensor = torch.func.functional_call(task.model, (values, buffers), (x,))
                return z

            z, vjp = torch.func.vjp(logits, values)  # type: ignore[misc] # its stub knows only has_aux=True
            by_name = torch.func.vmap(vjp)(logit_rows(z)[0][:, None])[0]
            gradients = [by_name[name] for name in values]
            if task.mask is not None:
                by_sample.append(task.at_mask(gradients))
            else:
                by_sample.append(_flat(g.square().sum(0) for g in gradients))
    return torch.stack(by_sample) if task.mask is not None else torch.stack(by_sample).mean(0)


def _batched(task: FisherTask, samples: int) -> Tensor:
    """Our own way: batched backward passes, contracted layer by layer."""
    inputs, batch_size = task.inputs[:samples], task.batch_size
    if task.mask is not None:
        return masked_embedding(task.model, inputs, task.mask, batch_size=batch_size).dense()
    return _flat(fisher_diagonal(task.model, inputs, batch_size=batch_size).values())


def _backpack(task: FisherTask, samples: int) -> Tensor:
    """BackPACK's DiagGGNExact (Dangel, Kunstner and Hennig 2020)."""
    diagonal = backpack.diagonal(task.model, task.inputs[:samples], task.batch_size or BACKPACK_BATCH)
    return _flat(diagonal[name] for name in task.parameters())


def _backpack_refusal(task: FisherTask) -> str:
    return "BackPACK gives the diagonal only" if task.mask is not None else backpack.missing()


def _backward(task: FisherTask, samples: int) -> None:
    """Do what training does, k−1 times: a batch's loss goes back to every parameter."""
    parameters = list(task.parameters().values())
    with evaluating(task.model), torch.enable_grad():
        for batch in _batches(task, samples, BACKWARD_BATCH):
            log_p = torch.log_softmax(task.model(batch), dim=1)
            for y in range(log_p.shape[1] - 1):
                torch.autograd.grad(-log_p[:, y].mean(), parameters, retain_graph=y < log_p.shape[1] - 2)


def _batch_or(default: int) -> Callable[[FisherTask], int]:
    """The batch that the task asks for, else ``default``; never more than there are inputs."""
    return lambda task: min(task.batch_size or default, len(task.inputs))


def _automatic(task: FisherTask) -> int:
    """The batch that the task asks for, else the one that ours chooses; never more than there are inputs."""
    mask = task.mask
    positions = None if mask is None else {name: at for name in mask if len(at := mask.positions(name))}
    return min(task.batch_size or automatic_batch(task.model, task.inputs, positions), len(task.inputs))


BASELINES = {
    way.name: way
    for way in (
        Baseline(
            "loop", "as published: a whole batch goes backwards once per sample and class", _loop, _batch_or(LOOP_BATCH)
        ),
        Baseline(
            "vmap", "torch.func's vector-Jacobian product a sample, vmap-ed", _vmap, lambda task: 1, _VMAP_SAMPLES
        ),
        Baseline(
            "backpack",
            "BackPACK's DiagGGNExact",
            _backpack,
            _batch_or(BACKPACK_BATCH),
            2 * BACKPACK_BATCH,
            _backpack_refusal,
        ),
        Baseline("batched", "ours: batched backward passes, contracted layer by layer", _batched, _automatic),
        Baseline("backward", "k−1 plain backward passes, no values: a yardstick", _backward, _batch_or(BACKWARD_BATCH)),
    )
}
