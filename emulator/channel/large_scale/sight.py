"""Soft line of sight: how a UE passes from out of sight into it (in the style of TR 38.901 7.6.3.3)."""

import numpy as np
from scipy.special import ndtri

from emulator.channel.large_scale.environment import EnvironmentParameters
from emulator.core.arrays import Floats


def transition_width(row: EnvironmentParameters) -> float:
    """Return the width of a transition in units of the sight field: half of the transitions along a straight line are
    shorter than `los_transition_m`, where the probability of line of sight is constant.

    At a crossing of any level the slope of the field has a Rayleigh distribution (Rice, BSTJ 24, 1945); with the
    correlation exp(-(d / d_c)^2) its median is 2 sqrt(ln 2) / d_c.
    """
    return float(2 * np.sqrt(np.log(2)) * row.los_transition_m / row.los_correlation_m)


def sight_weight(field: Floats, probability: Floats, width: float) -> Floats:
    """Return the weight of line of sight in path loss and shadowing, shape as the Gaussian `field`: 1 in sight, 0 out
    of it, and a smooth step of the given `width` about the field's quantile at the `probability`, where it is 1/2. So
    the weight is at least 1/2 with that probability."""
    rise = np.clip((ndtri(probability) - field) / width + 0.5, 0.0, 1.0)
    weight: Floats = rise * rise * (3 - 2 * rise)
    return weight
