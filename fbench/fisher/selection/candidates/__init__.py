"""G_x and H_x of a shard's candidates, in three forms that agree."""
