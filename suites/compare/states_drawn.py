"""The figures of ``--same-state``: the objective that every arm's batch leaves, and the same along the size of arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fbench.harness.contract import Figure, Panel, Series
from fbench.measure.arrays import Floats
from fbench.measure.statistics import mean_interval
from fbench.results.words import count_seeds

from .family import FEWEST
from .states import BASELINE, FULL, States

_OBJECTIVE = "tr(F M⁻¹) under all weights"


def state_figures(states: States) -> list[Figure]:
    """Every arm; where arms of several sizes are in the run, these along d as well."""
    return [_by_arm(states), *_by_size(states)]


def _by_arm(states: States) -> Figure:
    """The objective by arm with seeds as dots, and the share of the way."""
    names = list(states.objective)
    panels = [Panel([_places("objective", names, states.objective, states)], "", _OBJECTIVE, x_names=names)]
    if states.way:
        going = {name: states.shares(name) for name in names if states.share(name) is not None}
        if going:
            panels.append(_way(states, going))
    note = f"means{_interval_words(states)}, and every seed as a dot; less is better"
    return Figure("same_state", f"What a batch leaves of the objective, {count_seeds(states.seeds)}", panels, note)


def _way(states: States, going: Mapping[str, Floats]) -> Panel:
    """The share of the way by arm: the ratio of means with its interval, and the seeds' own shares as dots."""
    names, shares = list(going), [states.share(name) for name in going]
    points = [(float(i), float(y)) for i, name in enumerate(names) for y in going[name] if y == y]
    at = list(range(len(names)))
    series = Series("share", at, [share.value for share in shares if share], points=points, style="points")
    if states.seeds >= FEWEST:
        low, high = ([getattr(share, end) for share in shares] for end in ("low", "high"))
        series = replace(series, low=low, high=high)
    label = f"share of the way from {BASELINE} to {states.end}"
    return Panel([series], "", label, "the same as a share", x_names=names)


def _by_size(states: States) -> list[Figure]:
    """The share of the way, and samples in common with ``bait-full``, along d; none without arms of several sizes.

    Where there is no way, the objective itself, whose interval over seeds is mostly that of the networks.
    """
    families = states.families
    if not families:
        return []
    sizes = sorted({states.dims[name] for arms in families.values() for name in arms})
    level = [name for name in (BASELINE, "bait", FULL) if name in states.objective]
    if states.way:
        panels = [_ways_along(families, level, sizes, states)]
    else:
        lines = [_along(family, arms, states.objective, states) for family, arms in families.items()]
        lines += [_level(name, float(states.objective[name].mean()), sizes) for name in level]
        panels = [Panel(lines, "d", _OBJECTIVE, "objective", x_log=True, x_ticks=sizes)]
    if FULL in states.objective:
        shared = {name: states.shared(name, FULL) for name in states.objective if name != FULL}
        lines = [_along(family, arms, shared, states) for family, arms in families.items()]
        lines += [_level(name, float(shared[name].mean()), sizes) for name in level if name != FULL]
        lines.append(_level("by chance", states.chance.mean, sizes))
        label = f"of {states.batch} samples, in common with {FULL}"
        panels.append(Panel(lines, "d", label, "picks", x_log=True, x_ticks=sizes))
    note = f"means of {count_seeds(states.seeds)}{_interval_words(states)}; dashed: arms without a size"
    return [Figure("same_state_by_size", "The same along the size of arms", panels, note)]


def _ways_along(
    families: Mapping[str, Sequence[str]], level: Sequence[str], sizes: Sequence[float], states: States
) -> Panel:
    """Shares of the way along d: ratios of means over seeds with Fieller's intervals, from the baseline to the end."""
    lines = []
    for family, arms in families.items():
        known = [(name, share) for name in arms if (share := states.share(name)) is not None]
        line = Series(family, [states.dims[name] for name, _ in known], [share.value for _, share in known])
        if states.seeds >= FEWEST:
            line = replace(line, low=[share.low for _, share in known], high=[share.high for _, share in known])
        lines.append(line)
    ends = {BASELINE: 0.0, str(states.end): 1.0}
    for name in level:
        share = states.share(name)
        lines.append(_level(name, share.value if share else ends[name], sizes))
    label = f"share of the way from {BASELINE} to {states.end}"
    return Panel(lines, "d", label, "objective", x_log=True, x_ticks=sizes)


def _places(label: str, names: Sequence[str], values: Mapping[str, Floats], states: States) -> Series:
    """A place a name, with dots every seed."""
    points = [(float(i), float(y)) for i, name in enumerate(names) for y in values[name]]
    return _spread(Series(label, list(range(len(names))), [], points=points, style="points"), names, values, states)


def _along(family: str, arms: Sequence[str], values: Mapping[str, Floats], states: States) -> Series:
    """A family's arms along d."""
    return _spread(Series(family, [states.dims[name] for name in arms], []), arms, values, states)


def _spread(series: Series, names: Sequence[str], values: Mapping[str, Floats], states: States) -> Series:
    """Means, with t intervals over seeds where these are enough."""
    means = [mean_interval(values[name]) for name in names]
    series = replace(series, y=[mean.mean for mean in means])
    if states.seeds < FEWEST:
        return series
    return replace(series, low=[mean.low for mean in means], high=[mean.high for mean in means])


def _level(name: str, value: float, sizes: Sequence[float]) -> Series:
    """A dashed line at an arm without a size."""
    return Series(name, [sizes[0], sizes[-1]], [value, value], style="dashed")


def _interval_words(states: States) -> str:
    return ", 95 % interval over seeds" if states.seeds >= FEWEST else ""
