"""Codecs that send every scalar of an activation: as a floating-point number, or as an integer with a scale."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from emulator.activation.codec import Dense, Flags, TokenBytes, Values, any_missing, byte_rows

BF16_MAX = float(np.uint32(0x7F7F0000).view(np.float32))
INT8_LEVELS, INT4_LEVELS = 127, 7  # the largest integer of either sign
INT8_SCALE_MAX = np.nextafter(np.finfo(np.float32).max / np.float32(INT8_LEVELS), np.float32(0))  # times 127 is finite
INT4_SCALE_MAX = np.finfo(np.float16).max
INT4_GROUP = 32  # scalars that share a scale


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
        scales = _scales(np.abs(values).max(axis=1, keepdims=True), INT8_LEVELS, INT8_SCALE_MAX)
        return np.hstack([byte_rows(scales.astype("<f4")), byte_rows(_quantised(values, scales, INT8_LEVELS))])

    def _lost(self, missing: Flags, elements: int) -> Flags:
        return missing[:, 4:] | missing[:, :4].any(axis=1, keepdims=True)

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        scales = _checked_scales(rows[:, :4], "<f4")
        return _scaled(np.ascontiguousarray(rows[:, 4:]).view(np.int8), scales)


class Int4(Dense):
    """Symmetric integers of four bits with one float16 scale for each 32 consecutive scalars of a token: q =
    round(x / scale), scale = max |x| / 7 rounded up to a float16, so the error is at most scale / 2. Groups of values
    beyond 7 times the largest float16 saturate."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the scales, then two scalars a byte, the first in the lower half."""
        return 2 * _groups(elements) + -(-elements // 2)

    def side_bytes(self, elements: int) -> int:
        """Return the bytes of the scales."""
        return 2 * _groups(elements)

    def unit_bytes(self, elements: int) -> int:
        """Return 1: two scalars."""
        return 1

    def _encode(self, values: Values) -> TokenBytes:
        tokens, elements = values.shape
        groups = np.zeros((tokens, _groups(elements), INT4_GROUP), np.float32)
        groups.reshape(tokens, -1)[:, :elements] = values
        scales = _scales(np.abs(groups).max(axis=2), INT4_LEVELS, INT4_SCALE_MAX)
        levels = _quantised(groups, scales[:, :, np.newaxis], INT4_LEVELS).reshape(tokens, -1)
        halves = levels[:, : elements + elements % 2].astype(np.uint8) & np.uint8(0xF)
        return np.hstack([byte_rows(scales.astype("<f2")), halves[:, ::2] | halves[:, 1::2] << np.uint8(4)])

    def _lost(self, missing: Flags, elements: int) -> Flags:
        split = 2 * _groups(elements)
        scales = np.repeat(any_missing(missing[:, :split], _groups(elements)), INT4_GROUP, axis=1)
        return scales[:, :elements] | np.repeat(missing[:, split:], 2, axis=1)[:, :elements]

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        split = 2 * _groups(elements)
        scales, pairs = _checked_scales(rows[:, :split], "<f2"), rows[:, split:]
        levels = np.zeros((len(rows), _groups(elements) * INT4_GROUP), np.int8)
        levels[:, 0 : 2 * pairs.shape[1] : 2] = (pairs << np.uint8(4)).view(np.int8) >> 4  # the shift keeps the sign
        levels[:, 1 : 2 * pairs.shape[1] : 2] = pairs.view(np.int8) >> 4
        values = _scaled(levels.reshape(len(rows), -1, INT4_GROUP), scales[:, :, np.newaxis])
        return np.ascontiguousarray(values.reshape(len(rows), -1)[:, :elements])


def _groups(elements: int) -> int:
    return -(-elements // INT4_GROUP)


def _scales(peaks: Values, levels: int, largest: np.floating) -> NDArray[np.floating]:
    """Return the least scale with which integers up to `levels` reach each peak, at most `largest` and of its type."""
    exact = np.minimum(peaks.astype(np.float64) / levels, np.float64(largest))
    scales: NDArray[np.floating] = exact.astype(largest.dtype)
    return np.where(scales < exact, np.nextafter(scales, largest), scales)


def _quantised(values: Values, scales: NDArray[np.floating], levels: int) -> NDArray[np.int8]:
    """Return the nearest multiple of the scale of each value; 0 where the scale is 0."""
    divisors = np.where(scales > 0, scales, 1).astype(np.float32)
    quantised: NDArray[np.int8] = np.clip(np.rint(values / divisors), -levels, levels).astype(np.int8)
    return quantised


def _checked_scales(rows: TokenBytes, dtype: DTypeLike) -> Values:
    """Return the scales in a payload. Raises ValueError unless all are finite and none is negative."""
    scales = np.ascontiguousarray(rows).view(dtype).astype(np.float32)
    if not (np.isfinite(scales) & (scales >= 0)).all():
        raise ValueError("payload: scales must be finite and not negative")
    return scales


def _scaled(levels: NDArray[np.int8], scales: Values) -> Values:
    with np.errstate(over="ignore"):  # values that are not finite are refused
        return np.multiply(levels, scales, dtype=np.float32)
