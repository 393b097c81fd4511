"""What the numerical modules share: the type of their arrays, and how closely two numbers must agree to be equal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROUNDING", "Floats"]

Floats = NDArray[np.float64]
"""An array of double precision, of any shape."""

ROUNDING = 1e-12
"""Double precision numbers that differ by less than this share of their size differ by rounding alone."""
