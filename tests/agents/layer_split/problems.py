"""LayerSplit problems with drawn losses."""

import numpy as np

from agents.layer_split.channels import Outage
from agents.layer_split.losses import MeasuredLosses
from agents.layer_split.problem import LayerSplit
from agents.layer_split.setting import MENDED, LayerSplitSetting

LEVELS = np.array([0.0, 0.05, 0.1, 0.2, 0.5])


def drawn_losses(seed: int) -> MeasuredLosses:
    """Losses of twelve splits that grow with the level, in no order of the splits."""
    growth = np.random.default_rng(seed).exponential(0.2, (12, len(LEVELS) - 1))
    return MeasuredLosses(LEVELS, np.concatenate([np.zeros((12, 1)), growth.cumsum(axis=1)], axis=1))


def drawn_problem(seed: int, setting: LayerSplitSetting = MENDED) -> LayerSplit:
    return LayerSplit(setting, Outage(), drawn_losses(seed))
