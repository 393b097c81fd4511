"""What a comparison at several settings says of its questions: an answer each, and the three lines of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fbench.harness.contract import Answer
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds, count_words, fitting, listed

from .answers import SPREAD_APART, UNIT, question_text
from .everywhere import AtSetting, Claim, threshold_of
from .family import FEWEST, JudgedQuestion
from .lead import ADVICE, LINE
from .settings import CompareSetting
from .wording import as_many, ends, with_sign


@dataclass(frozen=True)
class Grid:
    """How many data sets and λ there are, and what that makes of the names of settings."""

    datasets: tuple[str, ...]
    regularisations: tuple[str, ...]

    def name(self, setting: CompareSetting) -> str:
        """A setting by what tells it from the others.

        Example:
            >>> Grid(("digits",), ("1", "0.1")).name(CompareSetting("digits", "0.1"))
            'λ = 0.1'
        """
        parts = [setting.dataset] if len(self.datasets) > 1 or not setting.regularisation else []
        if len(self.regularisations) > 1 and setting.regularisation:
            parts.append(f"λ = {setting.regularisation}")
        return ", ".join(parts)

    @property
    def everywhere(self) -> str:
        """At all settings, as the end of a question."""
        return self.over(CompareSetting("", "any"))

    def over(self, setting: CompareSetting) -> str:
        """At all settings such as this one, as the end of a question, which of strategies without λ is of data sets."""
        parts = ["at every λ"] * (len(self.regularisations) > 1 and bool(setting.regularisation))
        return " ".join([*parts, *["on every data set"] * (len(self.datasets) > 1)])

    @property
    def data(self) -> str:
        """The data sets, by their number; variants of one are said to be that.

        Example:
            >>> Grid(("digits", "digits:noise=0.1"), ("1",)).data, Grid(("digits", "mnist5k"), ("1",)).data
            ('2 digits variants', '2 data sets')
        """
        if len(self.datasets) == 1:
            return self.datasets[0]
        kinds = {name.partition(":")[0] for name in self.datasets}
        return f"{len(self.datasets)} {f'{kinds.pop()} variants' if len(kinds) == 1 else 'data sets'}"

    @property
    def size(self) -> str:
        """How many there are, as the beginning of a sentence."""
        data = f"On {self.data}"
        return f"{data} at {len(self.regularisations)} λ" if len(self.regularisations) > 1 else data


def claim_answers(claims: Sequence[Claim], grid: Grid) -> list[Answer]:
    """An answer for every question, over all settings."""
    return [
        Answer(_question(claim, grid), claim.verdict, _sentence(claim, grid), _advice(claim, grid)) for claim in claims
    ]


def _question(claim: Claim, grid: Grid) -> str:
    where = grid.over(claim.settings[0])
    return question_text(claim.question, claim.tests[0].margin, lower=claim.lower, where=where)


def _sentence(claim: Claim, grid: Grid) -> str:
    few = min(test.comparison.n for test in claim.tests)
    match claim.verdict:
        case "too few":
            return f"{_mean(claim)}; we give no verdict on fewer than {FEWEST} seeds, and a setting has {few}."
        case "unreliable":
            where = claim.where("unreliable")
            return f"Trainings collapsed at {_of(len(where), claim)}, first at {grid.name(where[0])}."
        case "no":
            return f"{_shown_worse(claim, grid)}, shown better at {_of(claim.count('yes'), claim)}; {_mean(claim)}."
        case "yes":
            after = " after Holm" if claim.family > 1 else ""
            return f"{_mean(claim)}, {_least(claim, grid)}; {p_value(claim.corrected)}{after}."
    if claim.later:
        return f"{_mean(claim)}; asked when rows were there, so it cannot count as shown."
    shown = f"at {_of(claim.count('yes'), claim)}"
    if claim.mean_verdict == "not shown":
        return f"Shown {shown}, contradicted at none; {_mean(claim)}, {_least(claim, grid)}."
    begin = f"Shown in the mean and {shown}, contradicted at none"
    if not claim.in_the_mean:
        begin = f"The opposite is shown in the mean, and this {shown}"
    return f"{begin}; {_mean(claim).replace(' in the mean', '')}, {_least(claim, grid)}."


def _of(count: int, claim: Claim) -> str:
    return f"{count} of {len(claim.tests)} settings"


def _shown_worse(claim: Claim, grid: Grid) -> str:
    """Where the opposite is shown, as the beginning of a sentence; with its numbers where that is one setting."""
    where = claim.where("no")
    if len(where) > 1:
        return f"{claim.first} is shown worse at {_of(len(where), claim)}"
    test = claim.tests[claim.settings.index(where[0])]
    return f"Worse at {grid.name(where[0])} ({with_sign(test.apart)}, {ends(*test.overlapping)})"


def _mean(claim: Claim) -> str:
    """The mean of all settings with its interval."""
    if claim.mean is None:
        return "the settings share no seed"
    interval = ends(*claim.mean_interval())
    text = f"{claim.first} − {claim.second} is {with_sign(claim.mean_apart)} {UNIT} in the mean"
    return f"{text} ({interval})" if interval else text


def _least(claim: Claim, grid: Grid) -> str:
    """Where the gain is least, and how much it is."""
    setting, test = claim.least
    word = "most" if claim.lower else "least"
    return f"{word} {with_sign(test.apart)} ({ends(*test.overlapping)}) at {grid.name(setting)}"


def _advice(claim: Claim, grid: Grid) -> str:
    first, relation, second = claim.question
    match claim.verdict:
        case "too few":
            return "Add seeds to the same run (--seeds 20), and read this again."
        case "unreliable":
            return "Lower --learning-rate or raise --epochs until no training collapses."
        case "yes":
            choice = f"Choose {first} over {second}" if relation == ">" else f"{first} may replace {second}"
            return f"{choice}{_unlike(claim) or '.'}"
    if claim.later:
        return "Ask it of new seeds with --replicate."
    if claim.verdict == "no":
        return f"Don't take {first} over {second} unseen: look up your setting in the table."
    if claim.mean_verdict != "not shown":
        more = "" if _seeds_add_little(claim) else ", or add seeds"
        what = f"{first} is {_COMPARED[relation]} {second}" if claim.in_the_mean else f"{second} is the better one"
        return f"In the mean {what}{_unlike(claim) or f'; look up your setting in the table{more}.'}"
    if _seeds_add_little(claim):
        return f"Don't count on {first} over {second}; more images would narrow the intervals, seeds add little."
    return f"Don't count on {first} over {second}; add seeds to narrow the intervals."


_COMPARED = {">": "better than", ">=": "no worse than"}


def _unlike(claim: Claim) -> str:
    """The rest of an advice where λ may explain the difference: it leaves the embeddings far apart in dimension."""
    if claim.most_apart <= SPREAD_APART:
        return ""
    return f"; compare at deff:c, too: effective dimensions lie {claim.most_apart:.0f} times apart."


def _seeds_add_little(claim: Claim) -> bool:
    """Whether the images that splits share make more of an interval than the number of seeds: overlap beside 1/n."""
    return claim.overlap is not None and claim.overlap > 1 / min(test.comparison.n for test in claim.tests)


def three_lines_of(claims: Sequence[Claim], places: Sequence[AtSetting], grid: Grid) -> tuple[str, str, str]:
    """What was found at all settings, in numbers, and what to do about it."""
    planned = [claim for claim in claims if not claim.later]
    if not planned:
        return f"{grid.size}, no question was fixed before the run, so it shows nothing.", _areas(places), _ASK
    if all(claim.verdict == "too few" for claim in planned):
        seeds = min(at.curves.seeds for at in places)
        text = f"{grid.size}, {count_seeds(seeds)} {'is' if seeds == 1 else 'are'} too few to say which is better."
        return text, _areas(places), "Add seeds to the same run (--seeds 20): small differences need many."
    return _found(planned, grid), _numbers(planned), _take(planned, grid)


_ASK = "Ask before a run, as in --questions 'A > B'; --replicate asks the same of new seeds."


def _found(claims: Sequence[Claim], grid: Grid) -> str:
    """What beats what everywhere, and how often the rest is shown."""
    text, between = f"{grid.size},", " "
    for separator, phrase in _phrases(claims):
        longer = f"{text}{between or separator}{phrase}"
        if count_words(longer) > LINE:
            break
        text, between = longer, ""
    return f"{text.removesuffix(',')}."


def _phrases(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """What is said of every claim, and what stands before it; a strategy's claims of one kind share a verb."""
    verbs, last, counted = {">": "beats", ">=": "is no worse than"}, ("", ""), 0
    for claim in sorted(claims, key=lambda claim: (claim.verdict in _PLAIN, claim.question.relation != ">")):
        kind = (claim.first, claim.question.relation)
        if claim.verdict not in _PLAIN:
            yield "; ", _part(claim)
        elif kind == last:
            yield ", ", claim.second + _how_often(claim, counted)
        else:
            yield "; ", f"{claim.first} {verbs[kind[1]]} {claim.second}{_how_often(claim, counted)}"
        if claim.verdict in _PLAIN:
            last, counted = kind, counted if claim.verdict == "yes" else len(claim.tests)


