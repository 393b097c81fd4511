"""What other tools' rules say of two samples of times, by their defaults: whether the new one is slower.

- pytest-benchmark, ``--benchmark-compare-fail=median:5%``: the new median is over the base's by more than 5 %.
- asv, ``asv continuous``: Mann and Whitney's test, two-sided, p < 0.002, and medians by a factor above 1.1.
- criterion (Rust): a bootstrap of Welch's t on the pooled samples, p < 0.05, and a 95 % bootstrap interval of the
  means' change that lies above its noise threshold of 1 %. It draws 100,000 times, we 1,000.
- Mann and Whitney's test alone, one-sided, p < 0.05.

None of them corrects for how many benchmarks are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import stats

Rule = Callable[[Sequence[float], Sequence[float]], bool]
"""Whether new is called slower than base, of seconds each."""
_DRAWS = 1_000


def pytest_benchmark(base: Sequence[float], new: Sequence[float]) -> bool:
    """``median:5%``."""
    return bool(np.median(new) > 1.05 * np.median(base))


def asv(base: Sequence[float], new: Sequence[float]) -> bool:
    """asv's ``is_different`` and its factor."""
    differs = stats.mannwhitneyu(base, new, method="auto").pvalue < 0.002
    return bool(differs and np.median(new) > 1.1 * np.median(base))


def criterion(base: Sequence[float], new: Sequence[float]) -> bool:
    """The words "Performance has regressed."."""
    rng = np.random.default_rng(0)
    a, b = np.asarray(base), np.asarray(new)
    pooled = rng.choice(np.concatenate([a, b]), (_DRAWS, len(a) + len(b)))
    null = _welch(pooled[:, : len(a)], pooled[:, len(a) :])
    t = float(_welch(a[None], b[None])[0])
    above = float((null >= t).mean())
    p = 2 * min(above, 1 - above)
    changes = rng.choice(b, (_DRAWS, len(b))).mean(axis=1) / rng.choice(a, (_DRAWS, len(a))).mean(axis=1) - 1
    return bool(p < 0.05 and np.quantile(changes, 0.025) > 0.01)


def _welch(base: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Welch's t [draws] of samples [draws, n]; 0 where nothing varies."""
    spread = np.sqrt(base.var(axis=1, ddof=1) / base.shape[1] + new.var(axis=1, ddof=1) / new.shape[1])
    apart = new.mean(axis=1) - base.mean(axis=1)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)


def mann_whitney(base: Sequence[float], new: Sequence[float]) -> bool:
    """p < 0.05, one-sided."""
    return bool(stats.mannwhitneyu(new, base, alternative="greater").pvalue < 0.05)


OTHER_RULES: Mapping[str, Rule] = {
    "pytest-benchmark median:5%": pytest_benchmark,
    "asv continuous": asv,
    "criterion": criterion,
    "Mann-Whitney, p < 0.05": mann_whitney,
}
