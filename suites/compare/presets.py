"""Presets of ``fbench compare``: whole protocols, every option that changes a number written out.

What a source leaves open is marked, with why it is as it is. A claim over several λ holds where every λ shows it: that
is each preset's rule, and no λ is chosen by what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fbench.harness.registry import PRESETS, Preset

from .options import QUESTIONS

_EVERY: Mapping[str, Any] = {
    "strategies": "random,bait,bait+fish,bait+random-mask",
    "seeds": "8",
    "rounds": 10,
    "batch": 20,
    "start": 20,
    "dataset": "digits",
    "model": "small",
    "pool": 0,
    "test": 0,
    "folds": "0",
    "epochs": 30,
    "train_batch": 32,
    "learning_rate": 0.02,
    "weight_decay": 0.01,
    "stop": 0.0,
    "warm": False,
    "augment": False,
    "hidden": 0,
    "dropout": 0.0,
    "freeze": False,
    "mask_fraction": "auto",
    "fisher_samples": 1024,
    "fisher_on": "pool",
    "regularisation": "1",
    "oversample": 2.0,
    "dtype": "float32",
    "metric": "accuracy",
    "margin": 0.005,
    "questions": QUESTIONS,
}
"""Every option that changes a number, at its default; `fbench list presets` shows what a preset makes of them."""
_LAMBDA_RULE = "a claim holds where it holds at every λ; none is chosen by what was measured"
_EARLIER = "as the default: chosen by the accuracy of random labels on seeds that no comparison uses"
_FISH = {
    **_EVERY,
    "dataset": "cifar10",
    "model": "thin-resnet18",
    "mask_fraction": "0.002",
    "oversample": 1.0,
    "start": 250,
    "batch": 250,
}
_FISH_OPEN = {
    "rounds": "ten show the rise",
    "seeds": "about what shows an effect of one standard deviation of the differences",
    "epochs": _EARLIER,
    "learning_rate": _EARLIER,
    "weight_decay": _EARLIER,
    "train_batch": _EARLIER,
    "fisher_on": "the source takes the first of its pool; here a random draw, labelled images included",
    "questions": "the poster's four, one family",
}

PROTOCOLS = (
    Preset(
        "poster",
        "the poster's questions on four tasks of the digits, at three λ, against controls at equal d (under an hour)",
        "compare",
        {
            **_EVERY,
            "dataset": "digits,digits:imbalance=0.1,digits:duplicates=0.3,digits:noise=0.1",
            "strategies": "random,margin,bait,bait+fish,bait+random-mask,bait+random-global,bait+sketch",
            "seeds": "20",
            "folds": "5",
            "rounds": 4,
            "batch": 40,
            "mask_fraction": "0.034",
            "regularisation": "1,0.1,0.01",
            "questions": "bait+fish > random, bait+fish > margin, bait+fish > bait+random-mask, "
            "bait+fish > bait+random-global, bait+fish > bait+sketch, bait+random-mask > bait, bait+fish >= bait",
        },
        quick={
            "dataset": "digits",
            "seeds": "10",
            "strategies": "random,bait,bait+fish,bait+random-mask",
            "questions": QUESTIONS,
        },
        chosen={
            "dataset": "the poster has CIFAR-10: these run on any machine, and differ in what is hard about them",
            "model": "a residual network of 9,648 weights, which two cores train in a tenth of a second",
            "rounds": "four of 40 labels, to 180 in all, so that two cores take less than an hour",
            "seeds": "four permutations of five folds; fewer than 20 have shown what new seeds did not",
            "folds": "so that five seeds at a time share no test image",
            "mask_fraction": "328 of 9,648 weights: twice the classifier, as in the published masks' order",
            "regularisation": _LAMBDA_RULE,
            "questions": "the poster's four, and the mask against margin and two other ways to d = 328; one family",
            "strategies": "all masks and the sketch have 328 numbers; margin is what costs nothing",
            "epochs": _EARLIER,
            "learning_rate": _EARLIER,
            "weight_decay": _EARLIER,
            "train_batch": _EARLIER,
        },
    ),
    Preset(
        "poster-cifar10",
        "the same questions on CIFAR-10 with the thin ResNet-18, at two λ; for a GPU",
        "compare",
        {**_FISH, "regularisation": "1,0.01", "seeds": "8"},
        quick={
            "model": "small",
            "mask_fraction": "0.034",
            "pool": 2000,
            "test": 2000,
            "seeds": "10",
            "rounds": 5,
            "start": 100,
            "batch": 50,
            "epochs": 15,
        },
        chosen={**_FISH_OPEN, "regularisation": "1 of the masks' source, 0.01 of BAIT's on CIFAR-10; " + _LAMBDA_RULE},
    ),
    Preset(
        "fishermask",
        "BAIT on FISH masks as published: thin ResNet-18, 0.2 % of the weights, no backward removals",
        "compare",
        _FISH,
        chosen=_FISH_OPEN,
    ),
    Preset(
        "fishermask-large",
        "the same with 1 % of the weights and larger batches",
        "compare",
        {**_FISH, "mask_fraction": "0.01", "start": 1000, "batch": 1200},
        chosen=_FISH_OPEN,
    ),
    Preset(
        "bait-paper",
        "BAIT as published on CIFAR-10: λ = 0.01, twofold oversampling, batches of 128 to 99 % training accuracy",
        "compare",
        {
            **_EVERY,
            "dataset": "cifar10",
            "model": "resnet18",
            "strategies": "random,margin,coreset,badge,bait",
            "regularisation": "0.01",
            "start": 100,
            "batch": 100,
            "train_batch": 128,
            "stop": 0.99,
            "epochs": 100,
            "learning_rate": 0.0001,
            "weight_decay": 0.0,
            "questions": "bait > random, bait > margin, bait > coreset, bait > badge",
        },
        chosen={
            "rounds": "ten show the rise",
            "seeds": "about what shows an effect of one standard deviation of the differences",
            "epochs": "no limit in the source: 5 or 6 are enough for 100 and for 400 labels",
            "questions": "BAIT against each of the baselines, one family",
        },
    ),
)
"""Every one of them."""

for _preset in PROTOCOLS:
    PRESETS.add(_preset)
