"""Which scalars of an activation are protected from loss, and what stands in for those that are lost."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Flags, Float32s, Ints

CONCEALMENTS = MappingProxyType(
    {
        "zero": "0",
        "mean": "the mean of the dimension over calibration data",
        "previous": "the same dimension of the last token before in which it arrived, 0 where there is none",
    }
)
MOST_DIMENSIONS = 64  # that can be protected: so many a file of calibrations names


class Calibration(NamedTuple):
    """What a receiver knows of an activation in advance: `means` of each dimension, shape (elements,), and the
    `energy_order` of at least MOST_DIMENSIONS dimensions, if there are as many, greatest mean square first."""

    means: Float32s
    energy_order: Ints


@dataclass(frozen=True)
class Protection:
    """The first `tokens` tokens and the `dimensions` dimensions of greatest energy never get lost: they ride on the
    acknowledged bearer."""

    tokens: int = 0
    dimensions: int = 0

    def flags(self, tokens: int, elements: int, calibration: Calibration | None) -> Flags:
        """Return which scalars of an activation are protected, shape (tokens, elements). Raises ValueError if
        dimensions are to be protected without a calibration that names them."""
        flags = np.zeros((tokens, elements), np.bool_)
        flags[: self.tokens] = True
        if self.dimensions:
            flags[:, _known(calibration, elements, "protection").energy_order[: self.dimensions]] = True
        return flags


def fill(values: Float32s, lost: Flags, concealment: str, calibration: Calibration | None) -> Float32s:
    """Return a copy of `values`, shape (tokens, elements), in which the lost scalars alone are replaced. Raises
    ValueError for an unknown concealment, or `mean` without a calibration."""
    if concealment not in CONCEALMENTS:
        raise ValueError(f"concealment={concealment}: must be one of {', '.join(CONCEALMENTS)}")
    if concealment == "zero":
        return np.where(lost, np.float32(0), values)
    if concealment == "mean":
        return np.where(lost, _known(calibration, values.shape[1], "concealment=mean").means, values)
    tokens = np.arange(len(values))[:, None]
    source = np.maximum.accumulate(np.where(lost, -1, tokens), axis=0)  # last token before with this dimension
    previous = np.take_along_axis(values, np.maximum(source, 0), axis=0)
    return np.where(source < 0, np.float32(0), previous)


def _known(calibration: Calibration | None, elements: int, what: str) -> Calibration:
    if calibration is None or len(calibration.means) != elements:
        raise ValueError(f"{what}: needs the calibration of this cut, made by `airsplit quality`")
    return calibration
