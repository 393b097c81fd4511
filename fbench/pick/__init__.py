"""BAIT on a user's own arrays: the files of ``fbench pick``, and the chunk that suits them."""
