"""Messages between stations: an encoded activation, a token, or an input or result of the right size.

A message is sent in pieces, each a header of 24 bytes and data. Over MQTT a message is one piece. Over UDP, the sender
splits a message into as many pieces as necessary, and the receiver fills lost pieces with zeros. The last pieces may be
acknowledged on every bearer.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

from emulator.legs import Leg
from hil.errors import Malformed

STATION_MAGIC = b"ASPS"
# magic; job, step, stage; index, count; place of the data, size of the message
_HEADER = struct.Struct("!4sIHHHHII")
MTU = 1_500
DATAGRAM_BYTES = MTU - 28 - _HEADER.size  # data in a datagram: 28 bytes are the IPv4 and UDP headers
REASSEMBLY_TIMEOUT_NS = 50_000_000  # a message that can lose its end is complete if no piece arrived for this time


class MessageKey(NamedTuple):
    """Identify a message, and the visit that it leads to: to partition `stage` of the schedule's job number `job` in
    pass `step`. The `stage` of a result is the number of partitions; in `hil.codec` it is the last partition's."""

    job: int
    step: int
    stage: int


class StationMessage(NamedTuple):
    """A message of at least one byte. `missing`: ranges of bytes that never arrived, first and after last; they are
    zeros. To be sent: the sizes of its first pieces (`packets`), and whether the bytes after these are acknowledged on
    every bearer."""

    key: MessageKey
    data: bytes
    missing: tuple[tuple[int, int], ...] = ()
    packets: tuple[int, ...] = ()
    acknowledged: bool = False


class ReceivedMessage(NamedTuple):
    """A message as received, complete at `at_ns` of CLOCK_MONOTONIC. `size_bytes` counts the received bytes, headers
    included."""

    message: StationMessage
    at_ns: int
    size_bytes: int


class Piece(NamedTuple):
    """Piece `number` (from 0) of the `pieces` pieces of a message of `size_bytes` bytes, from byte `start` on."""

    key: MessageKey
    number: int
    pieces: int
    start: int
    size_bytes: int
    data: memoryview


def split_message(message: StationMessage, max_bytes: int) -> Iterator[bytes]:
    """Yield the pieces of a message in order: its `packets`, then others with at most `max_bytes` of data."""
    size_bytes, begin = len(message.data), sum(message.packets)
    stops = [*accumulate(message.packets), *range(begin + max_bytes, size_bytes, max_bytes)]
    if begin < size_bytes:
        stops.append(size_bytes)
    for index, (start, stop) in enumerate(pairwise([0, *stops])):
        yield _piece(message, index, len(stops), start, stop)


def single_piece(message: StationMessage) -> bytes:
    """Return a message as a single piece."""
    return _piece(message, 0, 1, 0, len(message.data))


def _piece(message: StationMessage, index: int, count: int, start: int, stop: int) -> bytes:
    header = _HEADER.pack(STATION_MAGIC, *message.key, index, count, start, len(message.data))
    return header + message.data[start:stop]


def parse_piece(piece: bytes) -> Piece:
    """Decode one piece. Raises Malformed for bytes that `split_message` cannot yield."""
    if len(piece) <= _HEADER.size or not piece.startswith(STATION_MAGIC):
        raise Malformed("message: must have a station's header and data")
    _, job, step, stage, index, count, start, size_bytes = _HEADER.unpack_from(piece)
    data = memoryview(piece)[_HEADER.size :]
    left_bytes, left_pieces = size_bytes - start - len(data), count - index - 1
    begins = start == 0 if index == 0 else start >= index
    ends = left_bytes == 0 if left_pieces == 0 else left_bytes >= left_pieces
    if left_pieces < 0 or not begins or not ends:
        raise Malformed(
            f"message: piece {index} of {count}: {len(data)} bytes from {start}: must be one of {size_bytes} bytes"
        )
    return Piece(MessageKey(job, step, stage), index, count, start, size_bytes, data)


class _PartialMessage:
    """The message of a leg, of which some pieces have arrived, the first at `begun_ns`."""

    def __init__(self, leg: Leg, begun_ns: int) -> None:
        self.data = bytearray(leg.size_bytes)
        self.can_lose_end = leg.acknowledged_bytes == 0
        self.received_bytes = 0
        self.begun_ns = self.latest_ns = begun_ns
        self._arrived: dict[int, int] = {}  # where the data of pieces stop, by where they start

    def add(self, piece: Piece, now_ns: int) -> None:
        """Add a piece of this size of message. Raises Malformed for another size."""
        if piece.size_bytes != len(self.data):
            raise Malformed(f"message: piece of a message of {piece.size_bytes} bytes: must be {len(self.data)}")
        stop = piece.start + len(piece.data)
        self._arrived[piece.start] = stop
        self.data[piece.start : stop] = piece.data
        self.received_bytes += _HEADER.size + len(piece.data)
        self.latest_ns = now_ns

    def missing(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of bytes that have not arrived."""
        reached = 0
        for start, stop in sorted(self._arrived.items()):
            if start > reached:
                yield reached, start
            reached = max(reached, stop)
        if reached < len(self.data):
            yield reached, len(self.data)


class Reassembly:
    """Assemble messages from datagrams. Links keep the order, so a message is complete with its last piece.

    If the last piece can get lost, the message is complete REASSEMBLY_TIMEOUT_NS after its latest piece. If the last
    piece is acknowledged, the message waits for it until its task has failed. A message without any piece is never
    received.
    """

    def __init__(self, leg_of: Callable[[MessageKey], Leg], failure_ns: int) -> None:
        """`leg_of` returns the leg whose message has this key, or raises Malformed for a key that no message to this
        node has. After `failure_ns` a task has failed."""
        self._leg_of = leg_of
        self._failure_ns = failure_ns
        self._partial: dict[MessageKey, _PartialMessage] = {}
        self._closed: set[MessageKey] = set()
        self.late = 0  # pieces that arrived after their message was complete or given up

    def add(self, piece: Piece, now_ns: int) -> ReceivedMessage | None:
        """Add a piece; return its message if that is now complete. Raises Malformed if no message to this node has its
        key and size."""
        if piece.key in self._closed:
            self.late += 1
            return None
        message = self._partial.get(piece.key) or _PartialMessage(self._leg_of(piece.key), now_ns)
        message.add(piece, now_ns)
        self._partial[piece.key] = message
        return self._close(piece.key, now_ns) if piece.number + 1 == piece.pieces else None

    def next_timeout_ns(self) -> int | None:
        """Return when the first incomplete message times out, or None if there is none."""
        if not self._partial:
            return None
        return min(map(self._timeout_ns, self._partial.values()))

    def time_out(self, now_ns: int) -> list[ReceivedMessage]:
        """Give up all messages that have timed out; return those that are complete without their end."""
        timed_out = {key: each for key, each in self._partial.items() if self._timeout_ns(each) <= now_ns}
        closed = [(each, self._close(key, now_ns)) for key, each in timed_out.items()]
        return [received for each, received in closed if each.can_lose_end]

    def _timeout_ns(self, message: _PartialMessage) -> int:
        if message.can_lose_end:
            return message.latest_ns + REASSEMBLY_TIMEOUT_NS
        return message.begun_ns + self._failure_ns

    def _close(self, key: MessageKey, now_ns: int) -> ReceivedMessage:
        message = self._partial.pop(key)
        self._closed.add(key)
        return ReceivedMessage(
            StationMessage(key, bytes(message.data), tuple(message.missing())), now_ns, message.received_bytes
        )
