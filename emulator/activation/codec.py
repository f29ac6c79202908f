"""Encode an activation as the bytes that cross a link, and decode it.

An activation is a matrix of `tokens` rows and `elements` columns of float32; an image is one token. Every codec codes
each token by itself, in `token_bytes(elements)` bytes, little-endian: so its size is known before its values are, and a
lost part of one token harms no other. A decoder executes nothing and refuses a payload that is not an encoder's.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

Payload = bytes | bytearray | memoryview
Values = NDArray[np.float32]  # (tokens, elements)
Flags = NDArray[np.bool_]
TokenBytes = NDArray[np.uint8]  # (tokens, token_bytes): the payload, a row for each token

FP16_MAX = float(np.finfo(np.float16).max)


class Codec(ABC):
    """A way to encode activations."""

    @abstractmethod
    def token_bytes(self, elements: int) -> int:
        """Return the bytes of one token of `elements` scalars."""

    @abstractmethod
    def side_bytes(self, elements: int) -> int:
        """Return how many of a token's bytes, its first, are needed to decode any of the others."""

    @abstractmethod
    def unit_bytes(self, elements: int) -> int:
        """Return how many consecutive bytes after the side information can only be decoded together."""

    def unit_scalars(self, elements: int) -> int:
        """Return how many consecutive scalars share such bytes."""
        units = (self.token_bytes(elements) - self.side_bytes(elements)) // self.unit_bytes(elements)
        return -(-elements // units)

    @abstractmethod
    def _encode(self, values: Values) -> TokenBytes:
        """Return the encoded tokens; the values are finite and the matrix has elements."""

    @abstractmethod
    def _decode(self, rows: TokenBytes, elements: int) -> Values:
        """Return the values of encoded tokens. May raise ValueError, and may return values that are not finite."""

    @abstractmethod
    def _received(self, rows: TokenBytes, missing: Flags, elements: int) -> tuple[Values, Flags]:
        """Return the values of encoded tokens of which some bytes are `missing` and zero, and which scalars are lost.
        May raise ValueError, and may return values that are not finite."""

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

    def decode(self, payload: Payload, shape: tuple[int, int]) -> Values:
        """Return the activation of shape (tokens, elements) that a payload holds. Raises ValueError unless the size is
        that of the shape, and every value, scale and index of the payload is one that an encoder may write."""
        return _finite(self._decode(self._rows_of(payload, shape), shape[1]))

    def decode_received(self, payload: Payload, arrived: Flags, shape: tuple[int, int]) -> tuple[Values, Flags]:
        """Return the activation that is left of a payload of which only some bytes have `arrived`, and which of its
        scalars are lost, both of shape (tokens, elements). Lost scalars are 0. A scalar is lost with any of its bytes
        and with its scale. Which scalars a lost pair held is not known (`TopK`): they count as ones that were not sent,
        unless no pair of the token has arrived. Raises ValueError as `decode` does."""
        rows = self._rows_of(payload, shape)
        missing = ~arrived.reshape(rows.shape)
        values, lost = self._received(np.where(missing, np.uint8(0), rows), missing, shape[1])
        return _finite(values), lost

    def _rows_of(self, payload: Payload, shape: tuple[int, int]) -> TokenBytes:
        tokens, elements = shape
        if tokens < 1 or elements < 1:
            raise ValueError(f"payload: shape={shape}: must be (tokens, elements), both at least 1")
        size_bytes = self.size_bytes(elements, tokens)
        if len(payload) != size_bytes:
            raise ValueError(f"payload: {len(payload)} bytes: must be {size_bytes} for shape {shape}")
        return np.frombuffer(payload, np.uint8).reshape(tokens, -1)


class Dense(Codec):
    """A codec that sends every scalar, at a place that does not depend on the values."""

    @abstractmethod
    def _lost(self, missing: Flags, elements: int) -> Flags:
        """Return which scalars, shape (tokens, elements), are unknown without the missing bytes."""

    def _received(self, rows: TokenBytes, missing: Flags, elements: int) -> tuple[Values, Flags]:
        lost = self._lost(missing, elements)
        return np.where(lost, np.float32(0), self._decode(rows, elements)), lost


def byte_rows(array: NDArray[np.generic]) -> TokenBytes:
    """Return the bytes of each row of an array."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), -1)


def any_missing(missing: Flags, parts: int) -> Flags:
    """Return which of the equal `parts` of each row have a missing byte, shape (tokens, parts)."""
    return np.asarray(missing.reshape(len(missing), parts, -1).any(axis=2))


def _finite(values: Values) -> Values:
    if not np.isfinite(values).all():
        raise ValueError("payload: values must be finite")
    return values
