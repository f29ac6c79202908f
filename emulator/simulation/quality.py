"""What the loss of an activation costs in quality, as a table for compiled code."""

import numpy as np

from emulator.core.compiled import Table, in_place
from emulator.quality import Curve

LEVEL = np.dtype([("share", np.float64), ("loss", np.float64)])  # of a `Curve`


def levels_of(curve: Curve | None) -> Table:
    """Return a curve as a table, shape (levels,); without rows where there is none."""
    levels = np.zeros(0 if curve is None else len(curve.levels), LEVEL)
    if curve is not None:
        levels["share"], levels["loss"] = curve.levels, curve.losses
    return levels


@in_place
def loss_at(levels: Table, first: int, stop: int, share: float) -> float:
    """Return `Curve.at` of the curve in the rows `first` up to, not including, `stop`; 0 without rows."""
    if first == stop:
        return 0.0
    if share <= levels[first].share:
        return float(levels[first].loss)
    upper = first + 1
    while levels[upper].share < share:
        upper += 1
    low, high = levels[upper - 1], levels[upper]
    return float(low.loss + (high.loss - low.loss) * ((share - low.share) / (high.share - low.share)))
