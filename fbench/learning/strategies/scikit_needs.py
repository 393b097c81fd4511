"""What a strategy of scikit-activeml is given beside X and y, and which of its strategies an arm can call at all.

Most take what their query asks for by name: ``clf`` or ``estimator`` (the network's last layer), ``ensemble`` (a random
forest on the features), ``discriminator`` (logistic regression). A few are written for one kind of classifier, and get
one of that kind, fitted to the features. What remains cannot be an arm, and a line says why.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TREES = 20
"""Members of a committee: trees of a random forest, which all know every class."""
_DATA = {"self", "X", "y", "candidates", "batch_size", "return_utilities"}
_MADE = {"self", "classes", "random_state", "missing_label"}
_REGRESSORS = {"reg"}
_BASES = {"ExpectedErrorReduction": "MonteCarloEER or ValueOfInformationEER"}
"""Classes of scikit-activeml's that others are made from, and these."""


@dataclass(frozen=True)
class NeedsState:
    """What the things that a query asks for are made from.

    Attributes:
        classes: k.
        seed: of whatever draws.
        head: makes the network's last layer as a classifier of scikit-learn's.
    """

    classes: int
    seed: int
    head: Callable[[], Any]

    @property
    def names(self) -> list[int]:
        """The classes, 0 to k − 1."""
        return list(range(self.classes))


Maker = Callable[[NeedsState], Any]


@dataclass(frozen=True)
class Special:
    """What a strategy needs that others do not.

    Attributes:
        note: what it gets, for its description.
        makers: of what it gets in the place of the usual, by the parameter's name.
        made_with: arguments of the strategy itself.
        classes: the only number of classes it is written for; 0 for any.
    """

    note: str
    makers: Mapping[str, Maker] = field(default_factory=dict)
    made_with: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 0


def _head(state: NeedsState) -> Any:
    from skactiveml.classifier import SklearnClassifier

    return SklearnClassifier(state.head(), classes=state.names)


def _forest(state: NeedsState) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.ensemble import RandomForestClassifier

    return SklearnClassifier(RandomForestClassifier(TREES, random_state=state.seed), classes=state.names)


def _discriminator(state: NeedsState) -> Any:
    from skactiveml.classifier import SklearnClassifier
    from sklearn.linear_model import LogisticRegression

    return SklearnClassifier(LogisticRegression(), classes=[0, 1], missing_label=-1)


def _mixture(state: NeedsState) -> Any:
    """A component a class, with a variance a feature: full covariances would need more candidates than pools have."""
    from skactiveml.classifier import MixtureModelClassifier
    from sklearn.mixture import BayesianGaussianMixture

    gaussians = BayesianGaussianMixture(n_components=state.classes, covariance_type="diag", random_state=state.seed)
    return MixtureModelClassifier(gaussians, classes=state.names, random_state=state.seed)


def _parzen(state: NeedsState) -> Any:
    """A kernel as wide as the features are spread: on logistic regression the strategy takes minutes, not a second."""
    from skactiveml.classifier import ParzenWindowClassifier

    return ParzenWindowClassifier(classes=state.names, metric_dict={"gamma": "mean"}, random_state=state.seed)


MAKERS: dict[str, Maker] = {
    "clf": _head,
    "estimator": _head,
    "ensemble": _forest,
    "discriminator": _discriminator,
}
"""What a query may ask for beside X and y, by the parameter's name."""

SPECIAL: dict[str, Special] = {
    "FourDs": Special("its classifier a mixture of Gaussians, one a class, fitted to the features", {"clf": _mixture}),
    "EpistemicUncertaintySampling": Special(
        "its classifier a Parzen window on the features; two classes only", {"clf": _parzen}, classes=2
    ),
    "ProbabilisticAL": Special("label counts by an rbf kernel on the features", made_with={"metric": "rbf"}),
}
"""Strategies written for something of their own, by name."""


def why_not(name: str, kind: type[Any]) -> str:
    """Why a strategy cannot be an arm, in words that follow "it"; empty where it can."""
    query, made = inspect.signature(kind.query).parameters, inspect.signature(kind).parameters
    if _REGRESSORS & query.keys():
        return "is for regression, and an arm classifies; take one for classification"
    if "query_strategy" in made:
        return "is a wrapper around another strategy; name that one itself"
    if name in _BASES:
        return f"is only what others are made from; take {_BASES[name]}"
    lacking = (_required(kind.query) - _DATA - MAKERS.keys()) | (_required(kind) - _MADE)
    if lacking:
        return (
            f"asks for {', '.join(sorted(lacking))}, which an arm cannot give it; "
            "take another, or register a strategy of your own that calls it (--load)"
        )
    return ""


def _required(function: Callable[..., Any]) -> set[str]:
    """The parameters of a function that have no default."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}


def handed_to(name: str, kind: type[Any], state: NeedsState) -> dict[str, Any]:
    """What the strategy's query gets beside X, y and the batch's size, by parameter."""
    makers = {**MAKERS, **(SPECIAL[name].makers if name in SPECIAL else {})}
    asked = inspect.signature(kind.query).parameters
    return {key: make(state) for key, make in makers.items() if key in asked}


def made_with(name: str, kind: type[Any], state: NeedsState) -> dict[str, Any]:
    """What the strategy itself is made with."""
    ours = {"classes": state.names, "random_state": state.seed}
    special = SPECIAL[name].made_with if name in SPECIAL else {}
    return {key: ours[key] for key in inspect.signature(kind).parameters if key in ours} | dict(special)
