"""``NAME@D``: an arm on D weights, whatever ``--mask-fraction`` says, so that arms can be compared at equal d.

An arm that chooses among weights is a ``SizedArm``: registered by its name, on as many weights as the fraction gives,
and made on D of them when ``NAME@D`` is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fbench.errors import InputError, UnknownNameError, UsageError, shorten
from fbench.harness.parsing import read_whole
from fbench.harness.registry import STRATEGIES, NameFamily, Strategy
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal, Sizes

if TYPE_CHECKING:
    from torch import nn

_MOST = 10**12
"""More weights than any network has; larger numbers are slips."""


class SizeLimits(NamedTuple):
    """From how many to how many weights an arm takes of a network, and ``why`` not from 1 to all of them."""

    least: int
    most: int
    why: str = ""


@dataclass(frozen=True)
class SizedArm:
    """An arm that is given a number of weights beside B.

    Attributes:
        name: without ``@D``.
        description: one line for ``fbench list``.
        propose: ``propose(state, batch_size, size)``, the proposal on ``size`` weights.
        limits: which sizes a network allows.
        effort: a function from (sizes, size) to what a batch costs, where that is not what its plan tells.
    """

    name: str
    description: str
    propose: Callable[[LearnerState, int, int], Proposal]
    limits: Callable[[nn.Module], SizeLimits]
    effort: Callable[[Sizes, int], Effort] | None = None


_ARMS: dict[str, SizedArm] = {}


def add_sized(arm: SizedArm) -> None:
    """Register an arm by its name, and as ``NAME@D``."""

    def propose(state: LearnerState, batch_size: int) -> Proposal:
        size = size_of(state)
        _check(arm.name, arm, state.network, size)
        return arm.propose(state, batch_size, size)

    _ARMS[arm.name] = arm
    STRATEGIES.add(
        Strategy(
            arm.name,
            arm.description,
            propose,
            plan=Sizes.mask,
            effort=_effort(arm),
            check=lambda network: _check_any(arm, network),
        )
    )


def _effort(arm: SizedArm, size: int = 0) -> Callable[[Sizes], Effort] | None:
    """What a batch costs the arm on ``size`` weights, or on as many as the fraction gives."""
    counted = arm.effort
    return (lambda sizes: counted(sizes, size or sizes.masked)) if counted else None


def size_of(state: LearnerState) -> int:
    """How many weights the run's fraction gives."""
    from fbench.fisher.masks import kept

    return kept(state.acquisition.mask_fraction, all_weights(state.network))


def all_weights(network: nn.Module) -> int:
    """All weights of a network.

    Example:
        >>> from torch import nn
        >>> all_weights(nn.Linear(4, 3))
        15
    """
    return sum(p.numel() for p in network.parameters())


@functools.cache
def sized_strategy(name: str, size: int) -> Strategy:
    """The strategy ``NAME@D``.

    Example:
        >>> sized_strategy("bait+fish", 328).name
        'bait+fish@328'
    """
    arm, spelled = _ARMS[name], f"{name}@{size}"
    return Strategy(
        spelled,
        f"{arm.description}; {size:,} in all",
        lambda state, batch_size: arm.propose(state, batch_size, size),
        plan=lambda sizes: sizes.mask(size),
        effort=_effort(arm, size),
        check=lambda network: _check(spelled, arm, network, size),
    )


def _member(name: str) -> Strategy | None:
    """The strategy of a name with an ``@``; others are no concern of ours.

    Raises:
        UnknownNameError: no arm of that name takes a size.
        UsageError: what stands behind the ``@`` is no positive whole number.
    """
    base, at, number = name.rpartition("@")
    if not at:
        return None
    if base not in _ARMS:
        raise UnknownNameError("strategy", name, [f"{known}@D" for known in _ARMS])
    size = read_whole(number)
    if size is None or str(size) != number or not 0 < size < _MOST:
        raise UsageError(
            f"strategy {shorten(name)}: behind the @ stands how many weights it keeps in all, a whole number "
            f"from 1 on; write it in digits, as {base}@328"
        )
    return sized_strategy(base, size)


STRATEGIES.add_family(
    NameFamily("bait+NAME@D", "an arm that keeps weights, on D of them in all, as bait+fish@328", _member)
)


def _check(spelled: str, arm: SizedArm, network: nn.Module, size: int) -> None:
    _check_any(arm, network)
    least, most, why = arm.limits(network)
    if not least <= size <= most:
        raise InputError(
            f"strategy {spelled}: {size:,} weights; of the {all_weights(network):,} of {type(network).__name__} it "
            f"keeps {least:,} to {most:,}{why}; take a number from there, as {arm.name}@{min(2 * least, most)}"
        )


def _check_any(arm: SizedArm, network: nn.Module) -> None:
    least, most, why = arm.limits(network)
    if least > most:
        raise InputError(f"strategy {arm.name}: {type(network).__name__} has no weights that it could keep{why}")
