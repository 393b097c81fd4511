"""Runs any suite: plans its grid, measures case by case, commits, resumes. Knows no suite by name."""
