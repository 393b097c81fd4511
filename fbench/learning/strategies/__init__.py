"""Strategies: which B candidates to label next, given a network, its pool and what is labelled.

A strategy is a function of a ``LearnerState`` and B that gives a ``Proposal``; register your own by
``@strategy(name, description)``, in a package's entry point or a ``--load`` file. Every module here has the
arms of one kind.
"""

from fbench.learning.strategies.classifier import classifier_parameters, classifier_width, kept_whole
from fbench.learning.strategies.protocol import Acquisition, Effort, LearnerState, Proposal, Sizes

__all__ = [
    "Acquisition",
    "Effort",
    "LearnerState",
    "Proposal",
    "Sizes",
    "classifier_parameters",
    "classifier_width",
    "kept_whole",
]
