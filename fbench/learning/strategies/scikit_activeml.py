"""``skactiveml:NAME``: any pool-based strategy of scikit-activeml as an arm, on the features that the network gives.

It gets X, the features of the whole pool, y with NaN where there is no label, and, where it asks for them, ``clf`` (the
network's last layer), ``ensemble`` (a random forest on the features) and ``discriminator`` (logistic regression). What
it chooses is held to the same promise as every strategy's: B distinct unlabelled positions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fbench.errors import ForeignError, UnknownNameError, UsageError
from fbench.harness.registry import STRATEGIES, NameFamily, Strategy
from fbench.learning.strategies.baselines import holds_nothing
from fbench.learning.strategies.protocol import Effort, LearnerState, Proposal

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREFIX = "skactiveml"
TREES = 20
"""Members of a committee: trees of a random forest, which all know every class."""
_QUERY = {"X", "y", "candidates", "batch_size", "return_utilities", "clf", "ensemble", "discriminator"}
_MADE_WITH = {"classes", "random_state", "missing_label"}


@functools.cache
def scikit_strategy(name: str) -> Strategy:
    """The strategy ``skactiveml:NAME``.

    Raises:
        UsageError: scikit-activeml is missing, has no such strategy, or this one asks for what an arm has not.
    """
    kind = _class_of(name)
    _refuse_what_cannot_be_given(name, kind)

    def propose(state: LearnerState, batch_size: int) -> Proposal:
        return _proposal(name, kind, state, batch_size)

    return Strategy(
        f"{PREFIX}:{name}",
        f"{name} of scikit-activeml, on the network's features",
        propose,
        plan=holds_nothing,
        effort=lambda sizes: Effort(1.0, 2.0 * sizes.n * sizes.features * (sizes.labels + sizes.batch)),
        regularised=False,
    )


def _member(name: str) -> Strategy | None:
    """The strategy of a name with our prefix; names without it are no concern of ours."""
    prefix, colon, of_theirs = name.partition(":")
    return scikit_strategy(of_theirs) if colon and prefix == PREFIX else None


STRATEGIES.add_family(
    NameFamily(f"{PREFIX}:NAME", "any pool-based strategy of scikit-activeml, on the network's features", _member)
)


def _class_of(name: str) -> type[Any]:
    try:
        from skactiveml import pool
        from skactiveml.base import SingleAnnotatorPoolQueryStrategy
    except ImportError as error:
        raise UsageError(
            f"strategy {PREFIX}:{name} needs scikit-activeml ({error}); install it: pip install 'fbench[skactiveml]'"
        ) from None
    known = {
        public: getattr(pool, public)
        for public in pool.__all__
        if inspect.isclass(getattr(pool, public))
        and issubclass(getattr(pool, public), SingleAnnotatorPoolQueryStrategy)
    }
    if name not in known:
        raise UnknownNameError("strategy", f"{PREFIX}:{name}", [f"{PREFIX}:{public}" for public in known])
    kind: type[Any] = known[name]
    return kind


def _refuse_what_cannot_be_given(name: str, kind: type[Any]) -> None:
    lacking = [p for p in _required(kind) if p not in _MADE_WITH] + [
        p for p in _required(kind.query) if p not in _QUERY
    ]
    if lacking:
        raise UsageError(
            f"strategy {PREFIX}:{name} asks for {', '.join(sorted(lacking))}, which an arm cannot give it; "
            "take another, or register a strategy of your own that calls it (--load)"
        )


def _required(function: Callable[..., Any]) -> set[str]:
    """The parameters of a function that have no default."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD} - {"self"}


def _proposal(name: str, kind: type[Any], state: LearnerState, batch_size: int) -> Proposal:
    import numpy as np
    import torch

    from fbench.acquisition.views import drawn_seed

    X, y = _labelled_features(state)
    seed = drawn_seed(state.generator())
    makers = _makers(state, X, seed)
    made = {"classes": list(range(state.pool.classes)), "random_state": seed}
    asked = inspect.signature(kind.query).parameters
    try:
        chooser = kind(**{key: made[key] for key in inspect.signature(kind).parameters if key in made})
        given_to = {key: make() for key, make in makers.items() if key in asked}
        chosen = chooser.query(X, y, batch_size=batch_size, **given_to)
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


def _makers(state: LearnerState, X: NDArray[Any], seed: int) -> Mapping[str, Callable[[], Any]]:
    """What makes each thing that a query may ask for beside X and y."""
    from skactiveml.classifier import SklearnClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    classes = list(range(state.pool.classes))
    return {
        "clf": lambda: SklearnClassifier(_head(state, X), classes=classes),
        "ensemble": lambda: SklearnClassifier(RandomForestClassifier(TREES, random_state=seed), classes=classes),
        "discriminator": lambda: SklearnClassifier(LogisticRegression(), classes=[0, 1], missing_label=-1),
    }


def _head(state: LearnerState, X: NDArray[Any]) -> Any:
    import numpy as np

    from fbench.learning.inference import classifier_name
    from fbench.learning.network_head import NetworkHead

    layer: Any = state.network.get_submodule(classifier_name(state.network))
    weight = layer.weight.detach().double().cpu().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().cpu().numpy()
    return NetworkHead(weight, bias, X[np.sort(state.labelled.cpu().numpy())])
