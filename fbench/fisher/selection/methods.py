"""The ways from a network's logits and features to the embedding that is selected on, by name.

They are the exact last layer and the field's approximations of it (``approximations``).

One table, read by ``fbench pick --method`` and by the strategies: a new way is one more value. torch is imported
inside functions, since strategies are listed without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fbench.errors import UnknownNameError, UsageError
from fbench.fisher.planning.plan import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding


@dataclass(frozen=True)
class EmbeddingMethod:
    """A way from logits and features to an embedding.

    Attributes:
        name: what is typed before the number.
        shape: a function from (n, k, h, number) to the embedding's shape.
        make: a function from (logits, features, number) to the embedding.
        number: what the number counts; empty where the method takes none.
        engine: the ``method`` of ``bait_select`` that goes with it.
    """

    name: str
    shape: Callable[[int, int, int, int], Shape]
    make: Callable[[Tensor, Tensor, int], Embedding]
    number: str = ""
    engine: str = "incremental"

    @property
    def on_embedding(self) -> bool:
        """Whether it also works on a ready embedding, whose logits and features are not known."""
        return self.make is _exact

    @property
    def projects(self) -> bool:
        """Whether it makes features of its own, and leaves those that it was given."""
        return self.make is _principal

    def passes(self, picks: int) -> int:
        """How often features that lie in a file are read for so many forward picks, refreshes apart.

        They are held to their checksum and looked at for NaN. Then F, G and H at the start, and every pick take them
        once each; ``diagonal`` keeps no state that a start would make, and ``pca`` reads what it projects twice.

        Example:
            >>> [EMBEDDING_METHODS[name].passes(picks=20) for name in ("exact", "diagonal", "pca")]
            [24, 23, 4]
        """
        if self.projects:
            return 4
        return picks + (3 if self.engine == "diagonal" else 4)


def _exact(logits: Tensor, features: Tensor, number: int) -> Embedding:
    from fbench.fisher.embeddings import last_layer_embedding

    return last_layer_embedding(logits, features)


def _top(logits: Tensor, features: Tensor, number: int) -> Embedding:
    from fbench.fisher.selection.approximations import top_classes

    return top_classes(logits, features, number)


def _binary(logits: Tensor, features: Tensor, number: int) -> Embedding:
    from fbench.fisher.selection.approximations import binary

    return binary(logits, features)


def _principal(logits: Tensor, features: Tensor, number: int) -> Embedding:
    from fbench.fisher.selection.approximations import principal

    return principal(logits, features, number)


EMBEDDING_METHODS = {
    method.name: method
    for method in (
        EmbeddingMethod("exact", lambda n, k, h, _: Shape(n, k - 1, k * h, k), _exact),
        EmbeddingMethod("top", lambda n, k, h, c: Shape(n, c, k * h, k), _top, number="classes"),
        EmbeddingMethod("binary", lambda n, k, h, _: Shape(n, 1, h, 1), _binary),
        EmbeddingMethod("diagonal", lambda n, k, h, _: Shape(n, k - 1, k * h, k), _exact, engine="diagonal"),
        EmbeddingMethod("pca", lambda n, k, h, kept: Shape(n, k - 1, k * kept, k), _principal, number="components"),
    )
}
_SPELLED = ("exact", "top2", "binary", "diagonal", "pca:30")


def parse_embedding_method(text: str) -> tuple[EmbeddingMethod, int]:
    """The method and its number, 0 if it takes none: ``exact``, ``topC``, ``binary``, ``diagonal`` or ``pca:H``.

    Raises:
        UsageError: another name, a number where none belongs, or none where one does.

    Example:
        >>> method, components = parse_embedding_method("pca:30")
        >>> method.name, components, method.shape(1000, 10, 64, components).dim
        ('pca', 30, 300)
    """
    match = re.fullmatch(r"([a-z]+):?([0-9]{0,9})", text)
    if match is None or match[1] not in EMBEDDING_METHODS:
        raise UnknownNameError("method", text, _SPELLED)
    method = EMBEDDING_METHODS[match[1]]
    if bool(match[2]) != bool(method.number):
        rule = f"needs its {method.number}" if method.number else "takes no number"
        raise UsageError(f"method {text}: {method.name} {rule}; write one of {', '.join(_SPELLED)}")
    return method, int(match[2] or 0)
