"""What ``--same-state`` says of several λ or data sets: how far each arm goes at every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbench.harness.contract import Evidence, Figure, Panel, Series, Table
from fbench.measure.shares import PartOfWhole
from fbench.results.words import count_seeds

from .family import FEWEST
from .settings import CompareSetting
from .states import BASELINE, States
from .states_told import HEADING, NEAR, share_in_percent, share_interval_in_percent

_BESIDE = 0.12
"""How far apart arms stand at one λ of the figure, where settings are 1 apart."""

Ways = Mapping[CompareSetting, States]


def ways_evidence(measured: Ways) -> list[Evidence]:
    """The ways of all settings beside each other; nothing where fewer than two have a way and seeds for intervals."""
    going = {at: states for at, states in measured.items() if states.way and states.seeds >= FEWEST}
    if len(going) < 2:
        return []
    ends = {states.end for states in going.values()}
    if len(ends) > 1:  # ways to different arms have no share in common
        return []
    return [Evidence(f"{HEADING}, at every setting", _claims(going, measured), [_table(going)], [_figure(going)])]


def _arms(going: Ways) -> list[str]:
    """The arms that go a share of the way at every setting."""
    first = next(iter(going.values()))
    return [name for name in first.objective if all(_share(states, name) for states in going.values())]


def _share(states: States, name: str) -> PartOfWhole | None:
    return states.share(name) if name in states.objective else None


def _shares(going: Ways, name: str) -> dict[CompareSetting, PartOfWhole]:
    return {at: share for at, states in going.items() if (share := _share(states, name)) is not None}


def _claims(going: Ways, measured: Ways) -> list[str]:
    """The least and the most of every arm, the arm with the largest least first; and where there is no way."""
    shares = {name: _shares(going, name) for name in _arms(going)}
    order = sorted(shares, key=lambda name: -min(share.value for share in shares[name].values()))
    end = next(iter(going.values())).end
    claims = [_claim(name, list(shares[name].values()), str(end)) for name in order]
    if len(measured) > len(going):
        claims.append(
            f"At {len(measured) - len(going)} of {len(measured)} settings there is no way to have shares of: {end} is "
            f"not shown to be better than {BASELINE} there, or has fewer than {FEWEST} seeds."
        )
    return claims


def _claim(name: str, shares: Sequence[PartOfWhole], end: str) -> str:
    least, most = (choose(share.value for share in shares) for choose in (min, max))
    near, short = sum(share.low > NEAR for share in shares), sum(share.high < NEAR for share in shares)
    near_way = share_in_percent(NEAR, 0)
    return (
        f"{name} goes {share_in_percent(least).removesuffix(' %')} to {share_in_percent(most)} of the way from "
        f"{BASELINE} to {end} over {len(shares)} settings: at least {near_way} at {near} of them, less at {short} "
        "(whole intervals, each by itself)."
    )


def _table(going: Ways) -> Table:
    """A row a setting, a column an arm."""
    names = _arms(going)
    rows = [[at.dataset, at.regularisation, *(_cell(states, name) for name in names)] for at, states in going.items()]
    end, seeds = next(iter(going.values())).end, min(states.seeds for states in going.values())
    note = (
        f"Share of the way from {BASELINE}'s mean objective to {end}'s, tr(F M⁻¹) under all weights, with its 95 % "
        f"interval (Fieller), each by itself; {count_seeds(seeds)} a setting."
    )
    return Table("Of the way, at every setting", ["data set", "λ", *names], rows, note, names[2:][::-1])


def _cell(states: States, name: str) -> str:
    share = states.share(name)
    assert share is not None
    return f"{share_in_percent(share.value)} ({share_interval_in_percent(share)})"


def _figure(going: Ways) -> Figure:
    """A panel a data set: the arms' shares along λ."""
    panels = [_panel(dataset, going) for dataset in dict.fromkeys(at.dataset for at in going)]
    seeds = count_seeds(min(states.seeds for states in going.values()))
    return Figure(
        "same_state_everywhere",
        f"How far batches go for one network, {seeds} a setting",
        panels,
        "ratios of means over seeds, 95 % intervals (Fieller), each by itself",
    )


def _panel(dataset: str, going: Ways) -> Panel:
    here = {at.regularisation: states for at, states in going.items() if at.dataset == dataset}
    names, end = _arms(going), next(iter(going.values())).end
    series = []
    for number, name in enumerate(names):
        shares = [share for states in here.values() if (share := states.share(name)) is not None]
        x = [place + _BESIDE * (number - (len(names) - 1) / 2) for place in range(len(here))]
        low, high = [share.low for share in shares], [share.high for share in shares]
        series.append(Series(name, x, [share.value for share in shares], low, high, style="points"))
    return Panel(series, "λ", f"share of the way from {BASELINE} to {end}", dataset, x_names=list(here))
