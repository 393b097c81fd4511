"""Other ways to the numbers of ``fisher_diagonal`` and ``masked_embedding``: what ours are compared with.

Every way answers one ``Question`` and has one signature: ``run(question, samples)`` for the first ``samples`` of the
inputs gives the diagonal, flat [P], or rows V [samples, r, d] with the right V_xᵀV_x, in evaluation mode, the model
left as found. ``backward`` gives no values: it is the floor, the k−1 plain backward passes that any exact way makes.
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


@dataclass(frozen=True)
class Question:
    """The diagonal over ``inputs`` [N, …], or the embedding on ``mask``; ``batch_size`` None is each way's own."""

    model: nn.Module
    inputs: Tensor
    mask: Mask | None = None
    batch_size: int | None = None

    def parameters(self) -> dict[str, nn.Parameter]:
        """By name; the order of every answer."""
        return dict(self.model.named_parameters())

    def at_mask(self, gradients: Sequence[Tensor]) -> Tensor:
        """Gradients [..., *shape] in the order of the parameters at the mask's positions: [..., d]."""
        assert self.mask is not None
        parts = []
        for (name, p), g in zip(self.parameters().items(), gradients, strict=True):
            parts.append(g.reshape(*g.shape[: g.dim() - p.dim()], -1)[..., self.mask.positions(name).to(g.device)])
        return torch.cat(parts, dim=-1)


@dataclass(frozen=True)
class Baseline:
    """One way.

    ``batch`` says the samples of its passes. ``limit`` is how many samples are enough to time it: whole batches, since
    its time grows in proportion; None times all. ``refusal`` says why a question cannot be put to it, or is empty.
    """

    name: str
    description: str
    run: Callable[[Question, int], Tensor | None]
    batch: Callable[[Question], int]
    limit: int | None = None
    refusal: Callable[[Question], str] = lambda question: ""


def _batches(question: Question, samples: int, own: int) -> Iterator[Tensor]:
    size = question.batch_size or own
    for start in range(0, samples, size):
        yield question.inputs[start : min(start + size, samples)]


def _flat(values: Iterable[Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in values])


def _loop(question: Question, samples: int) -> Tensor:
    """As published (Sung et al. 2021): the graph of a whole batch goes backwards once per sample and class."""
    total = [p.new_zeros(p.shape) for p in question.parameters().values()]
    rows: list[Tensor] = []
    for p, gradients in _loop_gradients(question, samples):
        if question.mask is not None:
            rows.append(p.sqrt() * question.at_mask(gradients))
            continue
        for each, g in zip(total, gradients, strict=True):
            each += p * g.square()
    return torch.stack(rows).view(samples, len(rows) // samples, -1) if rows else _flat(total) / samples


def _loop_gradients(question: Question, samples: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """p_y and ∇ log p_y by parameter, for every class y of every sample."""
    parameters = list(question.parameters().values())
    with evaluating(question.model), torch.enable_grad():
        for start in range(0, samples, size := question.batch_size or LOOP_BATCH):
            batch = question.inputs[start : start + size]
            log_p = torch.log_softmax(question.model(batch), dim=1)
            wanted = log_p[: samples - start].flatten()
            for i, one in enumerate(wanted):
                found = torch.autograd.grad(one, parameters, retain_graph=i < len(wanted) - 1)
                yield one.detach().exp(), found


def _vmap(question: Question, samples: int) -> Tensor:
    """A sample's vector-Jacobian product, vmap-ed over the rows.

    A second vmap over the samples of a batch, or one over samples a row at a time, took a third longer on one core.
    """
    values = {name: p.detach() for name, p in question.parameters().items()}
    buffers = dict(question.model.named_buffers())
    answer: list[Tensor] = []
    with evaluating(question.model), torch.no_grad():
        for x in question.inputs[:samples].split(1):  # type: ignore[no-untyped-call]

            def logits(values: dict[str, Tensor], x: Tensor = x) -> Tensor:
                found: Tensor = torch.func.functional_call(question.model, (values, buffers), (x,))
                return found

            z, vjp = torch.func.vjp(logits, values)  # type: ignore[misc] # its stub knows only has_aux=True
            found = torch.func.vmap(vjp)(logit_rows(z)[0][:, None])[0]
            gradients = [found[name] for name in values]
            if question.mask is not None:
                answer.append(question.at_mask(gradients))
            else:
                answer.append(_flat(g.square().sum(0) for g in gradients))
    return torch.stack(answer) if question.mask is not None else torch.stack(answer).mean(0)


def _batched(question: Question, samples: int) -> Tensor:
    """Ours."""
    inputs, batch_size = question.inputs[:samples], question.batch_size
    if question.mask is not None:
        return masked_embedding(question.model, inputs, question.mask, batch_size=batch_size).dense()
    return _flat(fisher_diagonal(question.model, inputs, batch_size=batch_size).values())


def _backpack(question: Question, samples: int) -> Tensor:
    """BackPACK's DiagGGNExact."""
    found = backpack.diagonal(question.model, question.inputs[:samples], question.batch_size or BACKPACK_BATCH)
    return _flat(found[name] for name in question.parameters())


def _backpack_refusal(question: Question) -> str:
    return "BackPACK gives the diagonal only" if question.mask is not None else backpack.missing()


def _backward(question: Question, samples: int) -> None:
    """What training would do: a batch's loss, all the way back to every parameter, k−1 times."""
    parameters = list(question.parameters().values())
    with evaluating(question.model), torch.enable_grad():
        for batch in _batches(question, samples, BACKWARD_BATCH):
            log_p = torch.log_softmax(question.model(batch), dim=1)
            for y in range(log_p.shape[1] - 1):
                torch.autograd.grad(-log_p[:, y].mean(), parameters, retain_graph=y < log_p.shape[1] - 2)


def _own(batch: int) -> Callable[[Question], int]:
    """The batch asked for, else the way's own; never more than there are inputs."""
    return lambda question: min(question.batch_size or batch, len(question.inputs))


def _automatic(question: Question) -> int:
    mask = question.mask
    positions = None if mask is None else {name: at for name in mask if len(at := mask.positions(name))}
    return min(question.batch_size or automatic_batch(question.model, question.inputs, positions), len(question.inputs))


LOOP_BATCH = 128
"""The published loop's own: its cost a sample grows with the batch."""
_VMAP_SAMPLES = 8
BACKPACK_BATCH = 32
BACKWARD_BATCH = 32

BASELINES = {
    way.name: way
    for way in (
        Baseline(
            "loop", "as published: a whole batch goes backwards once per sample and class", _loop, _own(LOOP_BATCH)
        ),
        Baseline("vmap", "torch.func's vector-Jacobian product a sample, vmap-ed", _vmap, lambda q: 1, _VMAP_SAMPLES),
        Baseline(
            "backpack",
            "BackPACK's DiagGGNExact",
            _backpack,
            _own(BACKPACK_BATCH),
            2 * BACKPACK_BATCH,
            _backpack_refusal,
        ),
        Baseline("batched", "ours: batched backward passes, contracted layer by layer", _batched, _automatic),
        Baseline("backward", "k−1 plain backward passes, no values: the floor", _backward, _own(BACKWARD_BATCH)),
    )
}
