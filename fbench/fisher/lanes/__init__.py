"""Sixteen samples at a time, one a lane: the registers, how arrays are laid out for them, how kernels are compiled."""
