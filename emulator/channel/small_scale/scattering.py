"""Scattered waves as a complex Gaussian process over distance travelled, with the spectrum of Clarke and Jakes.

Waves of equal power from all directions in the plane add up to a Gaussian process with autocorrelation
J0(2 pi d / wavelength) at distance d (Clarke, "A statistical theory of mobile-radio reception", BSTJ 47, 1968; Jakes,
"Microwave Mobile Communications", 1974). It is generated in blocks on a grid. A block is a sum of spectral lines, each
an independent complex Gaussian with the power of the spectrum around it. Successive blocks overlap and are cross-faded
with weights whose squares sum to 1. So the process is exactly Gaussian with power 1 everywhere, and each block is
drawn from its own address, without a past. Its autocorrelation, averaged over places, is J0 to within 0.001 up to 5
wavelengths, 0.004 up to 20, and 0.02 at any distance.
"""

from collections.abc import Callable

import numpy as np
from scipy.fft import ifft

from emulator.core.arrays import Complexes, Floats

Draws = Callable[[int], np.random.Generator]
"""Returns the generator of a block by its index."""

POINTS_PER_WAVELENGTH = 4  # twice the Nyquist rate of the spectrum, whose width is 2 / wavelength
SEGMENT = 1024  # points from the start of a block to the start of the next: 256 wavelengths
FADE = 256  # points in the overlap of successive blocks
BLOCK = SEGMENT + FADE


def line_powers() -> Floats:
    """Return the powers of a block's spectral lines, from the lowest to the highest: the integral of Jakes' spectrum
    1 / (pi sqrt(1 - u^2)), -1 < u < 1 (u in 1 / wavelength), around each line; sum 1, shape (lines,)."""
    highest = BLOCK // POINTS_PER_WAVELENGTH  # the line at u = 1
    edges = np.clip((np.arange(-highest, highest + 2) - 0.5) / highest, -1, 1)
    powers: Floats = np.diff(np.arcsin(edges)) / np.pi
    return powers


def fade_in_weights() -> Floats:
    """Return the weights that fade a block in, smooth at both ends, shape (FADE,). The reversed weights fade the block
    before out; the squares of both sum to 1."""
    share = (np.arange(FADE) + 0.5) / FADE
    weights: Floats = np.sin(np.pi / 2 * np.sin(np.pi / 2 * share) ** 2)
    return weights


class Scattering:
    """`processes` independent processes of mean power 1, on a grid of `POINTS_PER_WAVELENGTH`.

    A segment is a pure function of its number and the draws: the block that starts with it, and the end of the block
    before. Each block is drawn once if the segments are requested in order.
    """

    def __init__(self, processes: int, draws: Draws):
        self._shape = (processes, BLOCK)
        self._draws = draws
        powers = line_powers()
        self._amplitudes = np.repeat(np.sqrt(powers / 2), 2)  # the same for a line's real and imaginary part
        self._fade_in = fade_in_weights()
        self._blocks: dict[int, Complexes] = {}

    def segment(self, number: int) -> Complexes:
        """Return the points from `number` * SEGMENT on, shape (processes, SEGMENT); `number` >= 0."""
        before = self._blocks
        self._blocks = {
            index: before[index] if index in before else self._block(index) for index in (number, number + 1)
        }
        points = self._blocks[number + 1][:, :SEGMENT].copy()
        points[:, :FADE] *= self._fade_in
        points[:, :FADE] += self._blocks[number][:, SEGMENT:] * self._fade_in[::-1]
        return points

    def _block(self, index: int) -> Complexes:
        draws = self._draws(index).standard_normal((self._shape[0], len(self._amplitudes)))
        draws *= self._amplitudes
        lines = draws.view(np.complex128)
        negative = lines.shape[1] // 2  # lines at negative frequencies, which are at the end of a transform
        spectrum = np.zeros(self._shape, dtype=np.complex128)
        spectrum[:, -negative:] = lines[:, :negative]
        spectrum[:, : negative + 1] = lines[:, negative:]
        block: Complexes = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)
        return block
