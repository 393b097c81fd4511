"""What the field compares with: which candidates to label, from a pool's probabilities and features alone."""
