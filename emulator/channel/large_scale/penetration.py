"""What a building's wall and rooms cost a UE inside, served from outside (TR 38.901 7.4.3.1).

A factory served from outside is left out: the standard names its wall (high loss), not how deep in the UE stands.
"""

import math
from typing import NamedTuple

import numpy as np

from emulator.channel.large_scale.environment import Surroundings
from emulator.channel.radio import Penetration
from emulator.channel.standard_tables import table


class Indoors(NamedTuple):
    """Where a UE is in its building, the same for all sites: how deep (d_2D-in), and what it loses there."""

    depth_m: float
    loss_db: float


OUTDOORS = Indoors(depth_m=0.0, loss_db=0.0)


def indoors(rng: np.random.Generator, row: Surroundings, model: Penetration, carrier_hz: float) -> Indoors:
    """Drawn once for a UE: the depth is the lesser of two uniform draws, the loss that of Table 7.4.3-2."""
    if model == "none":
        return OUTDOORS
    depth_m = float(rng.uniform(0.0, row.indoor_m, 2).min())
    sigma_db: float = table("large_scale")["penetrations"][model]["sigma_db"]
    rooms_db: float = table("large_scale")["inside_db_a_metre"] * depth_m
    return Indoors(depth_m, wall_loss_db(model, carrier_hz) + rooms_db + sigma_db * float(rng.standard_normal()))


def wall_loss_db(model: Penetration, carrier_hz: float) -> float:
    """PL_tw (eq. 7.4-3): the wall's materials, each for its share of the surface, and 5 dB for oblique incidence."""
    passed = 0.0
    for material, share in table("large_scale")["penetrations"][model]["wall"].items():
        at_zero_db, per_ghz_db = table("large_scale")["materials"][material]
        passed += share * 10 ** (-(at_zero_db + per_ghz_db * carrier_hz / 1e9) / 10)
    incidence_db: float = table("large_scale")["wall_incidence_db"]
    return incidence_db - 10 * math.log10(passed)
