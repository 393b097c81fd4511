"""Sentences of ``fbench select``: how much faster, whether it chooses the same, what an approximation gives up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fbench.results.ratios import Ratio, factor, geometric, ratio
from fbench.units import format_bytes, format_seconds

from .cases import Departure, MeasuredCase, NotMeasured, problems, varying_problem_sizes
from .options import Options
from .sizes import SIZE_LETTERS
from .ways import EXACT_METHODS

_NEAR = 10
"""A gap below so many tolerances is a near-tie: rounding may turn it."""


def findings(cases: Sequence[MeasuredCase], left_out: Iterable[NotMeasured], options: Options) -> list[str]:
    """What the run says of its largest problem, then how times grow, what was compared with, and what was left out."""
    sentences: list[str] = []
    order = problems(cases)
    for sizes in [sizes for sizes in order if sizes.counts == order[-1].counts]:
        by_method = {case.method: case for case in cases if case.sizes == sizes}
        begin = ", ".join(sizes.equation(name) for name in varying_problem_sizes(cases))
        where = f"{begin}: " if begin else ""
        sentences += [where + sentence for sentence in _of_a_problem(by_method)]
    return [*sentences, *_growth(cases), *_dtypes(cases), *_reference(cases, options), *_left_out(left_out)]


def _of_a_problem(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """The sentences on one problem in one dtype."""
    yield from _speed(by_method)
    yield from _scores(by_method)
    yield from _agreement(by_method)
    yield from _drift(by_method)
    yield from _approximations(by_method)
    yield from _memory(by_method)


def _interval(times: Ratio) -> str:
    """The interval of a ratio, worded as in ``_compared``, and the blocks that it rests on."""
    if times.n == 1:
        return "one block, which has no interval"
    above_one = times if times.mean >= 1 else times.inverse()
    ends = f"{factor(above_one.low)} to {factor(above_one.high)}"
    return f"95 % interval {ends}; {times.n} blocks of one interleaved run"


def _compared(times: Ratio, other: str) -> str:
    """``3.2 times less than`` the other; a ratio below 1 is turned into ``times more``."""
    if times.mean >= 1:
        return f"{factor(times.mean)} times less than {other}"
    return f"{factor(1 / times.mean)} times more than {other}"


def _speed(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """Incremental against published: a forward pick, then a whole selection."""
    incremental, published = by_method.get("incremental"), by_method.get("published")
    if incremental is None:
        return
    pick = format_seconds(geometric(incremental.step("forward")))
    whole = format_seconds(geometric(incremental.whole()))
    if published is None:
        yield f"A forward pick by incremental takes {pick}, a whole selection {whole}."
        return
    times = ratio(published.step("forward"), incremental.step("forward"))
    taken, total = published.picks("forward")
    cut = f"; published timed on {taken} of its {total} picks" if published.cut_short else ""
    yield (
        f"A forward pick by incremental takes {pick}, {_compared(times, 'in the published order')} "
        f"({_interval(times)}{cut})."
    )
    times = ratio(published.whole(), incremental.whole())
    dear = format_seconds(geometric(published.whole()))
    extended = f"the {dear} that published would take, carried on in proportion"
    other = extended if published.cut_short else f"published's {dear}"
    yield f"A whole selection by incremental takes {whole}, {_compared(times, other)} ({_interval(times)})."


def _scores(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """Packed scores against the others."""
    scored = [case for case in by_method.values() if case.score]
    packed = next((case for case in scored if case.method.startswith("score-packed")), None)
    if packed is None:
        return
    ratios = {case.method: ratio(case.score, packed.score) for case in scored if case is not packed}
    words = [f"{_compared(times, method)} ({_interval(times)})" for method, times in ratios.items()]
    seconds = format_seconds(geometric(packed.score))
    begin = f"Scoring all {packed.sizes.candidates:,} candidates takes {seconds} by {packed.method}"
    yield ", ".join([begin, *words]) + "."


def _agreement(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """Exact ways against the reference; rounding is all that may set them apart."""
    for name in EXACT_METHODS:
        case = by_method.get(name)
        if case is None or case.agreement is None:
            continue
        agreement = case.agreement
        if (name, case.sizes.dtype) == (agreement.reference, "float64"):
            yield f"{name} in float64 is the reference itself."
            continue
        departure, picks, share = agreement.departure, agreement.picks, agreement.same_picks
        what = f"{picks} first forward picks" if case.cut_short else f"{picks} picks"
        both = "all" if share == 1 else f"{share * picks:.0f}"
        sentence = f"{name} has {both} of the float64 reference's {what}"
        if departure is not None:
            lead = _lead(departure, agreement.tolerance, case.sizes.dtype)
            yield f"{sentence}; it leaves its order at pick {departure.pick + 1}, {lead}."
        else:
            order = "" if case.cut_short else f", and the order of all {case.picks('forward')[0]} forward picks"
            yield f"{sentence}{order}."


def _lead(departure: Departure, tolerance: float, dtype: str) -> str:
    tie = "a near-tie" if departure.gap <= _NEAR * tolerance else "not a near-tie"
    return f"where the reference's lead was {departure.gap:.1e} of the score: {tie} in {dtype}"


def _drift(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """How far incremental updates took P from M⁻¹."""
    case = by_method.get("incremental")
    if case is None or case.drift is None or case.refreshes is None:
        return
    often = {0: "never", 1: "once"}.get(case.refreshes, f"{case.refreshes} times")
    yield (
        f"After {case.picks('forward')[0]} forward picks P = M⁻¹ had drifted by {case.drift:.1e} "
        f"({often} made afresh on the way)."
    )


def _approximations(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """What approximations give up, on one scale from the reference's batch to a random one."""
    drawn = by_method["random"].objective_ratio() if "random" in by_method else None
    floor = f" (random batches: {_percent(drawn.mean)})" if drawn else ""
    incremental = by_method.get("incremental")
    for name, case in by_method.items():
        worth, agreement = case.objective_ratio(), case.agreement
        if case.exact or name == "random" or worth is None or agreement is None:
            continue
        time = ""
        if incremental is not None:
            times = ratio(incremental.whole(), case.whole())
            time = f", and takes {_compared(times, 'incremental')} ({_interval(times)})"
        same = f"{agreement.same_picks * agreement.picks:.0f} of {agreement.picks}"
        yield f"{name} picks {same} alike, an objective {_percent(worth.mean)} the reference's{floor}{time}."


