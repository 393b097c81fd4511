"""How sentences about chunk sweeps count, list, and write a number of every kernel with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from fbench.results.ratios import Ratio


def between(counts: Iterable[int]) -> str:
    """``6``, or ``5 to 9`` where they differ."""
    found = sorted(set(counts))
    return f"{found[0]:,} to {found[-1]:,}" if len(found) > 1 else f"{found[0]:,}"


def span(counts: Iterable[int], noun: str) -> str:
    """``6 sizes``, ``5 to 9 sizes`` where they differ, ``1 size``."""
    found = between(counts)
    return f"{found} {noun}" if found == "1" else f"{found} {noun}s"


def listed(names: Sequence[str]) -> str:
    """``fused``, ``fused and factored``, ``fused, factored and slow``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def entries(
    found: Mapping[str, Ratio],
    write: Callable[[float], str],
    first: str,
    rest: str = "{kernel} {mean}",
    inside: Callable[[str], str] = lambda kernel: "",
    after: Callable[[str], str] = lambda kernel: "",
) -> str:
    """Every kernel's mean with its interval: ``fused takes 1.9 times less (95 % interval 1.8 to 2), factored 11 (…)``.

    Args:
        found: ratios by kernel, each of one block or more.
        write: a number as text.
        first: the form of the first entry, with ``{kernel}`` and ``{mean}``; it says what the means are.
        rest: the form of those after it.
        inside: what stands beside the interval, by kernel.
        after: what stands after the parentheses, by kernel.
    """
    forms = itertools.chain([first], itertools.repeat(rest))
    words = itertools.chain(["95 % interval "], itertools.repeat(""))
    said = []
    for kernel, each in found.items():
        ends = f"{next(words)}{_ends(each, write)}" if each.n > 1 else "one block, which has no interval"
        mean = next(forms).format(kernel=kernel, mean=write(each.mean))
        said.append(f"{mean} ({ends}{inside(kernel)}){after(kernel)}")
    return ", ".join(said)


def _ends(found: Ratio, write: Callable[[float], str]) -> str:
    """``1.88 to 1.99``, ``97.3 to 99.4 %``."""
    return f"{write(found.low).removesuffix(' %')} to {write(found.high)}"


def known(found: Mapping[str, Ratio]) -> dict[str, Ratio]:
    """Those of one block at least."""
    return {kernel: each for kernel, each in found.items() if each.n}


def over(found: Mapping[str, Ratio]) -> str:
    """The end of a sentence: blocks that the kernels' ratios rest on, and kernels of which no block has both times."""
    counts = [each.n for each in found.values() if each.n > 1]
    missing = [kernel for kernel, each in found.items() if not each.n]
    none = f"; of {listed(missing)} no block has both" if missing else ""
    return (f", over {span(counts, 'block')}" if counts else "") + none
