"""The built-in suites: one module a suite, found by the registry; never import them by hand."""
