"""Where files of your own find the decorators: ``from fbench.registry import strategy`` (see ``--load``)."""

from fbench.harness.registry import (
    DATASETS,
    KERNELS,
    MODELS,
    PRESETS,
    STRATEGIES,
    SUITES,
    Dataset,
    Kernel,
    Model,
    Preset,
    Strategy,
    dataset,
    model,
    strategy,
    suite,
)
from fbench.harness.suite import SharedData, Suite

__all__ = [
    "DATASETS",
    "KERNELS",
    "MODELS",
    "PRESETS",
    "STRATEGIES",
    "SUITES",
    "Dataset",
    "Kernel",
    "Model",
    "Preset",
    "SharedData",
    "Strategy",
    "Suite",
    "dataset",
    "model",
    "strategy",
    "suite",
]
