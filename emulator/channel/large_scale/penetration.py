"""Outdoor-to-indoor penetration loss (TR 38.901 7.4.3.1).

Factories served from outside are not modelled: the standard gives the wall (high loss), but not the UE's depth.
"""

import math
from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale.environment import EnvironmentParameters
from emulator.channel.radio import Penetration
from emulator.channel.standard_tables import table


class IndoorLoss(NamedTuple):
    """Depth of a UE in its building (d_2D-in), and its penetration loss, the same for all sites."""

    depth_m: float
    loss_db: float


NO_INDOOR_LOSS = IndoorLoss(depth_m=0.0, loss_db=0.0)


def draw_indoor_loss(
    rng: np.random.Generator, row: EnvironmentParameters, model: Penetration, carrier_hz: float
) -> IndoorLoss:
    """Draw the loss of a UE: the depth is the smaller of two uniform draws, the loss that of Table 7.4.3-2."""
    if model == "none":
        return NO_INDOOR_LOSS
    depth_m = float(rng.uniform(0.0, row.indoor_m, 2).min())
    sigma_db: float = table("large_scale")["penetrations"][model]["sigma_db"]
    rooms_db: float = table("large_scale")["inside_db_a_metre"] * depth_m
    return IndoorLoss(depth_m, wall_loss_db(model, carrier_hz) + rooms_db + sigma_db * float(rng.standard_normal()))


def wall_loss_db(model: Penetration, carrier_hz: float) -> float:
    """Return PL_tw (eq. 7.4-3): the wall's materials, weighted by their share of the surface, and 5 dB for oblique
    incidence."""
    passed = 0.0
    for material, share in table("large_scale")["penetrations"][model]["wall"].items():
        at_zero_db, per_ghz_db = table("large_scale")["materials"][material]
        passed += share * 10 ** (-(at_zero_db + per_ghz_db * carrier_hz / 1e9) / 10)
    incidence_db: float = table("large_scale")["wall_incidence_db"]
    return incidence_db - 10 * math.log10(passed)
