"""Spatially correlated Gaussian random fields of mean 0 and variance 1.

A field is a sum of plane waves of random direction, phase and wavenumber, sqrt(2 / N) sum cos(k x + phi). It is a pure
function of the place, so every UE has the same value at the same place at any time (Cai and Giannakis, "A
two-dimensional channel simulation model for shadowing processes", IEEE Trans. Veh. Technol. 52(6), 2003).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Flags, Floats
from emulator.core.compiled import entry_point, in_place

DrawWaves = Callable[[np.random.Generator, float], Floats]  # of a field with a correlation distance

WAVES = 512
BLOCK_POINTS = 512  # points processed at once, so that their sums stay in the first-level cache


def rough_waves(rng: np.random.Generator, correlation_m: float) -> Floats:
    """Draw the waves of a field with correlation exp(-d / `correlation_m`) (TR 38.901 7.4.4), shape (3, WAVES): cycles
    per metre along x and y, and phase in cycles.

    The wavenumbers of this correlation have the distribution 1 - 1 / sqrt(1 + (k d_corr)^2); one is drawn from each of
    WAVES strata of equal probability.
    """
    rank = (np.arange(WAVES) + 1.0 - rng.random(WAVES)) / WAVES  # in (0, 1]
    return _waves(rng, np.sqrt(rank**-2 - 1) / correlation_m)


def smooth_waves(rng: np.random.Generator, correlation_m: float) -> Floats:
    """Draw the waves of a field with correlation exp(-(d / `correlation_m`)^2), shape (3, WAVES) as in `rough_waves`.

    It suits decisions by a level: a rough field crosses a level infinitely often on any distance, this one
    sqrt(2) / (pi `correlation_m`) exp(-level^2 / 2) times per metre (Rice)."""
    rank = (np.arange(WAVES) + 1.0 - rng.random(WAVES)) / WAVES
    return _waves(rng, 2 * np.sqrt(-np.log(rank)) / correlation_m)


def field_values(waves: Floats, points_m: Floats) -> Floats:
    """Return the field at `points_m`, shape (n, 2), as shape (n,). A point's value is independent of other points."""
    sums = np.zeros(len(points_m))
    _superpose(waves, np.ascontiguousarray(points_m[:, 0]), np.ascontiguousarray(points_m[:, 1]), sums)
    sums *= np.sqrt(2 / waves.shape[1])
    return sums


class SiteFields(NamedTuple):
    """Waves of one random field a site, `own`, with the correlation `between` any two sites at a place: each is the sum
    of the field `about` the UE, which all sites share, and its own (TR 36.814 A.2.1.1). Each alone has the law of one
    field."""

    about: Floats
    own: Sequence[Floats]
    between: float

    def values(self, points_m: Floats, needed: Flags) -> Floats:
        """Return the fields at `points_m`, shape (k, 2), where they are `needed`, else 0; shapes (sites, k)."""
        found = np.zeros(needed.shape)
        shared = np.zeros(len(points_m))
        anywhere = needed.any(axis=0)
        shared[anywhere] = np.sqrt(self.between) * field_values(self.about, points_m[anywhere])
        for values, waves, here in zip(found, self.own, needed, strict=True):
            values[here] = shared[here] + np.sqrt(1 - self.between) * field_values(waves, points_m[here])
        return found


def _waves(rng: np.random.Generator, wavenumber_per_m: Floats) -> Floats:
    angle = rng.uniform(0.0, 2 * np.pi, len(wavenumber_per_m))
    turns_per_m = wavenumber_per_m / (2 * np.pi)
    return np.stack([turns_per_m * np.cos(angle), turns_per_m * np.sin(angle), rng.random(len(angle))])


@entry_point
def _superpose(waves: Floats, x_m: Floats, y_m: Floats, sums: Floats) -> None:
    """Add all waves to each point's sum, in the order of the waves."""
    # the inner loop is a separate function because only then does the compiler vectorise it
    for start in range(0, len(sums), BLOCK_POINTS):
        here = slice(start, min(start + BLOCK_POINTS, len(sums)))
        for wave in range(waves.shape[1]):
            _add_wave(waves[0, wave], waves[1, wave], waves[2, wave], x_m[here], y_m[here], sums[here])


@in_place
def _add_wave(along_x: float, along_y: float, phase: float, x_m: Floats, y_m: Floats, sums: Floats) -> None:
    """Add cos(2 pi (wave · point + phase)) to each point's sum.

    cos(2 pi t) = 1 - 2 sin(pi t)^2 with |t| <= 1/2, the sine by its Taylor series (error below 1e-10): basic
    arithmetic, which the compiler vectorises and which rounds equally on every machine.
    """
    for point in range(len(sums)):
        turns = along_x * x_m[point] + along_y * y_m[point] + phase
        angle = np.pi * (turns - np.floor(turns + 0.5))
        square = angle * angle
        tail = 1 - square * (1 / 210) * (1 - square * (1 / 272) * (1 - square * (1 / 342)))
        tail = 1 - square * (1 / 72) * (1 - square * (1 / 110) * (1 - square * (1 / 156) * tail))
        sine = angle * (1 - square * (1 / 6) * (1 - square * (1 / 20) * (1 - square * (1 / 42) * tail)))
        sums[point] += 1 - 2 * sine * sine
