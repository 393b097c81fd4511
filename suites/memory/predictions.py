"""What a round of active learning will hold, phase by phase, beyond what its process holds before it.

Phases of the network are counted from its shapes (module ``network``) or on a few samples (module ``gradients``).
Those of the selection come from the formulas of ``fbench.fisher.planning.phases``, by the same function that refuses a
selection that would not fit. Nothing is fitted. Each phase's bytes are those at its peak, with everything that earlier
phases left: the images, the network, then the diagonal and the mask, then the embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

from fbench.fisher.planning.fitting import device_plans
from fbench.fisher.planning.plan import ITEMSIZE, SelectionPlan, largest_fitting, with_margin
from fbench.learning.inference import BATCH
from fbench.learning.recipe import Recipe
from fbench.learning.training import _STATISTICS_BATCH
from fbench.machine import free_bytes
from fbench.units import format_bytes

from .gradients import gradients
from .margin import margin_in_words, with_process_margin
from .network import forward_bytes, model_of, parameters_bytes, weight_count
from .spec import Spec


@dataclass(frozen=True)
class Limits:
    """What would fit on one device.

    Attributes:
        budget_bytes: what may be held there; None where nobody tells what is free.
        predicted_bytes: what the dearest phase will hold.
        phase: the name of that phase.
        matrices_bytes: how much of it is d×d matrices.
        largest_chunk: the most candidates of a chunk that fit with the margin; 0 where none fits, None without chunks.
        largest_pool: the most candidates of the pool that fit with the margin, all else as it is; 0 where none fits.
        refusal: why the case is not tried; empty where it fits.
    """

    budget_bytes: int | None
    predicted_bytes: int
    phase: str
    matrices_bytes: int
    largest_chunk: int | None
    largest_pool: int | None
    refusal: str


def predicted(spec: Spec, device: str = "cpu", devices: tuple[str, ...] = ()) -> dict[str, int]:
    """Bytes by phase on ``device``, which is one of ``devices``; phases that cannot be counted are left out."""
    devices = devices or (device,)
    selection = _selection(spec, device, devices)
    if device != devices[0]:
        return selection
    network = _network_phases(spec)
    return {**{phase: size for phase, size in network.items() if size is not None}, **selection}


def _network_phases(spec: Spec) -> dict[str, int | None]:
    """Bytes of the phases ``data`` to ``embed``; None where they cannot be counted."""
    training = _training(spec)
    phases: dict[str, int | None] = {
        "data": _data(spec),
        "train": None if training is None else _data(spec) + training,
    }
    if spec.method.masked:
        phases |= _masked(spec)
    else:
        forward = forward_bytes(spec.network, min(BATCH, spec.n), "use")
        held = _data(spec) + _trained(spec)
        phases["embed"] = None if forward is None else held + _last_layer(spec, forward)
    return phases


def _masked(spec: Spec) -> dict[str, int | None]:
    """Bytes of ``diagonal``, ``mask`` and ``embed``, which gathers V batch by batch and then gives it the dtype."""
    samples, count = min(spec.fisher_samples, spec.n), weight_count(spec.network)
    held = _data(spec) + _trained(spec)
    summing, gathering = gradients(spec.network, 0), gradients(spec.network, spec.d)
    V = 4 * spec.shape.numbers
    embed = [V + gathering.bytes(spec.n)] if gathering else []
    if spec.dtype == "float64":
        embed.append(3 * V)
    return {
        "diagonal": held + _images(spec, samples) + 4 * count + summing.bytes(samples) if summing else None,
        # beside the diagonal: all of it in a row, what kthvalue copies and numbers, and the mask
        "mask": held + 4 * count + (4 + 12 + 1) * count,
        "embed": held + count + 8 * spec.d + max(embed) if gathering else None,
    }


def _training(spec: Spec) -> int | None:
    """Bytes that training adds to the data; None where they cannot be counted.

    The dearer of two moments counts: a step, which has the optimiser's state, or the pass for batch norm's statistics
    after the last step. Beside it there are every replica's labelled images, and the networks, one by one and as a
    block.
    """
    key, block = spec.network, model_of(spec.network).block
    networks = parameters_bytes(key) * (1 if block == 1 else 2 * block)
    gradient_bytes = 4 * block * weight_count(key)
    batch = -(-spec.labelled // Recipe(train_batch=spec.train_batch).batches(spec.labelled))
    most = -(-spec.labelled // -(-spec.labelled // _STATISTICS_BATCH))
    step, statistics = forward_bytes(key, batch, "step"), forward_bytes(key, most, "statistics")
    if step is None or statistics is None:
        return None
    stepping = 2 * gradient_bytes + block * _images(spec, batch) + step
    after = statistics + (0 if block == 1 else block * _images(spec, most))
    return networks + block * _images(spec, spec.labelled) + max(stepping, after)


def _trained(spec: Spec) -> int:
    """Bytes of the network that training leaves."""
    return parameters_bytes(spec.network)


def _last_layer(spec: Spec, forward: int) -> int:
    """Bytes that the ``embed`` of a last layer holds beside what was there; ``forward`` are those of a pass.

    Its moments: logits and features batch by batch, all of them once more in a row, the rows of V made from them, the
    factors in the selection's dtype too, and V built.
    """
    n, k, h, b = spec.n, spec.k, spec.h, ITEMSIZE[spec.dtype]
    outputs = 4 * n * (h + k)
    rows = 4 * n * (k if spec.method.engine == "published" else k - 1) * k
    moments = [outputs + forward, outputs + 4 * n * h, outputs + rows * (2 if spec.method.engine == "published" else 1)]
    factors = (rows + 4 * n * h) // 4
    if b == 8:
        moments.append(12 * factors)
    if not spec.shape.classes:
        moments.append(b * (factors + spec.shape.numbers))
    return max(moments)


def _selection(spec: Spec, device: str, devices: tuple[str, ...]) -> dict[str, int]:
    """Bytes of ``fisher`` to ``backward``: images, network and mask, the embedding, and the plan of the selection."""
    plan = selection_plan(spec, device, devices)
    held = plan.copied if device != devices[0] else _held(spec) + spec.shape.numbers * ITEMSIZE[spec.dtype]
    return {phase: held + planned.bytes for phase, planned in plan.phases.items()}


def selection_plan(spec: Spec, device: str, devices: tuple[str, ...]) -> SelectionPlan:
    """What the selection alone is planned to hold on ``device``."""
    how = (spec.shape, spec.dtype, spec.method.engine, devices)
    return device_plans(*how, lambda name: name != devices[0], spec.counts)[device]


def _held(spec: Spec) -> int:
    """Bytes of the images, the network, and a mask of it."""
    mask = weight_count(spec.network) if spec.method.masked else 0
    return _data(spec) + _trained(spec) + mask


def limits(spec: Spec, device: str, budget: int | None, devices: tuple[str, ...] = ()) -> Limits:
    """Say what fits ``budget`` bytes with the margin; where it is None, what ``device`` has free is the budget.

    A budget that is given is one of what a round holds. What is free must have room for what the process takes too.
    """
    room = free_bytes(device) if budget is None else budget
    with_room = partial(with_process_margin, device=device) if budget is None else with_margin
    phases = predicted(spec, device, devices)
    phase = max(phases, key=lambda name: phases[name])
    held = selection_plan(spec, device, devices or (device,)).phases.get(phase)
    matrices = sum(held.matrices.values()) if held else 0
    if room is None:
        return Limits(None, phases[phase], phase, matrices, None, None, "")

    def fits(other: Spec) -> bool:
        return with_room(max(predicted(other, device, devices).values())) <= room

    chunk = largest_fitting(spec.n, lambda c: fits(replace(spec, chunk_size=c))) if spec.method.chunked else None
    pool = largest_fitting(_most(spec, room), lambda n: fits(replace(spec, n=n)))
    pool = pool if pool >= spec.labelled + spec.batch else 0  # fewer would leave too few to choose from
    spare = margin_in_words(device if budget is None else "")
    refusal = "" if with_room(phases[phase]) <= room else _refusal(phases[phase], phase, room, matrices, spare)
    return Limits(room, phases[phase], phase, matrices, chunk, pool, refusal)


def _refusal(size: int, phase: str, room: int, matrices: int, spare: str) -> str:
    """Say why a case is not tried: its dearest phase does not fit with the margin."""
    of = f", {format_bytes(matrices)} of it d×d matrices," if matrices else ""
    return f"{phase} needs {format_bytes(size)}{of} and {spare} to spare; {format_bytes(room)} are to be had"


def _most(spec: Spec, room: int) -> int:
    """More candidates than these fit by no method: their images and features alone are too many."""
    return max(1, room // (_images(spec, 1) + 4 * spec.h))


def _data(spec: Spec) -> int:
    """Bytes of the images in float32 and of the targets."""
    return _images(spec, spec.n) + 8 * spec.n


def _images(spec: Spec, count: int) -> int:
    """Bytes of so many images in float32."""
    return 4 * count * math.prod(spec.network.input_shape)
