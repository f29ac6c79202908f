"""The bytes of an encoded activation in the order in which they cross a link that loses packets."""

from typing import NamedTuple

import numpy as np

from emulator.activation.codec import Codec
from emulator.activation.concealment import Calibration
from emulator.activation.delivery import Recipe
from emulator.activation.interleaving import packet_numbers
from emulator.core.arrays import Flags, Ints


class Packing(NamedTuple):
    """An order of bytes: those of each packet that may get lost, packet after packet, then those that are acknowledged.

    `order`: the place in the encoded activation of each byte, shape (bytes,); `packet_bytes`: the size of each packet.
    What is acknowledged comes last, so that a message whose end has arrived is complete.
    """

    order: Ints
    packet_bytes: tuple[int, ...]

    @property
    def acknowledged_bytes(self) -> int:
        """Return how many bytes are acknowledged."""
        return len(self.order) - sum(self.packet_bytes)

    def pack(self, payload: bytes) -> bytes:
        """Return an encoded activation in this order."""
        return np.frombuffer(payload, np.uint8)[self.order].tobytes()

    def unpack(self, data: bytes, arrived: Flags) -> tuple[bytes, Flags]:
        """Return the encoded activation of bytes in this order, and which of its bytes have `arrived`."""
        payload, there = np.empty(len(self.order), np.uint8), np.empty(len(self.order), np.bool_)
        payload[self.order], there[self.order] = np.frombuffer(data, np.uint8), arrived
        return payload.tobytes(), there


def packing_of(
    codec: Codec, shape: tuple[int, int], recipe: Recipe, packet_bytes: int, calibration: Calibration | None
) -> Packing:
    """Return the order of an activation of `shape`, (tokens, elements), in packets of at most `packet_bytes`.

    The codec's side information is acknowledged, and so are the scalars that the recipe protects, together with those
    that share a byte with one. Raises ValueError if the recipe needs a calibration and there is none.
    """
    tokens, elements = shape
    row_bytes, side_bytes, unit_bytes = (
        each(elements) for each in (codec.token_bytes, codec.side_bytes, codec.unit_bytes)
    )
    places = np.arange(tokens * row_bytes).reshape(tokens, row_bytes)
    units = places[:, side_bytes:].reshape(tokens, -1, unit_bytes)
    protected = _units_of(
        recipe.protection.flags(tokens, elements, calibration), codec.unit_scalars(elements), units.shape[1]
    )
    numbers = packet_numbers(recipe.interleaving, protected, max(1, packet_bytes // unit_bytes))
    sent = np.flatnonzero(~protected)
    packets = numbers.reshape(-1)[sent]
    in_packets = units.reshape(-1, unit_bytes)[sent[np.argsort(packets, kind="stable")]]
    order = np.concatenate([in_packets.reshape(-1), places[:, :side_bytes].reshape(-1), units[protected].reshape(-1)])
    return Packing(order, tuple((np.bincount(packets) * unit_bytes).tolist()))


def _units_of(flags: Flags, scalars: int, units: int) -> Flags:
    """Return which of the `units` parts of each token, of `scalars` scalars each, have one that is flagged."""
    tokens, elements = flags.shape
    padded = np.zeros((tokens, units * scalars), np.bool_)
    padded[:, :elements] = flags
    return np.asarray(padded.reshape(tokens, units, scalars).any(axis=2))
