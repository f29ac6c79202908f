"""Gains of a multipath link at several frequencies, as a process over distance travelled.

All scattered taps have Jakes' spectrum, so the responses at G frequencies are G Gaussian processes with the same
spectrum; the delay profile gives their covariance. They are mixed from independent processes, one for each significant
eigenvalue of the covariance (at most the smaller of G and the number of taps).
"""

from collections.abc import Iterator

import numpy as np

from emulator.channel.small_scale.delay_profile import DelayProfile
from emulator.channel.small_scale.interpolation import POINTS, powers_between, values_between, weight_table
from emulator.channel.small_scale.scattering import POINTS_PER_WAVELENGTH, SEGMENT, Draws, Scattering
from emulator.core.arrays import Complexes, Floats
from emulator.core.compiled import entry_point

LOS_DOPPLER = 0.7  # Doppler shift of the line-of-sight path over the maximum shift (TR 38.901 7.7.2)
NEGLIGIBLE = 1e-8  # processes with a smaller share of the power are left out


class Multipath:
    """|H|^2 at frequency offsets `offsets_hz`, shape (G,), summed over receive antennas (`branches`) with independent
    fading: over all of them for one layer (maximum-ratio combining), over N - r + 1 for each of r layers (zero forcing:
    Winters, Salz, Gitlin, "The impact of antenna diversity on the capacity of wireless communication systems", IEEE
    Trans. Commun. 42, 1994). The mean is their number.

    Gains are a pure function of distance, however the distances are split into calls. Memory is constant; computing
    time depends on the number of distances and of segments that contain them. `draws` returns the generator of a block
    of scattered waves by its index.
    """

    def __init__(self, profile: DelayProfile, wavelength_m: float, offsets_hz: Floats, branches: int, draws: Draws):
        self._points_per_m = POINTS_PER_WAVELENGTH / wavelength_m
        self._mixing = _mixing(profile, offsets_hz)
        self._scattering = Scattering(branches * len(self._mixing), draws)
        self._line_of_sight = np.sqrt(profile.los_power) * profile.steering(offsets_hz)[0]
        self._weights = weight_table(POINTS_PER_WAVELENGTH)
        self._branches, self._frequencies = branches, len(offsets_hz)
        self._number = -2  # the segment in `_rows`, after the last points of the segment before
        self._rows = np.zeros((POINTS - 1 + SEGMENT, 2 * branches * len(offsets_hz)))

    def gains(self, travelled_m: Floats) -> Floats:
        """Return the power gains of one layer at distances, nondecreasing within a call, shape (places, G).

        Raises ValueError if distances decrease or are negative.
        """
        return self.layer_gains(travelled_m, 1)[:, 0]

    def layer_gains(self, travelled_m: Floats, ranks: int) -> Floats:
        """Return the power gains of a layer for ranks 1 to `ranks`, at most the number of branches, shape (places,
        ranks, G). Raises as `gains` does."""
        powers = np.empty((len(travelled_m), ranks, self._frequencies))
        values = np.empty(self._rows.shape[1])
        for part, places in self._parts(travelled_m):
            powers_between(self._rows, places, self._weights, self._branches, values, powers[part])
        return powers

    def responses(self, travelled_m: Floats) -> Complexes:
        """Return the complex gains of each branch, shape (places, branches, G). Raises as `gains` does."""
        values = np.empty((len(travelled_m), self._rows.shape[1]))
        for part, places in self._parts(travelled_m):
            values_between(self._rows, places, self._weights, values[part])
        real_imaginary = values.reshape(-1, self._branches, 2, self._frequencies)
        together: Complexes = real_imaginary[:, :, 0] + 1j * real_imaginary[:, :, 1]
        return together

    def _parts(self, travelled_m: Floats) -> Iterator[tuple[slice, Floats]]:
        """Yield, for each segment that contains places, their slice and their positions in `_rows`, after filling
        `_rows` with the segment."""
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
        """Fill `_rows` with a segment and the points just before it."""
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
        if self._line_of_sight.any():
            self._add_line_of_sight(number, rows)

    def _add_line_of_sight(self, number: int, rows: Floats) -> None:
        """Add the line-of-sight path: a phasor that rotates with distance. It can be the same for all branches, because
        the phase of the scattered waves is uniform."""
        points = np.arange(number * SEGMENT, (number + 1) * SEGMENT)
        responses = np.exp(2j * np.pi * LOS_DOPPLER / POINTS_PER_WAVELENGTH * points)[:, None] * self._line_of_sight
        rows += np.tile(np.concatenate((responses.real, responses.imag), axis=1), self._branches)


def _mixing(profile: DelayProfile, offsets_hz: Floats) -> Floats:
    """Return the weights of the real and the imaginary part of each independent process in the real, then imaginary
    parts at the frequencies, shape (processes, 2, 2 G). The mixture has the covariance of the taps, without processes
    below `NEGLIGIBLE`."""
    taps = np.sqrt(profile.powers)[:, None] * profile.steering(offsets_hz)
    _, strengths, directions = np.linalg.svd(taps, full_matrices=False)
    kept = strengths**2 > NEGLIGIBLE * len(offsets_hz)
    mixing = strengths[kept, None] * directions[kept]
    of_real = np.concatenate((mixing.real, mixing.imag), axis=1)
    of_imaginary = np.concatenate((-mixing.imag, mixing.real), axis=1)
    return np.stack((of_real, of_imaginary), axis=1)


@entry_point
def mix(processes: Complexes, mixing: Floats, rows: Floats) -> None:
    """Mix `processes` (branches x processes of a branch, points) with the weights `mixing` (processes of a branch, 2,
    2 G) into `rows` (points, branches, 2 G), the real, then the imaginary parts at G frequencies."""
    each = mixing.shape[0]
    for branch in range(rows.shape[1]):
        for point in range(rows.shape[0]):
            row = rows[point, branch]
            row[:] = 0.0
            for process in range(each):
                value = processes[branch * each + process, point]
                real, imaginary = value.real, value.imag
                for column in range(len(row)):  # no slice of `mixing`: the compiler vectorises what it sees whole
                    row[column] += real * mixing[process, 0, column] + imaginary * mixing[process, 1, column]
