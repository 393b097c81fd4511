"""Columns of the tables that ``fbench drift`` writes; ``fbench compare --drift`` writes some of them too."""

from __future__ import annotations

from fbench.harness.contract import Column
from fbench.learning import arm_options as arm

_KEY = (*arm.ARM_KEY, arm.OUTCOME[0], Column("samples", "int", "samples", "N, images behind each mask"))
_RULE = (
    Column("rule", "str", "", "global: the largest over the network; layer: the same fraction of every layer"),
    Column("classifier", "str", "", "kept whole by decree, and in no overlap; or free"),
    Column("fraction", "float", "share", "q, weights that the mask keeps"),
)
_PLACE = (
    Column("layer", "str", "", "the parameter's name; all: the whole network"),
    Column("layer_index", "int", "", "place in the forward order, from 0; empty for all"),
    Column("depth", "float", "share", "the same from 0 to 1"),
    Column("kind", "str", "", "convolution, pointwise (1×1), linear, bias, norm or other; all"),
    Column("parameters", "int", "weights", "of the layer"),
)
OVERLAP_COLUMNS = (
    *_KEY,
    Column("redraws", "int", "", "R, pairs of disjoint draws of N images that overlaps are averaged over"),
    *_RULE,
    *_PLACE,
    Column("kept", "int", "weights", "by the mask of the first draw"),
    Column("share", "float", "share", "kept over parameters"),
    Column("captured", "float", "share", "of the layer's Fisher mass that is kept, by the other draw's diagonal"),
    Column("jaccard_previous", "float", "", "overlap with the previous round's mask from the other draw"),
    Column("jaccard_first", "float", "", "the same with round 0"),
    Column("jaccard_redraw", "float", "", "baseline of sampling: overlap of the masks of both draws, one network"),
    Column(
        "jaccard_retrain",
        "float",
        "",
        "baseline of training: with a network of another batch order; empty if one batch holds all",
    ),
    Column("jaccard_chance", "float", "", "expected of random masks with as many weights in every layer"),
)
"""Columns of ``results``: a row for every mask and every layer of it."""

FISHER_COLUMNS = (
    *_KEY,
    *_PLACE,
    Column("fisher_mean", "float", "", "mean F_j over both draws"),
    Column("weighted_mean", "float", "", "mean w_j² F_j"),
    Column("spearman_previous", "float", "", "rank correlation of F_j with the previous round's, the other draw"),
    Column("spearman_redraw", "float", "", "the same between both draws, one network"),
    Column("spearman_retrain", "float", "", "the same with a network of another batch order, the other draw"),
)
"""Columns of ``fisher``: a row for every layer, whatever the mask."""

MASK_COLUMNS = (
    *_KEY,
    *_RULE,
    Column("layer", "str", "", "the parameter's name"),
    Column("shape", "str", "", "the parameter's, as 64x3x3x3"),
    Column("kept", "int", "weights", "ones among the bits"),
    Column("always", "bool", "", "kept whole by decree"),
    Column(
        "bits", "str", "", "of the first draw's mask: a bit a weight, row-major, packed (first highest), zlib, base64"
    ),
)
"""Columns of ``masks``: a row for every layer of the first draw's masks."""

ROUND_COLUMNS = (
    *arm.ARM_KEY,
    *arm.OUTCOME[:-1],
    Column("select_s", "float", "s", "time to choose this round's labels, without diagonals; empty for the start set"),
    Column("retrain_s", "float", "s", "the second training's; empty without"),
    Column("diagonal_s", "float", "s", "all diagonals of the round"),
    Column("masks_s", "float", "s", "masks, overlaps, ranks"),
)
"""Columns of ``rounds``: a row for every round of every seed."""
