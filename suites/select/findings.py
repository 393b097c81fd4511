"""Sentences of ``fbench select``: how much faster, whether it chooses the same, what an approximation gives up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fbench.harness.contract import Row
from fbench.results.ratios import Ratio, factor, geometric, ratio
from fbench.units import format_bytes, format_seconds

from .cases import LETTERS, SIZES, Measured, problems

EXACT = ("incremental", "published", "fused", "factored")
_NEAR = 10
"""A lead below so many tolerances is a near-tie: rounding may turn it."""


def findings(cases: Sequence[Measured], rows: Sequence[Row], options: Mapping[str, Any]) -> list[str]:
    """What the run says; of a sweep, of its largest problem, and how times grow."""
    said: list[str] = []
    largest = [sizes for sizes in problems(cases) if sizes[:4] == problems(cases)[-1][:4]] if cases else []
    for sizes in largest:
        own = {case.method: case for case in cases if case.sizes == sizes}
        where = _where(sizes, cases)
        said += [where + sentence for sentence in [*_speed(own), *_score(own), *_agreement(own)]]
        said += [where + sentence for sentence in [*_approximations(own), *_memory(own)]]
    return [*said, *_growth(cases), *_dtypes(cases), *_reference(cases, options), *_left_out(rows)]


def _where(sizes: tuple[Any, ...], cases: Sequence[Measured]) -> str:
    """The sizes that vary over the run, as the beginning of a sentence."""
    varying = [i for i in range(len(SIZES)) if len({case.sizes[i] for case in cases}) > 1]
    named = [sizes[i] if SIZES[i] == "dtype" else f"{LETTERS[SIZES[i]]} = {sizes[i]:,}" for i in varying]
    return f"{', '.join(named)}: " if named else ""


def _interval(found: Ratio) -> str:
    """The interval of a ratio and what it rests on."""
    if found.n == 1:
        return "one block, which has no interval"
    return f"95 % interval {factor(found.low)} to {factor(found.high)}; {found.n} blocks of one interleaved run"


def _compared(found: Ratio, other: str) -> str:
    if found.mean >= 1:
        return f"{factor(found.mean)} times less than {other}"
    return f"{factor(1 / found.mean)} times more than {other}"


def _inside(found: Ratio) -> Ratio:
    """The ratio as ``_compared`` words it: above 1."""
    return found if found.mean >= 1 else found.inverse()


def _speed(own: Mapping[str, Measured]) -> Iterable[str]:
    """Incremental against published: a forward pick, then a whole selection."""
    new, old = own.get("incremental"), own.get("published")
    if new is None:
        return
    pick, whole = geometric(new.step("forward")), geometric(new.whole())
    if old is None:
        yield f"A forward pick by incremental takes {format_seconds(pick)}, a whole selection {format_seconds(whole)}."
        return
    found = ratio(old.step("forward"), new.step("forward"))
    taken, total = old.picks("forward")
    cut = f"; published timed on {taken} of its {total} picks" if old.cut_short else ""
    yield (
        f"A forward pick by incremental takes {format_seconds(pick)}, {_compared(found, 'in the published order')} "
        f"({_interval(_inside(found))}{cut})."
    )
    found = ratio(old.whole(), new.whole())
    dear = format_seconds(geometric(old.whole()))
    how = f"the {dear} that published would take, carried on in proportion" if old.cut_short else f"published's {dear}"
    yield (
        f"A whole selection by incremental takes {format_seconds(whole)}, {_compared(found, how)} "
        f"({_interval(_inside(found))})."
    )


def _score(own: Mapping[str, Measured]) -> Iterable[str]:
    """Packed scores against the others."""
    scored = {name: case for name, case in own.items() if case.of("score")}
    fast = next((case for name, case in scored.items() if name.startswith("score-packed")), None)
    if fast is None:
        return
    others = [case for case in scored.values() if case is not fast]
    each = [(case, ratio(case.score(), fast.score())) for case in others]
    words = [f"{_compared(found, case.method)} ({_interval(_inside(found))})" for case, found in each]
    begin = f"Scoring all {fast.sizes[0]:,} candidates takes {format_seconds(geometric(fast.score()))} by {fast.method}"
    yield ", ".join([begin, *words]) + "."


def _agreement(own: Mapping[str, Measured]) -> Iterable[str]:
    """Exact ways against the reference; rounding is all that may set them apart."""
    for name in EXACT:
        case = own.get(name)
        if case is None or case.fact("same_picks") is None:
            continue
        if (name, case.sizes[4]) == (case.fact("reference"), "float64"):
            yield f"{name} in float64 is the reference itself."
            continue
        picks, share, forward = case.fact("picks"), case.fact("same_picks"), case.picks("forward")[0]
        at = case.fact("first_difference")
        what = f"{picks} first forward picks" if case.cut_short else f"{picks} picks"
        order = f", and the order of all {forward} forward picks" if at is None and not case.cut_short else ""
        both = "all" if share == 1 else f"{share * picks:.0f}"
        sentence = f"{name} has {both} of the float64 reference's {what}{order}"
        yield sentence + (f"; it leaves its order at pick {at + 1}, {_lead(case)}." if at is not None else ".")
    drifting = own.get("incremental")
    if drifting is not None and drifting.fact("drift") is not None:
        times = drifting.fact("refreshes")
        often = {0: "never", 1: "once"}.get(times, f"{times} times")
        yield (
            f"After {drifting.picks('forward')[0]} forward picks P = M⁻¹ had drifted by {drifting.fact('drift'):.1e} "
            f"({often} made afresh on the way)."
        )


def _lead(case: Measured) -> str:
    gap, tolerance = case.fact("gap_there"), case.fact("tolerance")
    tie = "a near-tie" if gap <= _NEAR * tolerance else "not a near-tie"
    return f"where the reference's lead was {gap:.1e} of the score: {tie} in {case.sizes[4]}"


def _approximations(own: Mapping[str, Measured]) -> Iterable[str]:
    """What each gives up, on one scale from the reference's batch to a random one."""
    drawn = own["random"].objective_ratio() if "random" in own else None
    floor = f" (random batches: {_percent(drawn.mean)})" if drawn else ""
    exact = own.get("incremental")
    for name, case in own.items():
        worth = case.objective_ratio()
        if name in (*EXACT, "random") or worth is None:
            continue
        time = ""
        if exact is not None:
            found = ratio(exact.whole(), case.whole())
            time = f", and takes {_compared(found, 'incremental')} ({_interval(_inside(found))})"
        same = f"{case.fact('same_picks') * case.fact('picks'):.0f} of {case.fact('picks')}"
        yield f"{name} picks {same} alike, an objective {_percent(worth.mean)} the reference's{floor}{time}."


