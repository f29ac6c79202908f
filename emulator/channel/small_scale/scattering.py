"""Scattered waves as a process over the way travelled: complex Gaussian, with the spectrum of Clarke and Jakes.

Waves of equal strength from all sides of the plane add up to a Gaussian process whose autocorrelation over the
distance d is J0(2 pi d / wavelength) (Clarke, "A statistical theory of mobile-radio reception", BSTJ 47, 1968;
Jakes, "Microwave Mobile Communications", 1974). It is made in blocks on a grid of the way. A block is a sum of
spectral lines, each an independent complex Gaussian of the power that the spectrum has around it; where one block
ends and the next begins, the two are faded with weights whose squares sum to 1. So the process is exactly Gaussian of
power 1 everywhere, needs no past, and a block is drawn from its own address. Its autocorrelation is J0 to within
0.001 up to 5 wavelengths, 0.004 up to 20 and 0.02 at any distance, averaged over the places.
"""

from collections.abc import Callable

import numpy as np
from scipy.fft import ifft

from emulator.core.arrays import Complexes, Floats

Draws = Callable[[int], np.random.Generator]
"""The generator of each block, by its index."""

POINTS_PER_WAVELENGTH = 4  # twice what the spectrum's width of 2 / wavelength needs
SEGMENT = 1024  # points from the start of a block to that of the next: 256 wavelengths
FADE = 256  # points that a block shares with the next
BLOCK = SEGMENT + FADE


def line_powers() -> Floats:
    """Jakes' spectrum, 1 / (pi sqrt(1 - u^2)) over -1 < u < 1 (u in 1 / wavelength), integrated over the reach of
    each line of a block; sum 1, shape (lines,), from the lowest line to the highest."""
    highest = BLOCK // POINTS_PER_WAVELENGTH  # the line at u = 1
    edges = np.clip((np.arange(-highest, highest + 2) - 0.5) / highest, -1, 1)
    powers: Floats = np.diff(np.arcsin(edges)) / np.pi
    return powers


def rising() -> Floats:
    """Weights with which a block fades in: smooth at both ends, and together with those with which the block before
    fades out (the same, backwards) their squares sum to 1; shape (FADE,)."""
    share = (np.arange(FADE) + 0.5) / FADE
    weights: Floats = np.sin(np.pi / 2 * np.sin(np.pi / 2 * share) ** 2)
    return weights


class Scattering:
    """`processes` independent processes of mean power 1, on a grid of `POINTS_PER_WAVELENGTH`.

    A segment is a pure function of its number and the draws: the block that starts with it, and the end of the block
    before. Asking for them in order makes each block once.
    """

    def __init__(self, processes: int, draws: Draws):
        self._shape = (processes, BLOCK)
        self._draws = draws
        powers = line_powers()
        self._amplitudes = np.repeat(np.sqrt(powers / 2), 2)  # the same for a line's real and imaginary part
        self._rising = rising()
        self._blocks: dict[int, Complexes] = {}

    def segment(self, number: int) -> Complexes:
        """Points `number` * SEGMENT and on, shape (processes, SEGMENT); `number` from 0."""
        before = self._blocks
        self._blocks = {
            index: before[index] if index in before else self._block(index) for index in (number, number + 1)
        }
        points = self._blocks[number + 1][:, :SEGMENT].copy()
        points[:, :FADE] *= self._rising
        points[:, :FADE] += self._blocks[number][:, SEGMENT:] * self._rising[::-1]
        return points

    def _block(self, index: int) -> Complexes:
        draws = self._draws(index).standard_normal((self._shape[0], len(self._amplitudes)))
        draws *= self._amplitudes
        lines = draws.view(np.complex128)
        negative = lines.shape[1] // 2  # lines under 0: a transform has them at its end
        spectrum = np.zeros(self._shape, dtype=np.complex128)
        spectrum[:, -negative:] = lines[:, :negative]
        spectrum[:, : negative + 1] = lines[:, negative:]
        block: Complexes = ifft(spectrum, axis=1, norm="forward", overwrite_x=True)
        return block
