"""``skactiveml:NAME``: any pool-based classification strategy of scikit-activeml, on the network's features, as an arm.

It gets X, the features of the whole pool, y with NaN where there is no label, and what its query asks for beside them
(``scikit_needs``). What it chooses is held to the same promise as every strategy's: B distinct unlabelled positions.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from fbench.errors import ForeignError, UnknownNameError, UsageError
from fbench.harness.registry import STRATEGIES, NameFamily, Strategy
from fbench.learning.strategies.baselines import holds_nothing
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal
from fbench.learning.strategies.scikit_needs import SPECIAL, NeedsState, handed_to, made_with, why_not

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

PREFIX = "skactiveml"


@functools.cache
def scikit_strategy(name: str) -> Strategy:
    """The strategy ``skactiveml:NAME``.

    Raises:
        UsageError: scikit-activeml is missing, has no such strategy, or has one that an arm cannot call.
    """
    kind = _class_of(name)
    special = SPECIAL.get(name)

    def propose(state: LearnerState, batch_size: int) -> Proposal:
        return _proposal(name, kind, state, batch_size)

    return Strategy(
        f"{PREFIX}:{name}",
        f"{name} of scikit-activeml, on the network's features" + (f" ({special.note})" if special else ""),
        propose,
        plan=holds_nothing,
        effort=lambda sizes: Effort(1.0, 2.0 * sizes.n * sizes.features * (sizes.labels + sizes.batch)),
        check=functools.partial(_check_classes, name, special.classes) if special and special.classes else None,
        regularised=False,
    )


def _check_classes(name: str, wanted: int, network: nn.Module) -> None:
    """Refuse data of more or fewer classes than the strategy is written for."""
    from fbench.learning.strategies.classifier import classifier_outputs

    classes = classifier_outputs(network)
    if classes != wanted:
        raise UsageError(
            f"strategy {PREFIX}:{name} is written for {wanted} classes, and the data have {classes}; take another, "
            f"such as {PREFIX}:UncertaintySampling"
        )


def _member(name: str) -> Strategy | None:
    """The strategy of a name with our prefix; names without it are no concern of ours."""
    prefix, colon, of_theirs = name.partition(":")
    return scikit_strategy(of_theirs) if colon and prefix == PREFIX else None


STRATEGIES.add_family(
    NameFamily(
        f"{PREFIX}:NAME",
        "any pool-based classification strategy of scikit-activeml, on the network's features",
        _member,
    )
)


def _class_of(name: str) -> type[Any]:
    """The class of a strategy that an arm can call; names of the others are refused with the reason."""
    try:
        kinds = pool_strategies()
    except ImportError as error:
        raise UsageError(
            f"strategy {PREFIX}:{name} needs scikit-activeml ({error}); install it: pip install 'fbench[skactiveml]'"
        ) from None
    reason = why_not(name, kinds[name]) if name in kinds else _why_elsewhere(name)
    if reason:
        raise UsageError(f"strategy {PREFIX}:{name} {reason}")
    if name not in kinds:
        usable = [f"{PREFIX}:{other}" for other, kind in kinds.items() if not why_not(other, kind)]
        raise UnknownNameError("strategy", f"{PREFIX}:{name}", usable)
    return kinds[name]


def pool_strategies() -> dict[str, type[Any]]:
    """Every strategy of scikit-activeml that chooses from a pool for one annotator, by name, for an arm or not.

    Example:
        >>> "Badge" in pool_strategies()
        True

    Raises:
        ImportError: scikit-activeml is missing.
    """
    from skactiveml import pool
    from skactiveml.base import SingleAnnotatorPoolQueryStrategy

    public = {name: getattr(pool, name) for name in pool.__all__}
    return {
        name: kind
        for name, kind in public.items()
        if inspect.isclass(kind) and issubclass(kind, SingleAnnotatorPoolQueryStrategy)
    }


def _why_elsewhere(name: str) -> str:
    """Why a strategy that the library keeps apart from those of a pool is none for an arm; empty for other names."""
    from skactiveml import stream
    from skactiveml.pool import multiannotator

    if name in multiannotator.__all__:
        return "chooses among annotators, and a comparison has one; take one that chooses from a pool alone"
    if name in stream.__all__:
        return "decides on a stream, sample by sample, and an arm chooses from a pool; take one of a pool's"
    return ""


def _proposal(name: str, kind: type[Any], state: LearnerState, batch_size: int) -> Proposal:
    import numpy as np
    import torch

    from fbench.acquisition.views import drawn_seed
    from fbench.harness.global_state import isolated

    X, y = _labelled_features(state)
    needs = NeedsState(state.pool.classes, drawn_seed(state.generator()), functools.partial(_head, state, X))
    try:
        with isolated(needs.seed):  # DropQuery and Clue cluster with numpy's own generator, whatever they are made with
            chooser = kind(**made_with(name, kind, needs))
            chosen = chooser.query(X, y, batch_size=batch_size, **handed_to(name, kind, needs))
    except Exception as error:  # the library's own, whatever its kind: the arm's case fails and says so
        first = (str(error).splitlines() or [""])[0]
        raise ForeignError(f"strategy {PREFIX}:{name} raised {type(error).__name__}: {first}") from error
    return Proposal(torch.from_numpy(np.asarray(chosen, dtype=np.int64)))


def _labelled_features(state: LearnerState) -> tuple[NDArray[Any], NDArray[Any]]:
    """Features [n, h], and labels [n] with NaN where there is none, both float64."""
    import numpy as np

    from fbench.learning.inference import logits_and_features

    features = logits_and_features(state.network, state.pool.images)[1]
    y = np.full(len(features), np.nan)
    at = state.labelled.cpu().numpy()
    y[at] = state.pool.targets.cpu().numpy()[at]
    return features.double().cpu().numpy(), y


def _head(state: LearnerState, X: NDArray[Any]) -> Any:
    import numpy as np

    from fbench.learning.inference import classifier_name
    from fbench.learning.network_head import NetworkHead

    layer: Any = state.network.get_submodule(classifier_name(state.network))
    weight = layer.weight.detach().double().cpu().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().cpu().numpy()
    return NetworkHead(weight, bias, X[np.sort(state.labelled.cpu().numpy())])
