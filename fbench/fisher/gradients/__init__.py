"""Per-sample gradients of a network: captured, contracted, and the diagonal and masked embedding made of them."""
