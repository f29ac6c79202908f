"""The gain of a multipath link at several frequencies, as a process over the way travelled.

All scattered taps share Jakes' spectrum, so the responses at G frequencies are G Gaussian processes that differ over
the way as one does, with a covariance among them that the delay profile gives. They are made from as many independent
processes as that covariance has eigenvalues of weight (at most G, or the taps if these are fewer).
"""

from collections.abc import Iterator

import numpy as np

from emulator.channel.small_scale.delay_profile import DelayProfile
from emulator.channel.small_scale.interpolation import POINTS, powers_between, values_between, weight_table
from emulator.channel.small_scale.scattering import POINTS_PER_WAVELENGTH, SEGMENT, Draws, Scattering
from emulator.core.arrays import Complexes, Floats
from emulator.core.compiled import in_place

STEADY_DOPPLER = 0.7  # of the line-of-sight path, over the largest shift (TR 38.901 7.7.2)
NEGLIGIBLE = 1e-8  # share of the power that is left out of the covariance


class Multipath:
    """|H|^2 at the frequencies `offsets_hz` (G,) about the carrier, summed over `branches` receive antennas that fade
    independently (maximum-ratio combining): its mean is `branches`.

    A pure function of the way travelled, whatever the steps and calls in which it is asked for. Memory is flat, and
    time goes with the places asked for and the segments they lie in: way that is jumped over costs nothing. `draws`
    gives the generator of each block of the scattered waves, by its index.
    """

    def __init__(self, profile: DelayProfile, wavelength_m: float, offsets_hz: Floats, branches: int, draws: Draws):
        self._points_per_m = POINTS_PER_WAVELENGTH / wavelength_m
        self._mixing = _mixing(profile, offsets_hz)
        self._scattering = Scattering(branches * len(self._mixing), draws)
        self._steady = np.sqrt(profile.steady) * profile.steering(offsets_hz)[0]
        self._weights = weight_table(POINTS_PER_WAVELENGTH)
        self._branches, self._frequencies = branches, len(offsets_hz)
        self._number = -2  # of the segment that `_rows` ends with; the rows before it are of the one before
        self._rows = np.zeros((POINTS - 1 + SEGMENT, 2 * branches * len(offsets_hz)))

    def gains(self, travelled_m: Floats) -> Floats:
        """Power gains at places of the way, nondecreasing within a call, shape (places, G).

        Raises ValueError when the way goes back.
        """
        powers = np.empty((len(travelled_m), self._frequencies))
        values = np.empty(self._rows.shape[1])
        for part, places in self._parts(travelled_m):
            powers_between(self._rows, places, self._weights, self._branches, values, powers[part])
        return powers

    def responses(self, travelled_m: Floats) -> Complexes:
        """Complex gains of each branch, as `gains`, shape (places, branches, G)."""
        values = np.empty((len(travelled_m), self._rows.shape[1]))
        for part, places in self._parts(travelled_m):
            values_between(self._rows, places, self._weights, values[part])
        real_imaginary = values.reshape(-1, self._branches, 2, self._frequencies)
        together: Complexes = real_imaginary[:, :, 0] + 1j * real_imaginary[:, :, 1]
        return together

    def _parts(self, travelled_m: Floats) -> Iterator[tuple[slice, Floats]]:
        """For each segment that places lie in: which of them do, and where in `_rows`, made by then."""
        if len(travelled_m) and (travelled_m[0] < 0 or np.any(travelled_m[1:] < travelled_m[:-1])):
            raise ValueError("travelled_m: must be at least 0 and not go back")
        places = travelled_m * self._points_per_m + SEGMENT  # from segment 1 on, as there is none before 0
        start = 0
        while start < len(places):
            number = int(places[start]) // SEGMENT
            end = int(np.searchsorted(places, (number + 1) * SEGMENT))
            self._move_to(number)
            yield slice(start, end), places[start:end] - number * SEGMENT
            start = end

    def _move_to(self, number: int) -> None:
        """Make the rows of a segment, and of the points just before it."""
        if number == self._number:
            return
        if number != self._number + 1:
            self._append(number - 1)
        self._append(number)
        self._number = number

    def _append(self, number: int) -> None:
        self._rows[: POINTS - 1] = self._rows[SEGMENT:]
        rows = self._rows[POINTS - 1 :]
        mix(self._scattering.segment(number), self._mixing, rows.reshape(SEGMENT, self._branches, -1))
        if self._steady.any():
            self._add_steady(number, rows)

    def _add_steady(self, number: int, rows: Floats) -> None:
        """Add the line-of-sight path: a phasor that turns with the way, for all branches the same, as the scattered
        waves it is added to have any phase alike."""
        points = np.arange(number * SEGMENT, (number + 1) * SEGMENT)
        responses = np.exp(2j * np.pi * STEADY_DOPPLER / POINTS_PER_WAVELENGTH * points)[:, None] * self._steady
        rows += np.tile(np.concatenate((responses.real, responses.imag), axis=1), self._branches)


def _mixing(profile: DelayProfile, offsets_hz: Floats) -> Floats:
    """What the real and the imaginary part of each independent process add to the real and the imaginary parts at the
    frequencies, shape (processes, 2, 2 G): together they have the covariance of the taps, but for less than
    `NEGLIGIBLE` each."""
    taps = np.sqrt(profile.powers)[:, None] * profile.steering(offsets_hz)
    _, strengths, directions = np.linalg.svd(taps, full_matrices=False)
    kept = strengths**2 > NEGLIGIBLE * len(offsets_hz)
    mixing = strengths[kept, None] * directions[kept]
    of_real = np.concatenate((mixing.real, mixing.imag), axis=1)
    of_imaginary = np.concatenate((-mixing.imag, mixing.real), axis=1)
    return np.stack((of_real, of_imaginary), axis=1)


@in_place
def mix(processes: Complexes, mixing: Floats, rows: Floats) -> None:
    """`rows` (points, branches, 2 G): the real, then the imaginary parts of each branch's own processes, of
    `processes` (branches x each's, points), weighed by `mixing` (each's, 2, 2 G): of a real part, and of an imaginary
    one."""
    each = mixing.shape[0]
    for point in range(rows.shape[0]):
        for branch in range(rows.shape[1]):
            row = rows[point, branch]
            row[:] = 0.0
            for process in range(each):
                value = processes[branch * each + process, point]
                of_real, of_imaginary = mixing[process, 0], mixing[process, 1]
                for column in range(len(row)):
                    row[column] += value.real * of_real[column] + value.imag * of_imaginary[column]
