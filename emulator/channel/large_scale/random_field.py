"""Gaussian random numbers that belong to places: of mean 0 and variance 1, alike at places that are near.

A field is a sum of plane waves of random direction, phase and length, sqrt(2 / N) sum cos(k x + phi): a pure function
of the place, so that a UE meets the same value whenever it comes by, and so does any other UE (Cai and Giannakis,
"A two-dimensional channel simulation model for shadowing processes", IEEE Trans. Veh. Technol. 52(6), 2003).
"""

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.compiled import in_place

WAVES = 512
AT_ONCE = 512  # points whose sums stay in the fastest cache


def rough_waves(rng: np.random.Generator, correlation_m: float) -> Floats:
    """Waves of a field of correlation exp(-d / `correlation_m`) (TR 38.901 7.4.4), shape (3, WAVES): waves a metre
    along x and y, and phase in turns.

    The plane's spectrum of that correlation has wavenumbers of distribution 1 - 1 / sqrt(1 + (k d_corr)^2); one is
    drawn from each of WAVES parts of equal probability.
    """
    rank = (np.arange(WAVES) + 1.0 - rng.random(WAVES)) / WAVES  # in (0, 1]
    return _waves(rng, np.sqrt(rank**-2 - 1) / correlation_m)


def smooth_waves(rng: np.random.Generator, correlation_m: float) -> Floats:
    """Waves of a field of correlation exp(-(d / `correlation_m`)^2), shape (3, WAVES) as of `rough_waves`: for what
    is cut at a level, since a rough field crosses a level ever more often the closer one looks, and this one
    sqrt(2) / (pi `correlation_m`) exp(-level^2 / 2) times a metre (Rice)."""
    rank = (np.arange(WAVES) + 1.0 - rng.random(WAVES)) / WAVES
    return _waves(rng, 2 * np.sqrt(-np.log(rank)) / correlation_m)


def values(waves: Floats, points_m: Floats) -> Floats:
    """The field at `points_m`, shape (n, 2): shape (n,). A point's value does not depend on the others."""
    sums = np.zeros(len(points_m))
    _superpose(waves, np.ascontiguousarray(points_m[:, 0]), np.ascontiguousarray(points_m[:, 1]), sums)
    sums *= np.sqrt(2 / waves.shape[1])
    return sums


def _waves(rng: np.random.Generator, wavenumber_per_m: Floats) -> Floats:
    angle = rng.uniform(0.0, 2 * np.pi, len(wavenumber_per_m))
    turns_per_m = wavenumber_per_m / (2 * np.pi)
    return np.stack([turns_per_m * np.cos(angle), turns_per_m * np.sin(angle), rng.random(len(angle))])


@in_place
def _superpose(waves: Floats, x_m: Floats, y_m: Floats, sums: Floats) -> None:
    """Add all waves to each point's sum, in the order of the waves."""
    # the innermost loop is a function of its own: only so does the compiler make vector instructions of it
    for start in range(0, len(sums), AT_ONCE):
        here = slice(start, min(start + AT_ONCE, len(sums)))
        for wave in range(waves.shape[1]):
            _add_wave(waves[0, wave], waves[1, wave], waves[2, wave], x_m[here], y_m[here], sums[here])


@in_place
def _add_wave(along_x: float, along_y: float, phase: float, x_m: Floats, y_m: Floats, sums: Floats) -> None:
    """Add cos(2 pi (wave · point + phase)) to each point's sum.

    cos(2 pi t) = 1 - 2 sin(pi t)^2 with t within half a turn, the sine by its Taylor series (error below 1e-10):
    plain arithmetic, which the compiler turns into vector instructions that round alike on every machine.
    """
    for point in range(len(sums)):
        turns = along_x * x_m[point] + along_y * y_m[point] + phase
        angle = np.pi * (turns - np.floor(turns + 0.5))
        square = angle * angle
        tail = 1 - square * (1 / 210) * (1 - square * (1 / 272) * (1 - square * (1 / 342)))
        tail = 1 - square * (1 / 72) * (1 - square * (1 / 110) * (1 - square * (1 / 156) * tail))
        sine = angle * (1 - square * (1 / 6) * (1 - square * (1 / 20) * (1 - square * (1 / 42) * tail)))
        sums[point] += 1 - 2 * sine * sine
