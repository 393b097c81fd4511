"""From rows to files, tables and figures."""
