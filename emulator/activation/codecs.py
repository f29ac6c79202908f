"""Encode an activation as the bytes that cross a link, and decode it.

An activation is a matrix of `tokens` rows and `elements` columns of float32; an image is one token. Every codec codes
each token by itself, in `token_bytes(elements)` bytes, little-endian: so its size is known before its values are, and a
lost part of one token harms no other. A decoder executes nothing and refuses a payload that is not an encoder's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import DTypeLike, NDArray

Values = NDArray[np.float32]  # (tokens, elements)
TokenBytes = NDArray[np.uint8]  # (tokens, token_bytes): the payload, a row for each token

FP16_MAX = float(np.finfo(np.float16).max)
BF16_MAX = float(np.uint32(0x7F7F0000).view(np.float32))
INT8_LEVELS, INT4_LEVELS = 127, 7  # the largest integer of either sign
INT8_SCALE_MAX = np.nextafter(np.finfo(np.float32).max / np.float32(INT8_LEVELS), np.float32(0))  # times 127 is finite
INT4_SCALE_MAX = np.finfo(np.float16).max
INT4_GROUP = 32  # scalars that share a scale
OUTLIERS = 100  # one scalar in so many is kept apart


class Codec(ABC):
    """A way to encode activations."""

    @abstractmethod
    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token of `elements` scalars."""

    @abstractmethod
    def _encode(self, values: Values) -> TokenBytes:
        """Return the encoded tokens; the values are finite and the matrix has elements."""

    @abstractmethod
    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        """Return the values of encoded tokens. May raise ValueError, and may return values that are not finite."""

    def size_bytes(self, elements: int, tokens: int) -> int:
        """Return the exact size of an encoded activation of `tokens` tokens of `elements` scalars each."""
        return tokens * self.token_bytes(elements)

    def encode(self, values: Values) -> bytes:
        """Return the payload of an activation of shape (tokens, elements). Raises ValueError for another number of
        dimensions, without elements, and for values that are not finite."""
        if values.ndim != 2 or not values.size:
            raise ValueError(f"values: shape={values.shape}: must be (tokens, elements), both at least 1")
        if not np.isfinite(values).all():
            raise ValueError("values: must be finite")
        return self._encode(np.ascontiguousarray(values, np.float32)).tobytes()

    def decode(self, payload: bytes | bytearray | memoryview, shape: tuple[int, int]) -> Values:
        """Return the activation of shape (tokens, elements) that a payload holds. Raises ValueError unless the size is
        that of the shape, and every value, scale and index of the payload is one that an encoder may write."""
        tokens, elements = shape
        if tokens < 1 or elements < 1:
            raise ValueError(f"payload: shape={shape}: must be (tokens, elements), both at least 1")
        if len(payload) != self.size_bytes(elements, tokens):
            size_bytes = self.size_bytes(elements, tokens)
            raise ValueError(f"payload: {len(payload)} bytes: must be {size_bytes} for shape {shape}")
        rows = np.frombuffer(payload, np.uint8).reshape(tokens, -1)
        values = self._decode(rows, elements)
        if not np.isfinite(values).all():
            raise ValueError("payload: values must be finite")
        return values


@dataclass(frozen=True)
class Float(Codec):
    """IEEE 754 numbers of `dtype`, rounded to the nearest; values beyond its range saturate."""

    dtype: np.dtype[np.float16] | np.dtype[np.float32]

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return elements * self.dtype.itemsize

    def _encode(self, values: Values) -> TokenBytes:
        largest = np.finfo(self.dtype).max
        return _rows(np.clip(values, -largest, largest).astype(self.dtype))

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        return rows.view(self.dtype).astype(np.float32)


class Bfloat16(Codec):
    """The upper half of a float32, rounded to the nearest, ties to even; values beyond its range saturate."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return 2 * elements

    def _encode(self, values: Values) -> TokenBytes:
        bits = np.clip(values, -BF16_MAX, BF16_MAX).view(np.uint32)
        rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        return _rows(rounded.astype("<u2"))

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        return (rows.view("<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)


class Int8(Codec):
    """Symmetric integers with one float32 scale a token: q = round(x / scale), scale = max |x| / 127, so the error is
    at most scale / 2."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the scale, then a byte for each scalar."""
        return 4 + elements

    def _encode(self, values: Values) -> TokenBytes:
        scales = _scales(np.abs(values).max(axis=1, keepdims=True), INT8_LEVELS, INT8_SCALE_MAX)
        return np.hstack([_rows(scales.astype("<f4")), _rows(_quantised(values, scales, INT8_LEVELS))])

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        scales = _checked_scales(rows[:, :4], "<f4")
        return _scaled(np.ascontiguousarray(rows[:, 4:]).view(np.int8), scales)


