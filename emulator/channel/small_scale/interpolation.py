"""Interpolation of a process with Jakes' spectrum between the points of a grid: the best linear estimate."""

import numpy as np
from scipy.special import j0

from emulator.core.arrays import Floats
from emulator.core.compiled import entry_point, in_place

POINTS = 8  # grid points in an estimate
FRACTIONS = 256  # tabulated places between two points


def weight_table(points_per_wavelength: float) -> Floats:
    """Return the weights of the `POINTS` points around a place, for `FRACTIONS` + 1 places from one of the middle two
    points to the other, shape (FRACTIONS + 1, POINTS). They have the least mean square error for the autocorrelation
    J0(2 pi d / wavelength): 69 dB below the power with 4 points per wavelength.
    """
    turn = 2 * np.pi / points_per_wavelength
    points = np.arange(POINTS)
    places = np.linspace(0, 1, FRACTIONS + 1) + POINTS // 2 - 1
    among_points = j0(turn * np.subtract.outer(points, points))
    to_places = j0(turn * np.subtract.outer(points, places))
    return np.ascontiguousarray(np.linalg.solve(among_points, to_places).T, dtype=np.float64)


@entry_point
def estimate(rows: Floats, place: float, table: Floats, values: Floats) -> None:
    """Write the estimate at `place` = i + share of `rows` (points, columns) to `values` (columns,): rows i to
    i + POINTS - 1 with weights interpolated in the table."""
    first = int(place)
    fine = (place - first) * FRACTIONS
    entry = min(int(fine), FRACTIONS - 1)
    share = fine - entry
    values[:] = 0.0
    for point in range(POINTS):
        weight = (1.0 - share) * table[entry, point] + share * table[entry + 1, point]
        _add_scaled(values, weight, rows[first + point])


# the two innermost loops are functions because only then does the compiler vectorise them
@in_place
def _add_scaled(values: Floats, weight: float, row: Floats) -> None:
    for column in range(len(values)):
        values[column] += weight * row[column]


@in_place
def _add_squares(powers: Floats, before: Floats, real: Floats, imaginary: Floats) -> None:
    """Write `before` plus squared magnitudes to `powers`."""
    for frequency in range(len(powers)):
        powers[frequency] = before[frequency] + (real[frequency] ** 2 + imaginary[frequency] ** 2)


@entry_point
def powers_between(rows: Floats, places: Floats, table: Floats, branches: int, values: Floats, powers: Floats) -> None:
    """Write squared magnitudes at each place to `powers` (places, ranks, frequencies): for rank r, at r - 1, their sum
    over all branches but the last r - 1. A row of `rows` has the real parts of a branch's frequencies, its imaginary
    parts, then the next branch; `values` (columns,) is scratch space."""
    ranks, frequencies = powers.shape[1], powers.shape[2]
    for index in range(len(places)):
        estimate(rows, places[index], table, values)
        power = powers[index]
        power[ranks - 1] = 0.0
        for branch in range(branches):
            row = min(branches - 1 - branch, ranks - 1)  # of the highest rank that uses this branch
            before = min(row + 1, ranks - 1)
            real = values[2 * branch * frequencies : (2 * branch + 1) * frequencies]
            imaginary = values[(2 * branch + 1) * frequencies : (2 * branch + 2) * frequencies]
            _add_squares(power[row], power[before], real, imaginary)


@entry_point
def values_between(rows: Floats, places: Floats, table: Floats, values: Floats) -> None:
    """Write the estimates at each place of `rows` (points, columns) to `values` (places, columns)."""
    for index in range(len(places)):
        estimate(rows, places[index], table, values[index])
