"""How a number is obtained, and what may be said of it. Knows nothing of Fisher."""
