"""Pure mathematics on tensors: no clock, no input or output, no print."""
