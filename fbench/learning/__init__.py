"""Active learning: data, networks, training, strategies, rounds."""
