"""BAIT: information matrices, engines, greedy picks, trace kernels, approximations."""
