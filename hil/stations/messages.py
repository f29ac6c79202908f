"""Messages between stations: an encoded activation, a token, or an input or result of the right size.

A message is sent in pieces, each a header of 20 bytes and data. Over MQTT a message is one piece. Over UDP, the sender
splits a message into as many pieces as necessary, and the receiver fills lost pieces with zeros.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from hil.errors import Malformed

STATION_MAGIC = b"ASPS"
# magic; job, step, stage; index, count; size of the message
_HEADER = struct.Struct("!4sIHHHHI")
MTU = 1_500
DATAGRAM_BYTES = MTU - 28 - _HEADER.size  # data in a datagram: 28 bytes are the IPv4 and UDP headers
REASSEMBLY_TIMEOUT_NS = 50_000_000  # a message is complete when no piece has arrived for this time


class MessageKey(NamedTuple):
    """Identify a message, and the visit that it leads to: to partition `stage` of the schedule's job number `job` in
    pass `step`. The `stage` of a result is the number of partitions; in `hil.codec` it is the last partition's."""

    job: int
    step: int
    stage: int


class StationMessage(NamedTuple):
    """A message of at least one byte. `missing`: ranges of bytes that never arrived, first and after last; they are
    zeros."""

    key: MessageKey
    data: bytes
    missing: tuple[tuple[int, int], ...] = ()


class ReceivedMessage(NamedTuple):
    """A message as received, complete at `at_ns` of CLOCK_MONOTONIC. `size_bytes` counts the received bytes, headers
    included."""

    message: StationMessage
    at_ns: int
    size_bytes: int


class Piece(NamedTuple):
    """Piece `number` (from 0) of the `pieces` pieces of a message of `size_bytes` bytes."""

    key: MessageKey
    number: int
    pieces: int
    size_bytes: int
    data: memoryview


def split_message(message: StationMessage, max_bytes: int) -> Iterator[bytes]:
    """Yield the pieces of a message in order, each with at most `max_bytes` of data."""
    size_bytes = len(message.data)
    count = -(-size_bytes // max_bytes)
    for index in range(count):
        data = message.data[index * max_bytes : (index + 1) * max_bytes]
        yield _HEADER.pack(STATION_MAGIC, *message.key, index, count, size_bytes) + data


def single_piece(message: StationMessage) -> bytes:
    """Return a message as a single piece."""
    return next(split_message(message, len(message.data)))


def parse_piece(piece: bytes) -> Piece:
    """Decode one piece. Raises Malformed for any bytes that `split_message` cannot yield."""
    if len(piece) <= _HEADER.size or not piece.startswith(STATION_MAGIC):
        raise Malformed("message: must have a station's header and data")
    _, job, step, stage, index, count, size_bytes = _HEADER.unpack_from(piece)
    data = memoryview(piece)[_HEADER.size :]
    data_bytes = size_bytes if count == 1 else min(DATAGRAM_BYTES, size_bytes - index * DATAGRAM_BYTES)
    if index >= count or len(data) != data_bytes or (count > 1 and count != -(-size_bytes // DATAGRAM_BYTES)):
        raise Malformed(f"message: piece {index} of {count} with {len(data)} bytes: must be one of {size_bytes} bytes")
    return Piece(MessageKey(job, step, stage), index, count, size_bytes, data)


class _PartialMessage:
    """A message of which some pieces have arrived."""

    def __init__(self, piece: Piece) -> None:
        self.data = bytearray(piece.size_bytes)
        self.received_bytes = 0
        self.missing = set(range(piece.pieces))
        self.latest_ns = 0

    def add(self, piece: Piece, now_ns: int) -> None:
        start = piece.number * DATAGRAM_BYTES
        self.missing.discard(piece.number)
        self.data[start : start + len(piece.data)] = piece.data
        self.received_bytes += _HEADER.size + len(piece.data)
        self.latest_ns = now_ns


class Reassembly:
    """Assemble messages from datagrams. Links keep the order, so a message is complete with its last piece, or
    REASSEMBLY_TIMEOUT_NS after the latest piece if the last is lost. A message without any piece is never received."""

    def __init__(self) -> None:
        self._partial: dict[MessageKey, _PartialMessage] = {}
        self._complete: set[MessageKey] = set()
        self.late = 0  # pieces that arrived after their message was complete

    def add(self, piece: Piece, now_ns: int) -> ReceivedMessage | None:
        """Add a piece; return its message if that is now complete."""
        if piece.key in self._complete:
            self.late += 1
            return None
        if piece.key not in self._partial:
            self._partial[piece.key] = _PartialMessage(piece)
        message = self._partial[piece.key]
        message.add(piece, now_ns)
        return self._complete_message(piece.key, now_ns) if piece.number + 1 == piece.pieces else None

    def next_timeout_ns(self) -> int | None:
        """Return when the first incomplete message times out, or None if there is none."""
        if not self._partial:
            return None
        return min(message.latest_ns for message in self._partial.values()) + REASSEMBLY_TIMEOUT_NS

    def time_out(self, now_ns: int) -> list[ReceivedMessage]:
        """Return the messages that have timed out; they count as complete."""
        timed_out = [
            key for key, message in self._partial.items() if message.latest_ns + REASSEMBLY_TIMEOUT_NS <= now_ns
        ]
        return [self._complete_message(key, now_ns) for key in timed_out]

    def _complete_message(self, key: MessageKey, now_ns: int) -> ReceivedMessage:
        message = self._partial.pop(key)
        self._complete.add(key)
        missing = tuple(
            (number * DATAGRAM_BYTES, min((number + 1) * DATAGRAM_BYTES, len(message.data)))
            for number in sorted(message.missing)
        )
        return ReceivedMessage(StationMessage(key, bytes(message.data), missing), now_ns, message.received_bytes)