_PLAIN = ("yes", "not shown")


def _how_often(claim: Claim, counted: int) -> str:
    """At how many settings a claim is shown; ``counted`` are those that were told of last, and need not be again."""
    if claim.verdict == "yes":
        return " everywhere"
    of = "" if counted == len(claim.tests) else f" of {len(claim.tests)} settings"
    mean = " in the mean and" if claim.in_the_mean else ""
    return f"{mean} at {claim.count('yes') or 'none'}{of}"


def _part(claim: Claim) -> str:
    match claim.verdict:
        case "no":
            return f"{claim.first} is worse than {claim.second} at {_of(claim.count('no'), claim)}"
        case "unreliable":
            return f"trainings of {claim.first} or {claim.second} collapse"
    return f"{claim.first} and {claim.second} have too few seeds"


def _numbers(claims: Sequence[Claim]) -> str:
    """As many of the means over settings as fit, with their intervals."""
    counting = "" if all(claim.overlap is None for claim in claims) else " counting overlapping splits"
    seeds = min(test.comparison.n for claim in claims for test in claim.tests)
    parts = []
    for claim in claims:
        interval = ends(*claim.mean_interval(), 3)
        difference = f"{claim.first} − {claim.second} {with_sign(claim.mean_apart, 3)}" if claim.mean else ""
        parts.append(f"{difference} ({interval})" if interval else difference)
    unit = f"{UNIT}, lower is better" if claims[0].lower else UNIT
    start = f"{unit}, mean of settings (95 % interval{counting}, {count_seeds(seeds)}):"
    return as_many(start, filter(None, parts), LINE)


