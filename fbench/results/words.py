"""How sentences count, list, and write a number of every kernel, method or case with its interval."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from fbench.results.ratios import Ratio

_WORD = re.compile(r"\S*\w\S*")


def between(counts: Iterable[int]) -> str:
    """Counts as a text: ``6``, or ``5 to 9`` where they differ.

    Example:
        >>> between([6, 6]), between([5, 9])
        ('6', '5 to 9')
    """
    distinct = sorted(set(counts))
    return f"{distinct[0]:,} to {distinct[-1]:,}" if len(distinct) > 1 else f"{distinct[0]:,}"


def counted(counts: Iterable[int], noun: str) -> str:
    """Counts with their noun: ``6 sizes``, ``5 to 9 sizes`` where they differ, ``1 size``.

    Example:
        >>> counted([6], "size"), counted([5, 9], "size"), counted([1], "size")
        ('6 sizes', '5 to 9 sizes', '1 size')
    """
    count = between(counts)
    return f"{count} {noun}" if count == "1" else f"{count} {noun}s"


def count_seeds(count: int) -> str:
    """How many seeds there are: ``1 seed`` or ``5 seeds``.

    Example:
        >>> count_seeds(1), count_seeds(5)
        ('1 seed', '5 seeds')
    """
    return counted([count], "seed")


def count_words(text: str) -> int:
    """How many words a text has; signs that stand alone are none.

    Example:
        >>> count_words("bait − random: +0.02")
        3
    """
    return len(_WORD.findall(text))


def fitting(limit: int, *choices: str) -> str:
    """The first text that keeps to a number of words, or the last one.

    Example:
        >>> fitting(3, "one two three four", "one two")
        'one two'
    """
    return next((text for text in choices if count_words(text) <= limit), choices[-1])


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: ``fused``, ``fused and factored``, ``fused, factored and slow``.

    Example:
        >>> listed(["fused", "factored", "slow"])
        'fused, factored and slow'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def first_few(names: Iterable[str], most: int) -> str:
    """The first names, and how many more there are.

    Example:
        >>> first_few(["a", "b", "c"], 2), first_few(["a", "b"], 2)
        ('a, b and 1 more', 'a, b')
    """
    known = list(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def entries(
    ratios: Mapping[str, Ratio],
    write: Callable[[float], str],
    first: str,
    rest: str = "{kernel} {mean}",
    inside: Callable[[str], str] = lambda kernel: "",
    after: Callable[[str], str] = lambda kernel: "",
) -> str:
    """Every kernel's mean with its interval: ``fused takes 1.9 times less (95 % interval 1.8 to 2), factored 11 (…)``.

    Args:
        ratios: by kernel, each of one block or more.
        write: a number as text.
        first: the form of the first entry, with ``{kernel}`` and ``{mean}``; it says what the means are.
        rest: the form of those after it.
        inside: what stands beside the interval, by kernel.
        after: what stands after the parentheses, by kernel.

    Example:
        >>> ratios = {"fused": Ratio(6, 1.9, 1.8, 2.0), "slow": Ratio(6, 11.0, 10.0, 12.0)}
        >>> entries(ratios, "{:g}".format, "{kernel} takes {mean} times less")
        'fused takes 1.9 times less (95 % interval 1.8 to 2), slow 11 (10 to 12)'
    """
    forms = itertools.chain([first], itertools.repeat(rest))
    words = itertools.chain(["95 % interval "], itertools.repeat(""))
    texts = []
    for kernel, ratio in ratios.items():
        ends = f"{next(words)}{_ends(ratio, write)}" if ratio.n > 1 else "one block, which has no interval"
        mean = next(forms).format(kernel=kernel, mean=write(ratio.mean))
        texts.append(f"{mean} ({ends}{inside(kernel)}){after(kernel)}")
    return ", ".join(texts)


def _ends(ratio: Ratio, write: Callable[[float], str]) -> str:
    """``1.88 to 1.99``, ``97.3 to 99.4 %``."""
    return f"{write(ratio.low).removesuffix(' %')} to {write(ratio.high)}"


def known(ratios: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """The ratios that rest on one block or more.

    Example:
        >>> list(known({"fused": Ratio(6, 1.9, 1.8, 2.0), "slow": Ratio(0, 1.0, 1.0, 1.0)}))
        ['fused']
    """
    return {kernel: ratio for kernel, ratio in ratios.items() if ratio.n}


def over_blocks(ratios: Mapping[str, Ratio]) -> str:
    """The end of a sentence: how many blocks the ratios rest on, and which kernels have no block with both times.

    Example:
        >>> over_blocks({"fused": Ratio(6, 1.9, 1.8, 2.0), "slow": Ratio(0, 1.0, 1.0, 1.0)})
        ', over 6 blocks; of slow no block has both'
    """
    counts = [ratio.n for ratio in ratios.values() if ratio.n > 1]
    missing = [kernel for kernel, ratio in ratios.items() if not ratio.n]
    none = f"; of {listed(missing)} no block has both" if missing else ""
    return (f", over {counted(counts, 'block')}" if counts else "") + none
