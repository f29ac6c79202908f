"""Path loss, line-of-sight probability, and standard deviation of shadowing (TR 38.901 7.4.1 and 7.4.2).

Distances are horizontal (2-D) unless named otherwise. Below the formulas' least distance (10 m outdoors, 1 m of 3-D
distance indoors) the loss is constant; beyond their greatest (5 km, rural 10 km, office 150 m, factory 600 m) they are
extrapolated.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.constants import speed_of_light

from emulator.channel.large_scale.environment import EnvironmentParameters, LogDistanceLaw, environment_parameters
from emulator.channel.radio import Environment
from emulator.core.arrays import Flags, Floats

DEFAULT_GROUND_M = 1.0  # effective environment height h_E, except below tall UEs in UMa


class Geometry(NamedTuple):
    """Heights of a site and a UE, and the carrier frequency."""

    base_height_m: float
    ue_height_m: float
    carrier_hz: float


def path_loss_db(
    environment: Environment,
    distance_m: Floats,
    geometry: Geometry,
    sight: Floats | Flags,
    ground_m: Floats | float = DEFAULT_GROUND_M,
) -> Floats:
    """Return the path loss of Table 7.4.1-1, shape as `distance_m`. `sight`: the weight of the loss in line of sight, 1
    or True in it, 0 or False out of it; `ground_m`: effective environment height h_E of the breakpoint in UMi and UMa
    (notes 1 and 2)."""
    row = environment_parameters(environment)
    reach_m = np.maximum(distance_m, row.nearest_m)
    direct_m = distance_3d_m(reach_m, geometry)
    if row.name == "rma":
        clear_db = _rural_los_db(row, reach_m, direct_m, geometry)
        blocked_db = _rural_nlos_db(row, direct_m, geometry)
    else:
        clear_db = _los_db(row, reach_m, direct_m, geometry, ground_m)
        blocked_db = np.maximum.reduce([_line_db(line, direct_m, geometry) for line in row.nlos_lines])
    return np.asarray(sight * clear_db + (1 - sight) * np.maximum(clear_db, blocked_db))


def distance_3d_m(distance_m: Floats, geometry: Geometry) -> Floats:
    """Return the distance between the antennas, at least 1 m, shape as `distance_m`."""
    direct: Floats = np.hypot(distance_m, geometry.base_height_m - geometry.ue_height_m)
    return np.maximum(direct, 1.0)


def los_probability(environment: Environment, distance_m: Floats, geometry: Geometry) -> Floats:
    """Return the line-of-sight probability of Table 7.4.2-1 for an outdoor distance, shape as `distance_m`."""
    row = environment_parameters(environment)
    metres = np.maximum(distance_m, 1e-3)  # avoids a division by 0, where the probability is 1
    if row.name == "umi":
        return np.where(metres <= 18, 1.0, 18 / metres + np.exp(-metres / 36) * (1 - 18 / metres))
    if row.name == "uma":
        street = 18 / metres + np.exp(-metres / 63) * (1 - 18 / metres)
        return np.where(metres <= 18, 1.0, street * (1 + tall_ue_factor(metres, geometry.ue_height_m)))
    if row.name == "rma":
        return np.minimum(1.0, np.exp(-(metres - 10) / 1000))
    if row.name == "inh-mixed":
        near = np.minimum(1.0, np.exp(-(metres - 1.2) / 4.7))
        return np.where(metres < 6.5, near, 0.32 * np.exp(-(metres - 6.5) / 32.6))
    if row.name == "inh-open":
        near = np.minimum(1.0, np.exp(-(metres - 5) / 70.8))
        return np.where(metres <= 49, near, 0.54 * np.exp(-(metres - 49) / 211.7))
    return np.exp(-metres / _clutter_m(row, geometry))


def shadowing_sigma_db(environment: Environment, distance_m: Floats, geometry: Geometry, los: Flags | bool) -> Floats:
    """Return the standard deviation of shadowing outdoors, or in an indoor environment (Table 7.4.1-1), shape as
    `distance_m`."""
    row = environment_parameters(environment)
    clear_db = np.full(distance_m.shape, row.los.sigma_db)
    if row.name == "rma":
        clear_db[distance_m > rural_breakpoint_m(geometry)] = row.beyond_breakpoint_sigma_db
    return np.where(los, clear_db, row.nlos.sigma_db)


def breakpoint_m(geometry: Geometry, ground_m: Floats | float = DEFAULT_GROUND_M) -> Floats | float:
    """Return d'_BP of UMi and UMa (Table 7.4.1-1, note 1), shape as `ground_m`."""
    heights_m2 = (geometry.base_height_m - ground_m) * (geometry.ue_height_m - ground_m)
    return 4 * heights_m2 * geometry.carrier_hz / speed_of_light


def rural_breakpoint_m(geometry: Geometry) -> float:
    """Return d_BP of RMa (Table 7.4.1-1, note 5)."""
    return 2 * np.pi * geometry.base_height_m * geometry.ue_height_m * geometry.carrier_hz / speed_of_light


