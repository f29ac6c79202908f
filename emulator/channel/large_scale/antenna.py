"""Antenna gain of a site: panels of elements (TR 38.901 Table 7.3-1) with an orthogonal codebook of beams.

A site has `Array.sectors` panels, with boresights at equal angles around the mast, the first at 30 degrees. A panel
has `rows` x `columns` elements, half a wavelength apart, and its plane is tilted down by `tilt_deg`. Its beams are the
rows x columns vectors of a discrete Fourier transform: one points along the boresight, the others lie around it, 2 /
rows and 2 / columns apart in the direction's cosines. So the tilt is mechanical, and half of the beams of a panel with
many rows look above its boresight.

The beams are a complete orthonormal basis in each of the two dimensions. The best beam is at most rows x columns times
as strong as an element, and at least (2 / pi)^4 times that (in each dimension 3.9 dB less, halfway between two beams).
A site serves UEs at all sides, but the UEs of all sites are about as far below the horizon. So interference has the
mean over the beams side by side, in which the columns give no gain (Parseval), of the row that points at the UE.
"""

import math
from typing import NamedTuple

import numpy as np

from emulator.channel.radio import Base
from emulator.channel.standard_tables import table
from emulator.core.arrays import Floats

FIRST_BORESIGHT_DEG = 30.0


class AntennaGain(NamedTuple):
    """Gain of a site towards a UE, shapes of the directions: that of the best beam of all panels, which serves, and
    the mean over the panels and the beams of their best row, with which the site interferes while it serves others."""

    serving_db: Floats
    interfering_db: Floats


class Directions(NamedTuple):
    """Directions from sites: azimuth from the x axis and zenith angle, 90 degrees at the horizon."""

    azimuth_rad: Floats
    zenith_rad: Floats


def directions(away_m: Floats, climb_m: float) -> Directions:
    """Return the directions to places at `away_m`, shape (..., 2), that are `climb_m` higher than the site."""
    distance_m = np.hypot(away_m[..., 0], away_m[..., 1])
    return Directions(np.arctan2(away_m[..., 1], away_m[..., 0]), np.pi / 2 - np.arctan2(climb_m, distance_m))


def antenna_gain(base: Base, towards: Directions) -> AntennaGain:
    """Return a site's gain, both ways. Without an array it is the same in all directions."""
    array = base.array
    if array is None:
        everywhere = np.full(towards.azimuth_rad.shape, base.antenna_gain_db)
        return AntennaGain(everywhere, everywhere)
    best = np.full(towards.azimuth_rad.shape, -np.inf)
    mean = np.zeros(towards.azimuth_rad.shape)
    for sector in range(array.sectors):
        boresight_rad = math.radians(FIRST_BORESIGHT_DEG + sector * 360 / array.sectors)
        front, left, up = _in_panel(towards, boresight_rad, math.radians(array.tilt_deg))
        element_db = base.antenna_gain_db + element_pattern_db(front, left, up)
        row_db = element_db + 10 * np.log10(_nearest_beam(array.rows, up))
        best = np.maximum(best, row_db + 10 * np.log10(_nearest_beam(array.columns, left)))
        mean += 10 ** (row_db / 10) / array.sectors
    return AntennaGain(best, 10 * np.log10(mean))


def element_pattern_db(front: Floats, left: Floats, up: Floats) -> Floats:
    """Return an element's gain relative to its greatest (Table 7.3-1), for the direction's cosines in the panel's
    axes, any shape."""
    pattern = table("antenna")
    upwards_deg = np.degrees(np.arcsin(np.clip(up, -1.0, 1.0)))
    sideways_deg = np.degrees(np.arctan2(left, front))
    vertical_db = np.minimum(12 * (upwards_deg / pattern["beam_width_deg"]) ** 2, pattern["side_lobe_limit_db"])
    horizontal_db = np.minimum(12 * (sideways_deg / pattern["beam_width_deg"]) ** 2, pattern["front_to_back_db"])
    loss_db: Floats = np.minimum(vertical_db + horizontal_db, pattern["front_to_back_db"])
    return -loss_db


def _in_panel(towards: Directions, boresight_rad: float, tilt_rad: float) -> tuple[Floats, Floats, Floats]:
    """Return the direction's cosines along the boresight, to its left and upwards in the panel's plane."""
    level = np.sin(towards.zenith_rad) * np.cos(towards.azimuth_rad - boresight_rad)
    left = np.sin(towards.zenith_rad) * np.sin(towards.azimuth_rad - boresight_rad)
    height = np.cos(towards.zenith_rad)
    front = level * math.cos(tilt_rad) - height * math.sin(tilt_rad)
    up = level * math.sin(tilt_rad) + height * math.cos(tilt_rad)
    return front, left, up


def _nearest_beam(elements: int, cosine: Floats) -> Floats:
    """Return the power of the beam nearest to a direction (Fejér's kernel), at most `elements`, shape as `cosine`."""
    spacing = 2 / elements
    off = np.pi / 2 * (cosine - spacing * np.round(cosine / spacing))  # half the phase from element to element
    peak = np.abs(off) < 1e-9
    off = np.where(peak, 1.0, off)
    power = (np.sin(elements * off) / np.sin(off)) ** 2 / elements
    return np.where(peak, float(elements), power)
