"""Codecs that send every scalar of an activation: as a floating-point number, or as an integer with a scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emulator.activation.codec import Dense, Flags, TokenBytes, Values, any_missing, byte_rows

BF16_MAX = float(np.uint32(0x7F7F0000).view(np.float32))
INT8_LEVELS = 127  # the largest integer of either sign
INT8_SCALE_MAX = np.nextafter(np.finfo(np.float32).max / np.float32(INT8_LEVELS), np.float32(0))  # times 127 is finite
INT4_MIN, INT4_LEVELS = -8, 7  # the least and the largest integer
INT4_GROUP = 16  # scalars that are mixed and share a scale
INT4_SCALE_CODES = 0xF7  # the largest code of a scale, which stands for 61,440
INT4_MAX = 61_440.0 * INT4_LEVELS / INT4_GROUP**0.5  # sixteen of them are mixed to at most 7 times the largest scale
INT4_CANDIDATES = (1, 0, -1, -2, -3, -4)  # codes of scales from that of the largest scalar, down to 0.6 of it


@dataclass(frozen=True)
class Float(Dense):
    """IEEE 754 numbers of `dtype`, rounded to the nearest; values beyond its range saturate."""

    dtype: np.dtype[np.float16] | np.dtype[np.float32]

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return elements * self.dtype.itemsize

    def side_bytes(self, elements: int) -> int:
        """Return 0: there are no scales."""
        return 0

    def unit_bytes(self, elements: int) -> int:
        """Return the bytes of a number."""
        return self.dtype.itemsize

    def _encode(self, values: Values) -> TokenBytes:
        largest = np.finfo(self.dtype).max
        return byte_rows(np.clip(values, -largest, largest).astype(self.dtype))

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        return rows.view(self.dtype).astype(np.float32)

    def _lost(self, missing: Flags, elements: int) -> Flags:
        return any_missing(missing, elements)


class Bfloat16(Dense):
    """The upper half of a float32, rounded to the nearest, ties to even; values beyond its range saturate."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return 2 * elements

    def side_bytes(self, elements: int) -> int:
        """Return 0: there are no scales."""
        return 0

    def unit_bytes(self, elements: int) -> int:
        """Return the bytes of a number."""
        return 2

    def _encode(self, values: Values) -> TokenBytes:
        bits = np.clip(values, -BF16_MAX, BF16_MAX).view(np.uint32)
        rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        return byte_rows(rounded.astype("<u2"))

    def _lost(self, missing: Flags, elements: int) -> Flags:
        return any_missing(missing, elements)

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        return (rows.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


class Int8(Dense):
    """Symmetric integers with one float32 scale a token: q = round(x / scale), scale = max |x| / 127, so the error is
    at most scale / 2."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the scale, then a byte for each scalar."""
        return 4 + elements

    def side_bytes(self, elements: int) -> int:
        """Return the bytes of the scale."""
        return 4

    def unit_bytes(self, elements: int) -> int:
        """Return 1: a scalar."""
        return 1

    def _encode(self, values: Values) -> TokenBytes:
        scales = _int8_scales(np.abs(values).max(axis=1, keepdims=True))
        levels = _multiples(values, scales, -INT8_LEVELS, INT8_LEVELS).astype(np.int8)
        return np.hstack([byte_rows(scales.astype("<f4")), byte_rows(levels)])

    def _lost(self, missing: Flags, elements: int) -> Flags:
        return missing[:, 4:] | missing[:, :4].any(axis=1, keepdims=True)

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        scales = _checked_scales(rows[:, :4])
        return _scaled(np.ascontiguousarray(rows[:, 4:]).view(np.int8), scales)


class Int4(Dense):
    """Integers of four bits for each 16 consecutive scalars of a token, mixed so that a large one spoils no other: a
    Walsh-Hadamard transform divided by 4, its own inverse (as Ashkboos et al., "QuaRot", arXiv 2404.00456, 2024, do
    with weights and activations). q = round(y / scale), between -8 and 7, of the mixed scalars y.

    A group has one scale of eight bits, a float16 without its sign and its last seven bits: the one with the least
    squared error, so that the root mean square error of a group is at most half of max |y| / 7, the scale rounded up.
    Values beyond 107,520 saturate.
    """

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the scales, then two mixed scalars a byte, the first in the lower half."""
        return _groups(elements) * (1 + INT4_GROUP // 2)

    def side_bytes(self, elements: int) -> int:
        """Return the bytes of the scales."""
        return _groups(elements)

    def unit_bytes(self, elements: int) -> int:
        """Return the bytes of a group."""
        return INT4_GROUP // 2

    def unit_scalars(self, elements: int) -> int:
        """Return the scalars of a group."""
        return INT4_GROUP

    def _encode(self, values: Values) -> TokenBytes:
        tokens, elements = values.shape
        padded = np.zeros((tokens, _groups(elements) * INT4_GROUP), np.float32)
        padded[:, :elements] = np.clip(values, -INT4_MAX, INT4_MAX)
        codes, levels = _least_squares(_mixed(padded.reshape(-1, INT4_GROUP).T))
        halves = levels.T.reshape(tokens, -1).astype(np.int8).view(np.uint8) & np.uint8(0xF)
        return np.hstack([codes.reshape(tokens, -1), halves[:, ::2] | halves[:, 1::2] << np.uint8(4)])

    def _lost(self, missing: Flags, elements: int) -> Flags:
        groups = _groups(elements)
        lost = missing[:, :groups] | any_missing(missing[:, groups:], groups)
        return np.repeat(lost, INT4_GROUP, axis=1)[:, :elements]

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        groups = _groups(elements)
        codes, pairs = rows[:, :groups], rows[:, groups:]
        if (codes > INT4_SCALE_CODES).any():
            raise ValueError("payload: scales must be finite")
        levels = np.empty((len(rows), 2 * pairs.shape[1]), np.int8)
        levels[:, ::2] = (pairs << np.uint8(4)).view(np.int8) >> 4  # the shift keeps the sign
        levels[:, 1::2] = pairs.view(np.int8) >> 4
        values = _mixed(levels.reshape(-1, INT4_GROUP).T * _scale_of(codes.reshape(-1)))
        return np.ascontiguousarray(values.T.reshape(len(rows), -1)[:, :elements])


def _groups(elements: int) -> int:
    return -(-elements // INT4_GROUP)


def _mixed(columns: Values) -> Values:
    """Return the Walsh-Hadamard transform (in Sylvester's order) of each column of 16 values, divided by 4."""
    mixed = np.ascontiguousarray(columns, np.float32)
    for half in (1, 2, 4, 8):
        pairs = mixed.reshape(-1, 2, half, mixed.shape[1])
        first, second = pairs[:, 0], pairs[:, 1]
        mixed = np.stack([first + second, first - second], axis=1).reshape(columns.shape)
    return mixed / np.float32(INT4_GROUP**0.5)


def _scale_of(codes: NDArray[np.uint8]) -> Values:
    """Return the scales of codes: float16 numbers by the eight bits after their sign."""
    return (codes.astype(np.uint16) << np.uint16(7)).view(np.float16).astype(np.float32)


def _least_squares(columns: Values) -> tuple[NDArray[np.uint8], Values]:
    """Return for each column of 16 values the code of the scale with the least squared error, shape (columns,), and the
    whole numbers with that scale, shape (16, columns)."""
    peaks = np.abs(columns).max(axis=0) / np.float32(INT4_LEVELS)
    nearest = (peaks.astype(np.float16).view(np.uint16) >> np.uint16(7)).astype(np.int64)
    best, least = np.zeros(len(peaks), np.uint8), np.full(len(peaks), np.inf, np.float32)
    for step in INT4_CANDIDATES:
        codes = np.clip(nearest + step, 0, INT4_SCALE_CODES).astype(np.uint8)
        scales = _scale_of(codes)
        errors = np.square(_multiples(columns, scales, INT4_MIN, INT4_LEVELS) * scales - columns).sum(axis=0)
        best, least = np.where(errors < least, codes, best), np.minimum(errors, least)
    return best, _multiples(columns, _scale_of(best), INT4_MIN, INT4_LEVELS)


def _int8_scales(peaks: Values) -> Values:
    """Return the least scale with which integers up to 127 reach each peak, at most INT8_SCALE_MAX."""
    exact = np.minimum(peaks.astype(np.float64) / INT8_LEVELS, np.float64(INT8_SCALE_MAX))
    scales = exact.astype(np.float32)
    return np.where(scales < exact, np.nextafter(scales, INT8_SCALE_MAX), scales)


def _multiples(values: Values, scales: Values, least: int, most: int) -> Values:
    """Return the nearest multiple of the scale of each value, from `least` to `most`; 0 where the scale is 0."""
    multiples: Values = np.rint(values / np.where(scales > 0, scales, np.float32(1)))
    return np.clip(multiples, least, most, out=multiples)


def _checked_scales(rows: TokenBytes) -> Values:
    """Return the float32 scales in a payload. Raises ValueError unless all are finite and none is negative."""
    scales = np.ascontiguousarray(rows).view("<f4").astype(np.float32)
    if not (np.isfinite(scales) & (scales >= 0)).all():
        raise ValueError("payload: scales must be finite and not negative")
    return scales


def _scaled(levels: NDArray[np.int8], scales: Values) -> Values:
    with np.errstate(over="ignore"):  # values that are not finite are refused
        return np.multiply(levels, scales, dtype=np.float32)
