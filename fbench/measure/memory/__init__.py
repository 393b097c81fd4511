"""Memory watched phase by phase: readers, a sampling process, high-water marks."""