def tall_ue_factor(distance_m: Floats, ue_height_m: float) -> Floats:
    """Return C(d, h_UT) of UMa (Table 7.4.1-1 note 1, Table 7.4.2-1), shape as `distance_m`; 0 up to 13 m height."""
    height: float = max(0.0, (ue_height_m - 13) / 10) ** 1.5
    reach = np.where(distance_m <= 18, 0.0, 1.25 * (distance_m / 100) ** 3 * np.exp(-distance_m / 150))
    return height * reach


def ground_m(environment: Environment, distance_m: Floats, ue_height_m: float, draw: Floats | float) -> Floats:
    """Return the effective environment height h_E (Table 7.4.1-1 note 1), shape as `distance_m`: 1 m; in UMa 1 m with
    probability 1 / (1 + C), else one of 12, 15, ..., h_UT - 1.5 m. `draw`, from [0, 1), decides for a whole track."""
    if environment != "uma" or ue_height_m <= 13:
        return np.full(distance_m.shape, DEFAULT_GROUND_M)
    plain = 1 / (1 + tall_ue_factor(distance_m, ue_height_m))
    roofs_m = np.arange(12.0, max(12.0, ue_height_m - 1.5) + 1e-9, 3.0)
    beyond = (draw - plain) / (1 - np.minimum(plain, 1 - 1e-12))  # uniform in [0, 1) where the draw is beyond `plain`
    chosen = np.clip((beyond * len(roofs_m)).astype(np.int64), 0, len(roofs_m) - 1)
    return np.where(draw < plain, DEFAULT_GROUND_M, roofs_m[chosen])


def _line_db(line: LogDistanceLaw, direct_m: Floats, geometry: Geometry) -> Floats:
    at_one_db = line.at_one_db + line.frequency_db * math.log10(geometry.carrier_hz / 1e9)
    return at_one_db + line.height_db * (geometry.ue_height_m - 1.5) + line.distance_db * np.log10(direct_m)


def _los_db(
    row: EnvironmentParameters, reach_m: Floats, direct_m: Floats, geometry: Geometry, ground_m: Floats | float
) -> Floats:
    assert row.los_line is not None
    near_db = _line_db(row.los_line, direct_m, geometry)
    if row.breakpoint_db is None:
        return near_db
    turn_m = breakpoint_m(geometry, ground_m)
    climb_m = geometry.base_height_m - geometry.ue_height_m
    far_db = _line_db(row.los_line._replace(distance_db=40.0), direct_m, geometry)
    far_db = far_db - row.breakpoint_db * np.log10(np.square(turn_m) + climb_m**2)
    return np.where(reach_m <= turn_m, near_db, far_db)


def _rural_los_db(row: EnvironmentParameters, reach_m: Floats, direct_m: Floats, geometry: Geometry) -> Floats:
    turn_m = rural_breakpoint_m(geometry)
    far_db = _rural_near_db(row, np.array([turn_m]), geometry) + 40 * np.log10(direct_m / turn_m)
    return np.where(reach_m <= turn_m, _rural_near_db(row, direct_m, geometry), far_db)


def _rural_near_db(row: EnvironmentParameters, direct_m: Floats, geometry: Geometry) -> Floats:
    """Return PL1 of RMa."""
    power = row.building_height_m**1.72
    free_db = 20 * np.log10(40 * np.pi * direct_m * geometry.carrier_hz / 1e9 / 3)
    slope_db = min(0.03 * power, 10) * np.log10(direct_m) - min(0.044 * power, 14.77)
    return np.asarray(free_db + slope_db + 0.002 * np.log10(row.building_height_m) * direct_m)


def _rural_nlos_db(row: EnvironmentParameters, direct_m: Floats, geometry: Geometry) -> Floats:
    """Return PL'_NLOS of RMa."""
    base_m = geometry.base_height_m
    streets_db = 161.04 - 7.1 * np.log10(row.street_width_m) + 7.5 * np.log10(row.building_height_m)
    base_db = (24.37 - 3.7 * (row.building_height_m / base_m) ** 2) * np.log10(base_m)
    slope_db = (43.42 - 3.1 * np.log10(base_m)) * (np.log10(direct_m) - 3)
    ue_db = 3.2 * np.log10(11.75 * geometry.ue_height_m) ** 2 - 4.97
    return np.asarray(streets_db - base_db + slope_db + 20 * np.log10(geometry.carrier_hz / 1e9) - ue_db)


def _clutter_m(row: EnvironmentParameters, geometry: Geometry) -> float:
    """Return k_subsce of InF (Table 7.4.2-1), the decay distance of the line-of-sight probability."""
    assert row.hall is not None
    through_m = -row.hall.clutter_size_m / np.log1p(-row.hall.clutter_density)
    if row.name in ("inf-sl", "inf-dl"):
        return float(through_m)
    over = (geometry.base_height_m - geometry.ue_height_m) / (row.hall.clutter_height_m - geometry.ue_height_m)
    return float(through_m * over)