def _areas(places: Sequence[AtSetting]) -> str:
    """The mean area of every strategy over the settings."""
    names = dict.fromkeys(name for at in places for name in at.curves.values)
    means = {name: [float(at.curves.areas[name].mean()) for at in places if name in at.curves.values] for name in names}
    parts = [f"{name} {number(sum(values) / len(values), 3)}" for name, values in means.items()]
    return as_many(f"{UNIT}, mean of settings:", parts, LINE)


def _take(claims: Sequence[Claim], grid: Grid) -> str:
    """Which arm to take at any setting."""
    if any(claim.verdict == "unreliable" for claim in claims):
        return "Lower --learning-rate or raise --epochs until no training collapses, then compare."
    better = [claim for claim in claims if claim.question.relation == ">"]
    everywhere = _unbeaten([claim for claim in better if claim.verdict == "yes"], claims)
    best = everywhere or _unbeaten([claim for claim in better if claim.in_the_mean], claims)
    if not best:
        return "No strategy wins everywhere: look up your own setting in the table, or add seeds."
    where = "" if everywhere else ", in the mean of settings"
    level = [
        claim for claim in better if claim.verdict == "not shown" and claim.first in best and not claim.in_the_mean
    ]
    rivals = [claim.second for claim in level]
    others = [name for name in dict.fromkeys(rivals) if name not in best]
    doubt = f"; {'it is' if len(best) == 1 else 'they are'} not shown to beat {listed_or(others)}" if others else ""
    take = f"Take {listed_or(best)}{where}"
    return fitting(ADVICE, f"{take}{doubt}.", f"{take}.", f"Take {best[0]}{where}.")


def _unbeaten(won: Sequence[Claim], claims: Sequence[Claim]) -> list[str]:
    """Strategies that win one of these claims, and that no other beats by one."""
    beaten = {claim.second for claim in won}
    beaten |= {claim.first for claim in claims if "no" in (claim.verdict, claim.mean_verdict)}
    return [name for name in dict.fromkeys(claim.first for claim in won) if name not in beaten]


def listed_or(names: Sequence[str]) -> str:
    """Names of which one is taken.

    Example:
        >>> listed_or(["a", "b", "c"])
        'a, b or c'
    """
    return listed(names).replace(" and ", " or ")


def verdict_cell(test: JudgedQuestion | None) -> str:
    """What a setting says of a question, for a table.

    Example:
        >>> verdict_cell(None)
        ''
    """
    return "" if test is None else f"{test.verdict} {with_sign(test.apart)}"


def beyond(claim: Claim) -> str:
    """What a claim's differences are held to, as a note says it."""
    threshold = threshold_of(claim.tests[0])
    return f"−{threshold:g}" if threshold else "0"
