"""Two revisions compared: what was timed, whether it can be compared, and what may be said of it."""
