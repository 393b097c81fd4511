"""How much should stay free beyond a prediction: a share of it, and on a CPU what the process itself takes.

A prediction counts tensors. Resident memory has in it as well what Python, its libraries and their threads take, and
what the allocator keeps back. Beside the share that a selection's plan has (``fbench.fisher.planning.plan``), 64 MiB
cover the worst misses of all committed runs (reports/reference/memory, on a mask): 480 MiB for 406 predicted in
``diagonal``, and 111 MiB for 51 in ``train``, which needs 53 MiB beyond the share. torch's own count of a GPU's memory
has none of it.
"""

from __future__ import annotations

from fbench.fisher.planning.plan import MEMORY_MARGIN, with_margin
from fbench.units import format_bytes, format_percent

ADDED_BYTES = 64 * 2**20


def with_process_margin(predicted: int, device: str) -> int:
    """Bytes that should be free on a device for so many predicted ones.

    Example:
        >>> with_process_margin(1000, "cuda:0"), with_process_margin(1000, "cpu") - 1150
        (1150, 67108864)
    """
    return with_margin(predicted) + (ADDED_BYTES if device.partition(":")[0] == "cpu" else 0)


def margin_in_words(device: str) -> str:
    """The margin as a sentence has it.

    Example:
        >>> margin_in_words("cpu"), margin_in_words("cuda:0")
        ('15 % and 64 MiB', '15 %')
    """
    share = format_percent(MEMORY_MARGIN)
    return f"{share} and {format_bytes(ADDED_BYTES)}" if device.partition(":")[0] == "cpu" else share
