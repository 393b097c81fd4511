"""Runs from outside: planned, started, opened, shown, grown, merged; from the command line and from Python."""
