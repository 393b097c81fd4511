"""Readers of what users bring: folders of images, arrays, tables. Loaded when something is read, not to list names."""
