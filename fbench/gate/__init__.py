"""Two revisions of a project timed against each other, in turn, until a regression is confirmed or is not."""
