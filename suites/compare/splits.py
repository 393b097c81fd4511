"""How much the seeds of a comparison share: test sets that are drawn again and again from the same images."""

from __future__ import annotations

from fbench.harness.registry import DATASETS
from fbench.learning.data import TEST_SHARE, parse_modified
from fbench.learning.seed_groups import every_seed

from .options import Options


def overlap(options: Options) -> float | None:
    """Test images over the others, where the test sets of two seeds share images by chance; None where none do.

    Seeds test on disjoint folds as long as they share a permutation, ``--folds`` seeds at a time. A data set that is
    read from a folder is taken to have a test set of its own, which is the same for every seed.
    """
    if options.folds:
        permutations = {seed // options.folds for seed in every_seed(options.seeds)}
        return 1 / (options.folds - 1) if len(permutations) > 1 else None
    name = parse_modified(options.dataset).name
    if options.fixed_test or name not in DATASETS.names() or DATASETS.get(name).in_folder:
        return None
    return TEST_SHARE / (1 - TEST_SHARE)
