"""What a selection will hold, counted from shapes, and what fits."""
