"""Codecs that send the scalars of greatest magnitude with their indices: them alone, or apart from the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emulator.activation.codec import FP16_MAX, Codec, Flags, TokenBytes, Values, any_missing, byte_rows

OUTLIERS = 100  # one scalar in so many is kept apart


@dataclass(frozen=True)
class TopK(Codec):
    """Of each token only one scalar in `one_in`, the largest in magnitude: pairs of an index (16 bits, or 32 where a
    token has more than 65,536 scalars) and a float16, in order of the indices. All others are decoded as 0."""

    one_in: int

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token."""
        return self.kept(elements) * _pair(elements).itemsize

    def side_bytes(self, elements: int) -> int:
        """Return 0: each pair can be decoded by itself."""
        return 0

    def unit_bytes(self, elements: int) -> int:
        """Return the bytes of a pair."""
        return _pair(elements).itemsize

    def kept(self, elements: int) -> int:
        """Return how many of a token's scalars are sent."""
        return -(-elements // self.one_in)

    def _encode(self, values: Values) -> TokenBytes:
        return self.encode_largest(values, _largest(values, self.kept(values.shape[1])))

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        values = np.zeros((len(rows), elements), np.float32)
        self.decode_into(values, rows, np.zeros(rows.shape, np.bool_))
        return values

    def _received(self, rows: TokenBytes, missing: Flags, elements: int) -> tuple[Values, Flags]:
        values = np.zeros((len(rows), elements), np.float32)
        found = self.decode_into(values, rows, missing)
        return values, np.repeat(~found.any(axis=1, keepdims=True), elements, axis=1)

    def encode_largest(self, values: Values, largest: NDArray[np.bool_]) -> TokenBytes:
        """Return the pairs of the scalars that `largest` marks: the same number in each token."""
        tokens, elements = values.shape
        pairs = np.empty((tokens, self.kept(elements)), _pair(elements))
        pairs["index"] = np.nonzero(largest)[1].reshape(pairs.shape)
        pairs["value"] = np.clip(values[largest], -FP16_MAX, FP16_MAX).reshape(pairs.shape)
        return byte_rows(pairs)

    def decode_into(self, values: Values, rows: TokenBytes, missing: Flags) -> Flags:
        """Set the scalars that the pairs name, of which none may be missing in part; return which were set. Raises
        ValueError unless the indices of each token ascend and are those of scalars."""
        elements = values.shape[1]
        pairs = np.ascontiguousarray(rows).view(_pair(elements))
        whole = ~any_missing(missing, pairs.shape[1])
        tokens, _ = np.nonzero(whole)
        indices = pairs["index"][whole].astype(np.int64)
        same_token = tokens[1:] == tokens[:-1]
        if indices.max(initial=0) >= elements or (np.diff(indices) <= 0)[same_token].any():
            raise ValueError(f"payload: indices must ascend and be below {elements}")
        values[tokens, indices] = pairs["value"][whole]
        found = np.zeros(values.shape, np.bool_)
        found[tokens, indices] = True
        return found


@dataclass(frozen=True)
class WithOutliers(Codec):
    """One scalar in 100 of each token, the largest in magnitude, apart as pairs (`TopK`); the rest by `base`, whose
    scales they would spoil, with zeros in their place."""

    base: Codec
    outliers: TopK = TopK(OUTLIERS)

    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token: the pairs, then the rest."""
        return self.outliers.token_bytes(elements) + self.base.token_bytes(elements)

    def side_bytes(self, elements: int) -> int:
        """Return the bytes of the pairs, without which scalars of greatest magnitude would be zeros, and of the scales
        of the rest."""
        return self.outliers.token_bytes(elements) + self.base.side_bytes(elements)

    def unit_bytes(self, elements: int) -> int:
        """Return that of the rest."""
        return self.base.unit_bytes(elements)

    def unit_scalars(self, elements: int) -> int:
        """Return that of the rest."""
        return self.base.unit_scalars(elements)

    def _encode(self, values: Values) -> TokenBytes:
        largest = _largest(values, self.outliers.kept(values.shape[1]))
        rest = self.base._encode(np.where(largest, np.float32(0), values))
        return np.hstack([self.outliers.encode_largest(values, largest), rest])

    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        split = self.outliers.token_bytes(elements)
        values = self.base._decode(np.ascontiguousarray(rows[:, split:]), elements)
        self.outliers.decode_into(values, rows[:, :split], np.zeros((len(rows), split), np.bool_))
        return values

    def _received(self, rows: TokenBytes, missing: Flags, elements: int) -> tuple[Values, Flags]:
        split = self.outliers.token_bytes(elements)
        values, lost = self.base._received(np.ascontiguousarray(rows[:, split:]), missing[:, split:], elements)
        found = self.outliers.decode_into(values, rows[:, :split], missing[:, :split])
        return values, lost & ~found


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