def _percent(worth: float) -> str:
    """``4.7 % above`` for a ratio of 1.047."""
    return f"{100 * abs(worth - 1):.2g} % {'above' if worth >= 1 else 'below'}"


def _memory(by_method: Mapping[str, MeasuredCase]) -> Iterable[str]:
    """Peak growth of exact ways over the bytes of V built with all its rows."""
    peaks = {name: by_method[name].peak_bytes for name in EXACT_METHODS if name in by_method}
    built = next(iter(by_method.values())).sizes.embedding_bytes
    parts = [
        f"{format_bytes(peak)} by {name}, {factor(peak / built)} of it"
        for name, peak in peaks.items()
        if peak is not None
    ]
    if parts:
        yield (
            f"V built with all its rows, n·k·d numbers, is {format_bytes(built)}; memory grows by {', '.join(parts)}."
        )


def _growth(cases: Sequence[MeasuredCase]) -> Iterable[str]:
    """How the time of a pick grows along a size that was swept alone."""
    timed = [case for case in cases if case.timed]
    swept = [name for name in varying_problem_sizes(timed) if name != "dtype"]
    if len(swept) != 1:
        return
    (name,), words = swept, []
    for method, dtype in dict.fromkeys((case.method, case.sizes.dtype) for case in timed):
        same = [case for case in timed if (case.method, case.sizes.dtype) == (method, dtype)]
        same.sort(key=lambda case: case.sizes.count(name))
        if len(same) > 1:
            least, most = same[0], same[-1]
            times = ratio(most.step("forward"), least.step("forward"))
            grown = factor(most.sizes.count(name) / least.sizes.count(name))
            words.append(f"{method} ({dtype}) × {factor(times.mean)} for × {grown}")
    if words:
        yield f"How the time of a forward pick grows with {SIZE_LETTERS[name]}: {', '.join(words)}."


def _dtypes(cases: Sequence[MeasuredCase]) -> Iterable[str]:
    """float32 against float64, method by method, on the largest problem."""
    timed = {(case.method, case.sizes): case for case in cases if case.timed}
    for (method, sizes), case in timed.items():
        double = timed.get((method, sizes._replace(dtype="float64")))
        if sizes.dtype == "float32" and double is not None and sizes.counts == problems(cases)[-1].counts:
            times = ratio(double.whole(), case.whole())
            yield f"{method} in float32 takes {_compared(times, 'in float64')} ({_interval(times)})."


def _reference(cases: Sequence[MeasuredCase], options: Options) -> Iterable[str]:
    """What the picks were compared with, and why."""
    budget = options.reference_budget
    agreements = [case.agreement for case in cases if case.was_compared and not case.score]
    references = {agreement.reference if agreement else None for agreement in agreements}
    if "published" in references:
        yield "The reference is the published order in float64."
    if "incremental" in references:
        yield (
            "The reference is the incremental selection in float64, where the published order would take more than "
            f"--reference-budget {budget:.2g} operations, or more memory than is free."
        )
    if None in references:
        yield f"Same picks and objective are empty where no float64 reference keeps to --reference-budget {budget:.2g}."


def _left_out(groups: Iterable[NotMeasured]) -> Iterable[str]:
    """Cases without a number, and why."""
    for status, reason, names in groups:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"Not measured ({status}): {names[0]}{more}: {reason}."