def _percent(worth: float) -> str:
    """``4.7 % above``."""
    return f"{100 * abs(worth - 1):.2g} % {'above' if worth >= 1 else 'below'}"


def _memory(own: Mapping[str, Measured]) -> Iterable[str]:
    said = []
    for name in EXACT:
        peak = own[name].peak_bytes if name in own else None
        if peak is not None:
            said.append(f"{format_bytes(peak)} by {name}, {factor(peak / own[name].embedding_bytes)} of it")
    if said:
        whole = format_bytes(next(iter(own.values())).embedding_bytes)
        yield f"V built with all its rows, n·k·d numbers, is {whole}; memory grows by {', '.join(said)}."


def _growth(cases: Sequence[Measured]) -> Iterable[str]:
    """How the time of a pick grows along a size that was swept alone."""
    timed = [case for case in cases if case.timed]
    varying = [i for i in range(4) if len({case.sizes[i] for case in timed}) > 1]
    if len(varying) != 1:
        return
    at, words = varying[0], []
    for method in dict.fromkeys((case.method, case.sizes[4]) for case in timed):
        own = sorted((c for c in timed if (c.method, c.sizes[4]) == method), key=lambda case: case.sizes[at])
        if len(own) > 1:
            times = ratio(own[-1].step("forward"), own[0].step("forward"))
            grown = factor(own[-1].sizes[at] / own[0].sizes[at])
            words.append(f"{method[0]} ({method[1]}) × {factor(times.mean)} for × {grown}")
    if words:
        yield f"How the time of a forward pick grows with {LETTERS[SIZES[at]]}: {', '.join(words)}."


def _dtypes(cases: Sequence[Measured]) -> Iterable[str]:
    """float32 against float64, method by method, on the largest problem."""
    found = {(case.method, case.sizes): case for case in cases if case.timed}
    for (method, sizes), case in found.items():
        other = found.get((method, (*sizes[:4], "float64")))
        if sizes[4] == "float32" and other is not None and sizes[:4] == problems(cases)[-1][:4]:
            times = ratio(other.whole(), case.whole())
            words = _compared(times, "in float64")
            yield f"{method} in float32 takes {words} ({_interval(_inside(times))})."


def _reference(cases: Sequence[Measured], options: Mapping[str, Any]) -> Iterable[str]:
    """What the picks were compared with, and why."""
    budget = options["reference_budget"]
    hows = {case.fact("reference") for case in cases if case.of("agreement") and not case.of("score")}
    if "published" in hows:
        yield "The reference is the published order in float64."
    if "incremental" in hows:
        yield (
            "The reference is the incremental selection in float64, where the published order would take more than "
            f"--reference-budget {budget:.2g} operations, or more memory than is free."
        )
    if None in hows:
        yield f"Same picks and objective are empty where no float64 reference keeps to --reference-budget {budget:.2g}."


def _left_out(rows: Sequence[Row]) -> Iterable[str]:
    """Cases without a number, and why."""
    said: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["status"] != "ok":
            said.setdefault((row["status"], row["reason"]), []).append(row["case"])
    for (status, reason), names in said.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"Not measured ({status}): {names[0]}{more}: {reason}."