class Int4(Codec):
    """Symmetric integers of four bits with one float16 scale for each 32 consecutive scalars of a token: q =
    round(x / scale), scale = max |x| / 7 rounded up to a float16, so the error is at most scale / 2. Groups of values
    beyond 7 times the largest float16 saturate."""

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the scales, then two scalars a byte, the first in the lower half."""
        return 2 * _groups(elements) + -(-elements // 2)

    def _encode(self, values: Values) -> TokenBytes:
        tokens, elements = values.shape
        groups = np.zeros((tokens, _groups(elements), INT4_GROUP), np.float32)
        groups.reshape(tokens, -1)[:, :elements] = values
        scales = _scales(np.abs(groups).max(axis=2), INT4_LEVELS, INT4_SCALE_MAX)
        levels = _quantised(groups, scales[:, :, np.newaxis], INT4_LEVELS).reshape(tokens, -1)
        halves = levels[:, : elements + elements % 2].astype(np.uint8) & np.uint8(0xF)
        return np.hstack([_rows(scales.astype("<f2")), halves[:, ::2] | halves[:, 1::2] << np.uint8(4)])

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        split = 2 * _groups(elements)
        scales, pairs = _checked_scales(rows[:, :split], "<f2"), rows[:, split:]
        levels = np.zeros((len(rows), _groups(elements) * INT4_GROUP), np.int8)
        levels[:, 0 : 2 * pairs.shape[1] : 2] = (pairs << np.uint8(4)).view(np.int8) >> 4  # the shift keeps the sign
        levels[:, 1 : 2 * pairs.shape[1] : 2] = pairs.view(np.int8) >> 4
        values = _scaled(levels.reshape(len(rows), -1, INT4_GROUP), scales[:, :, np.newaxis])
        return np.ascontiguousarray(values.reshape(len(rows), -1)[:, :elements])


@dataclass(frozen=True)
class TopK(Codec):
    """Of each token only one scalar in `one_in`, the largest in magnitude: pairs of an index (16 bits, or 32 where a
    token has more than 65,536 scalars) and a float16, in order of the indices. All others are decoded as 0."""

    one_in: int

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return self.kept(elements) * _pair(elements).itemsize

    def kept(self, elements: int) -> int:
        """Return how many of a token's scalars are sent."""
        return -(-elements // self.one_in)

    def _encode(self, values: Values) -> TokenBytes:
        return self.encode_largest(values, _largest(values, self.kept(values.shape[1])))

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        values = np.zeros((len(rows), elements), np.float32)
        self.decode_into(values, rows)
        return values

    def encode_largest(self, values: Values, largest: NDArray[np.bool_]) -> TokenBytes:
        """Return the pairs of the scalars that `largest` marks: the same number in each token."""
        tokens, elements = values.shape
        pairs = np.empty((tokens, self.kept(elements)), _pair(elements))
        pairs["index"] = np.nonzero(largest)[1].reshape(pairs.shape)
        pairs["value"] = np.clip(values[largest], -FP16_MAX, FP16_MAX).reshape(pairs.shape)
        return _rows(pairs)

    def decode_into(self, values: Values, rows: TokenBytes) -> None:
        """Set the scalars that the pairs name. Raises ValueError unless the indices of each token ascend and are those
        of scalars."""
        elements = values.shape[1]
        pairs = np.ascontiguousarray(rows).view(_pair(elements))
        indices = pairs["index"].astype(np.int64)
        if indices[:, -1].max() >= elements or not (np.diff(indices, axis=1) > 0).all():
            raise ValueError(f"payload: indices must ascend and be below {elements}")
        np.put_along_axis(values, indices, pairs["value"].astype(np.float32), axis=1)


@dataclass(frozen=True)
class WithOutliers(Codec):
    """One scalar in 100 of each token, the largest in magnitude, apart as pairs (`TopK`); the rest by `base`, whose
    scales they would spoil, with zeros in their place."""

    base: Codec
    outliers: TopK = TopK(OUTLIERS)

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the pairs, then the rest."""
        return self.outliers.token_bytes(elements) + self.base.token_bytes(elements)

    def _encode(self, values: Values) -> TokenBytes:
        largest = _largest(values, self.outliers.kept(values.shape[1]))
        rest = self.base._encode(np.where(largest, np.float32(0), values))
        return np.hstack([self.outliers.encode_largest(values, largest), rest])

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        split = self.outliers.token_bytes(elements)
        values = self.base._decode(np.ascontiguousarray(rows[:, split:]), elements)
        self.outliers.decode_into(values, rows[:, :split])
        return values


# The position of a codec is its number in messages: new ones go to the end.
CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "fp32": Float(np.dtype("<f4")),
        "fp16": Float(np.dtype("<f2")),
        "int8": Int8(),
        "bf16": Bfloat16(),
        "int4": Int4(),
        "topk10": TopK(10),
        "int8+outliers": WithOutliers(Int8()),
        "int4+outliers": WithOutliers(Int4()),
    }
)


def codec(name: str) -> Codec:
    """Return the codec of a name. Raises ValueError for a name that is none's."""
    if name not in CODECS:
        raise ValueError(f"codec={name}: must be one of {', '.join(CODECS)}")
    return CODECS[name]


def _rows(array: NDArray[np.generic]) -> TokenBytes:
    """Return the bytes of each row of an array."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)


def _groups(elements: int) -> int:
    return -(-elements // INT4_GROUP)


def _pair(elements: int) -> np.dtype[np.void]:
    """Return the type of a scalar sent with its index."""
    return np.dtype([("index", "<u2" if elements <= 65_536 else "<u4"), ("value", "<f2")])


def _largest(values: Values, count: int) -> NDArray[np.bool_]:
    """Return which `count` scalars of each row are the largest in magnitude; of equal ones the first."""
    magnitudes = np.abs(values)
    least = np.partition(magnitudes, -count, axis=1)[:, -count, np.newaxis]
    largest: NDArray[np.bool_] = magnitudes >= least
    if np.count_nonzero(largest) > count * len(values):
        above, equal = magnitudes > least, magnitudes == least
        largest = above | (equal & (np.cumsum(equal, axis=1) <= count - above.sum(axis=1, keepdims=True)))
    return largest


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
