"""From what size on samples stay where they are stored (``fbench.stored_samples``)."""

HELD_BYTES = 2**30
"""A data set of more bytes than these, as float32, is not held in memory."""
