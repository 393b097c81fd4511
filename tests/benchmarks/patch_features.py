"""Write CIFAR-10 as rows of features, without a trained network: for ``fbench compare --features cifar10-patches.npz``.

    python tests/benchmarks/patch_features.py cifar10-patches.npz --data-dir ~/data

K-means on whitened patches, then for every image how near its patches lie to every centre, summed in four quarters
(Coates, Lee and Ng, *An Analysis of Single-Layer Networks in Unsupervised Feature Learning*, AISTATS 2011, section 3):
128 centres give 512 features. The first 20,000 training images are the pool, the first 5,000 test images the test set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn.functional import avg_pool2d, unfold
from torchvision.datasets import CIFAR10

SIDE, CENTRES, BATCH = 6, 128, 250
SAMPLE, EPSILON = 200_000, 0.1
"""Patches that whitening and the centres are learned from, and what is added to their variances."""


def patches(images: Tensor) -> Tensor:
    """All patches of ``images`` [n, 3, 32, 32], each of mean 0 and variance 1: [n, 27², 108]."""
    rows = unfold(images, SIDE).transpose(1, 2)
    rows = rows - rows.mean(2, keepdim=True)
    return rows / (rows.var(2, keepdim=True) + 1e-3).sqrt()


def learn(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The patches' mean [108], their whitening matrix [108, 108], and the centres [128, 108] of what is whitened."""
    generator = torch.Generator().manual_seed(0)
    rows = patches(images[:2000]).flatten(0, 1)
    rows = rows[torch.randperm(len(rows), generator=generator)[:SAMPLE]]
    mean = rows.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((rows - mean).T))
    whitening = vectors @ torch.diag((values + EPSILON).rsqrt()) @ vectors.T
    means = MiniBatchKMeans(CENTRES, random_state=0, n_init=1, batch_size=10_000)
    means.fit(((rows - mean) @ whitening).numpy())
    return mean, whitening, torch.from_numpy(means.cluster_centers_).float()


def encode(images: Tensor, mean: Tensor, whitening: Tensor, centres: Tensor) -> Tensor:
    """Features [n, 512]: max(0, mean distance − distance) to every centre (their equation 2), averaged in quarters."""
    encoded = []
    for batch in images.split(BATCH):
        distances = torch.cdist((patches(batch) - mean) @ whitening, centres)
        near = (distances.mean(2, keepdim=True) - distances).relu()
        grid = near.transpose(1, 2).unflatten(2, (27, 27))
        encoded.append(avg_pool2d(grid, 13, 14, ceil_mode=True).flatten(1))
    return torch.cat(encoded)


def main(path: Path, data: Path) -> None:
    """Write ``features``, ``targets``, ``test_features`` and ``test_targets``."""
    parts = {"": (CIFAR10(data, train=True), 20_000), "test_": (CIFAR10(data, train=False), 5_000)}
    arrays, learned = {}, None
    for name, (images, count) in parts.items():
        pixels = torch.from_numpy(images.data[:count]).permute(0, 3, 1, 2).float() / 255
        learned = learned or learn(pixels)
        arrays[f"{name}features"] = encode(pixels, *learned).numpy()
        arrays[f"{name}targets"] = np.array(images.targets[:count])
    np.savez(path, **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    arguments = parser.parse_args()
    main(arguments.path, arguments.data_dir)
