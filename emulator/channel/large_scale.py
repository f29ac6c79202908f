"""What changes over metres: distance, path loss, shadowing; and the noise that the signal stands over."""

import math

import numpy as np
import numpy.typing as npt
from scipy.constants import speed_of_light

from emulator.compiled import compiled

Floats = npt.NDArray[np.float64]

THERMAL_NOISE_DBM_PER_HZ = -174.0  # k T at 290 K


def noise_dbm(bandwidth_hz: float, noise_figure_db: float) -> float:
    """Thermal noise power at the receiver's input."""
    return THERMAL_NOISE_DBM_PER_HZ + 10 * math.log10(bandwidth_hz) + noise_figure_db


def free_space_db(carrier_hz: float, distance_m: float) -> float:
    """Friis' loss between isotropic antennas."""
    return 20 * math.log10(4 * math.pi * distance_m * carrier_hz / speed_of_light)


def path_loss_db(distance_m: Floats, exponent: float, reference_m: float, reference_loss_db: float) -> Floats:
    """The log-distance law, shape as `distance_m`."""
    return reference_loss_db + 10 * exponent * np.log10(distance_m / reference_m)


def to_and_fro_m(travelled_m: Floats, start_m: float, nearest_m: float, farthest_m: float) -> Floats:
    """The distance after a way between two turning points, outwards first; shape as `travelled_m`."""
    span_m = farthest_m - nearest_m
    phase_m = np.mod(travelled_m + start_m - nearest_m, 2 * span_m)
    return nearest_m + span_m - np.abs(span_m - phase_m)


def shadowing_db(rng: np.random.Generator, slots: int, step_m: float, sigma_db: float, correlation_m: float) -> Floats:
    """Log-normal shadowing with correlation exp(-d / `correlation_m`) over the way travelled
    (Gudmundson, Electronics Letters 27(23), 1991), shape (slots,): a first-order autoregression is exact
    for equal steps."""
    innovations = rng.standard_normal(slots)
    kept = math.exp(-step_m / correlation_m)
    innovations[1:] *= math.sqrt(-math.expm1(-2 * step_m / correlation_m))  # the first draw is stationary
    return sigma_db * autoregression(innovations, kept)


@compiled
def autoregression(innovations: Floats, kept: float) -> Floats:
    """Each value is its innovation plus `kept` times the value before, shape as `innovations`."""
    values = innovations.copy()
    for index in range(1, len(values)):
        values[index] += kept * values[index - 1]
    return values
