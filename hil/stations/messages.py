"""What goes from station to station: the elements of an activation, an input or result of the right size, a token.

Each piece on the wire is a header of 24 bytes and its data. Over MQTT a message is one piece; as datagrams
it is as many as its bytes need, and what does not arrive of it is zeros.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from hil.errors import Malformed

STATION_MAGIC = b"ASPS"
# magic; job, step, stage; index, count; size of the whole; scale of int8 elements
_HEADER = struct.Struct("!4sIHHHHIf")
MTU = 1_500
DATAGRAM_BYTES = MTU - 28 - _HEADER.size  # of data, after the headers of IPv4 and UDP and ours
REASSEMBLY_TIMEOUT_NS = 50_000_000  # nothing more is expected of a message that has been silent for so long


class MessageKey(NamedTuple):
    """Which message it is: of the schedule's job with this number, to its `stage` in pass `step`."""

    job: int
    step: int
    stage: int


class StationMessage(NamedTuple):
    """A message of at least one byte; `scale` is that of its int8 elements, and otherwise 1."""

    key: MessageKey
    scale: float
    data: bytes


class ReceivedMessage(NamedTuple):
    """A message as its receiver has it, complete at `at_ns` of CLOCK_MONOTONIC. `size_bytes` counts what came,
    headers included."""

    message: StationMessage
    at_ns: int
    size_bytes: int


class Piece(NamedTuple):
    """Piece `number`, from 0, of the `pieces` of a message of `size_bytes`."""

    key: MessageKey
    number: int
    pieces: int
    size_bytes: int
    scale: float
    data: memoryview


def split_message(message: StationMessage, most_bytes: int) -> Iterator[bytes]:
    """A message in pieces of at most `most_bytes` of data each, in order."""
    size_bytes = len(message.data)
    count = -(-size_bytes // most_bytes)
    for index in range(count):
        data = message.data[index * most_bytes : (index + 1) * most_bytes]
        yield _HEADER.pack(STATION_MAGIC, *message.key, index, count, size_bytes, message.scale) + data


def single_piece(message: StationMessage) -> bytes:
    """A message as a single piece."""
    return next(split_message(message, len(message.data)))


def parse_piece(piece: bytes) -> Piece:
    """The inverse of `pieces`, for each of them. Raises Malformed for anything else."""
    if len(piece) <= _HEADER.size or not piece.startswith(STATION_MAGIC):
        raise Malformed("message: must have a station's header and data")
    _, job, step, stage, index, count, size_bytes, scale = _HEADER.unpack_from(piece)
    data = memoryview(piece)[_HEADER.size :]
    data_bytes = size_bytes if count == 1 else min(DATAGRAM_BYTES, size_bytes - index * DATAGRAM_BYTES)
    if index >= count or len(data) != data_bytes or (count > 1 and count != -(-size_bytes // DATAGRAM_BYTES)):
        raise Malformed(f"message: piece {index} of {count} with {len(data)} bytes: must be one of {size_bytes} bytes")
    return Piece(MessageKey(job, step, stage), index, count, size_bytes, scale, data)


class _Open:
    """A message of which pieces have come."""

    def __init__(self, piece: Piece) -> None:
        self.scale = piece.scale
        self.data = bytearray(piece.size_bytes)
        self.got_bytes = 0
        self.latest_ns = 0

    def add(self, piece: Piece, now_ns: int) -> None:
        start = piece.number * DATAGRAM_BYTES
        self.data[start : start + len(piece.data)] = piece.data
        self.got_bytes += _HEADER.size + len(piece.data)
        self.latest_ns = now_ns


class Reassembly:
    """Messages from datagrams. Links keep the order, so a message is complete with its last piece; where that
    was lost, REASSEMBLY_TIMEOUT_NS after the latest one. A message of which nothing arrives never was."""

    def __init__(self) -> None:
        self._open: dict[MessageKey, _Open] = {}
        self._closed: set[MessageKey] = set()
        self.late = 0  # pieces of messages that were taken as complete

    def add(self, piece: Piece, now_ns: int) -> ReceivedMessage | None:
        """Take a piece that arrives now: the message if that completes it."""
        if piece.key in self._closed:
            self.late += 1
            return None
        message = self._open.setdefault(piece.key, _Open(piece))
        message.add(piece, now_ns)
        return self._close(piece.key, now_ns) if piece.number + 1 == piece.pieces else None

    def due_ns(self) -> int | None:
        """When the first message will have been silent for too long; None: none is open."""
        if not self._open:
            return None
        return min(message.latest_ns for message in self._open.values()) + REASSEMBLY_TIMEOUT_NS

    def overdue(self, now_ns: int) -> list[ReceivedMessage]:
        """The messages that have been silent for too long."""
        silent = [key for key, message in self._open.items() if message.latest_ns + REASSEMBLY_TIMEOUT_NS <= now_ns]
        return [self._close(key, now_ns) for key in silent]

    def _close(self, key: MessageKey, now_ns: int) -> ReceivedMessage:
        message = self._open.pop(key)
        self._closed.add(key)
        return ReceivedMessage(StationMessage(key, message.scale, bytes(message.data)), now_ns, message.got_bytes)
