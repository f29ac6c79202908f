"""Messages of stations: pieces, reassembly, lost and malformed pieces."""

import gc
import tracemalloc

import pytest

from emulator.legs import Leg
from hil.errors import Malformed
from hil.stations.messages import (
    DATAGRAM_BYTES,
    MTU,
    REASSEMBLY_TIMEOUT_NS,
    MessageKey,
    Reassembly,
    ReceivedMessage,
    StationMessage,
    parse_piece,
    single_piece,
    split_message,
)

DATA = bytes(range(1, 251)) * 24  # 6000 bytes, none of them zero
MESSAGE = StationMessage(MessageKey(7, 2, 1), DATA)
DATAGRAMS = list(split_message(MESSAGE, DATAGRAM_BYTES))
HEADER_BYTES = len(single_piece(MESSAGE)) - len(DATA)
FAILURE_NS = 2_000_000_000


def reassembly_of(*messages: StationMessage) -> Reassembly:
    """Return the reassembly of a node to which these messages are sent."""
    legs = {each.key: leg_of(each) for each in messages}

    def leg(key: MessageKey) -> Leg:
        if key not in legs:
            raise Malformed("message: unknown")
        return legs[key]

    return Reassembly(leg, FAILURE_NS)


def leg_of(message: StationMessage) -> Leg:
    """Return the leg that a message belongs to."""
    acknowledged_bytes = len(message.data) - sum(message.packets) if message.acknowledged else 0
    return Leg(*message.key[1:], "ue1", "edge1", len(message.data), acknowledged_bytes, 0, 1, (), "int8")


def arrive(reassembly: Reassembly, *numbers: int) -> list[ReceivedMessage]:
    """Add these datagrams, 1 ns apart from 100 ns on; return the completed messages."""
    answers = [reassembly.add(parse_piece(DATAGRAMS[number]), 100 + place) for place, number in enumerate(numbers)]
    return [answer for answer in answers if answer is not None]


def test_a_datagram_fills_a_packet() -> None:
    assert len(DATAGRAMS) == 5
    assert {len(datagram) + 28 for datagram in DATAGRAMS[:-1]} == {MTU}


def test_message_is_complete_with_its_last_piece() -> None:
    (arrived,) = arrive(reassembly_of(MESSAGE), 0, 1, 2, 3, 4)
    assert arrived == (MESSAGE, 104, len(DATA) + 5 * HEADER_BYTES)
    piece = parse_piece(single_piece(MESSAGE))
    assert StationMessage(piece.key, bytes(piece.data)) == MESSAGE


@pytest.mark.parametrize("lost", [{0}, {2}, {1, 3}, {0, 1, 2, 3}])
def test_pieces_lost_before_the_last_are_zeros(lost: set[int]) -> None:
    (arrived,) = arrive(reassembly_of(MESSAGE), *(number for number in range(5) if number not in lost))
    expected = bytearray(DATA)
    for number in lost:
        expected[number * DATAGRAM_BYTES : (number + 1) * DATAGRAM_BYTES] = bytes(DATAGRAM_BYTES)
    assert arrived.message.data == expected
    assert arrived.size_bytes == sum(len(each) for number, each in enumerate(DATAGRAMS) if number not in lost)


def test_message_without_its_last_piece_times_out() -> None:
    reassembly = reassembly_of(MESSAGE)
    assert reassembly.next_timeout_ns() is None
    assert not arrive(reassembly, 0, 2)
    assert reassembly.next_timeout_ns() == 101 + REASSEMBLY_TIMEOUT_NS
    assert not reassembly.time_out(100 + REASSEMBLY_TIMEOUT_NS)
    (arrived,) = reassembly.time_out(101 + REASSEMBLY_TIMEOUT_NS)
    assert arrived.at_ns == 101 + REASSEMBLY_TIMEOUT_NS
    assert arrived.message.data[DATAGRAM_BYTES : 2 * DATAGRAM_BYTES] == bytes(DATAGRAM_BYTES)
    assert arrived.message.data[3 * DATAGRAM_BYTES :] == bytes(len(DATA) - 3 * DATAGRAM_BYTES)
    assert arrived.message.missing[-1] == (3 * DATAGRAM_BYTES, len(DATA))
    assert all(not any(arrived.message.data[start:stop]) for start, stop in arrived.message.missing)
    assert reassembly.next_timeout_ns() is None
    assert not arrive(reassembly, 3, 4)  # too late
    assert reassembly.late == 2


PROTECTED = MESSAGE._replace(packets=(1_000, 1_000), acknowledged=True)  # 4000 bytes are acknowledged: three pieces


@pytest.mark.parametrize("lost", [set(), {1}, {0, 1}])
def test_message_waits_for_its_acknowledged_end(lost: set[int]) -> None:
    pieces = [parse_piece(piece) for piece in split_message(PROTECTED, DATAGRAM_BYTES)]
    reassembly = reassembly_of(PROTECTED)
    arrived: list[ReceivedMessage | None] = []
    now_ns = 0
    for piece in pieces:
        now_ns += 3 * REASSEMBLY_TIMEOUT_NS
        arrived += reassembly.time_out(now_ns)
        if piece.number not in lost:
            arrived.append(reassembly.add(piece, now_ns))
    *earlier, received = arrived
    assert not any(earlier)
    assert received is not None
    assert received.at_ns == now_ns
    assert received.message.missing == (((1_000 * min(lost), 2_000),) if lost else ())
    assert received.message.data[2_000:] == DATA[2_000:]
    assert reassembly.late == 0


def test_message_is_given_up_when_its_task_has_failed() -> None:
    first, second, *_, last = [parse_piece(piece) for piece in split_message(PROTECTED, DATAGRAM_BYTES)]
    reassembly = reassembly_of(PROTECTED)
    reassembly.add(first, 100)
    reassembly.add(second, 100 + FAILURE_NS // 2)
    assert reassembly.next_timeout_ns() == 100 + FAILURE_NS
    assert not reassembly.time_out(100 + FAILURE_NS)
    assert reassembly.next_timeout_ns() is None
    assert reassembly.add(last, 101 + FAILURE_NS) is None
    assert reassembly.late == 1


def test_invented_messages_take_no_memory() -> None:
    """A size that no message has, of a message that exists; then many messages that do not exist."""
    reassembly = reassembly_of(MESSAGE)
    huge = DATAGRAMS[0][:20] + b"\xff\xff\xff\xff" + DATAGRAMS[0][24:]
    invented = [DATAGRAMS[0][:4] + number.to_bytes(4, "big") + DATAGRAMS[0][8:] for number in range(8, 1_008)]
    single = [single_piece(StationMessage(MessageKey(number, 0, 0), b"x")) for number in range(8, 1_008)]
    pieces = [parse_piece(each) for each in (huge, *invented, *single)]
    tracemalloc.start()
    try:
        for piece in pieces:
            with pytest.raises(Malformed, match=r"^message: "):
                reassembly.add(piece, 1)
        gc.collect()
        left_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**20
    assert left_bytes < 20_000  # of 2,001 datagrams
    assert reassembly.next_timeout_ns() is None
    (arrived,) = arrive(reassembly, 0, 1, 2, 3, 4)
    assert arrived.message == MESSAGE


def test_only_the_first_piece_allocates_the_message() -> None:
    size_bytes = 20_000 * DATAGRAM_BYTES
    message = StationMessage(MessageKey(1, 0, 0), bytes(size_bytes))
    first, second, *_ = split_message(message, DATAGRAM_BYTES)
    reassembly = reassembly_of(message)
    reassembly.add(parse_piece(first), 1)
    tracemalloc.start()
    try:
        reassembly.add(parse_piece(second), 2)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < size_bytes / 100


def test_interleaved_messages_do_not_mix() -> None:
    other = StationMessage(MessageKey(8, 0, 1), DATA[::-1])
    reassembly = reassembly_of(MESSAGE, other)
    arrived = []
    for mine, theirs in zip(DATAGRAMS, split_message(other, DATAGRAM_BYTES), strict=True):
        arrived += [reassembly.add(parse_piece(mine), 1), reassembly.add(parse_piece(theirs), 1)]
    assert [each.message for each in arrived if each] == [MESSAGE, other]


@pytest.mark.parametrize(
    "piece",
    [
        b"",
        DATAGRAMS[0][:HEADER_BYTES],
        b"ASPL" + DATAGRAMS[0][4:],
        DATAGRAMS[-1][:-1],
        DATAGRAMS[-1] + b"x",
        DATAGRAMS[0][:12] + b"\0\5" + DATAGRAMS[0][14:],  # the sixth of five
        DATAGRAMS[0][:16] + b"\0\0\0\1" + DATAGRAMS[0][20:],  # the first begins later
        DATAGRAMS[1][:16] + b"\xff\0\0\0" + DATAGRAMS[1][20:],  # begins behind the message
        single_piece(MESSAGE)[:-1],
    ],
    ids=[
        "nothing",
        "no data",
        "another's magic",
        "too short",
        "too long",
        "beyond",
        "begins late",
        "behind",
        "cut off",
    ],
)
def test_malformed_piece_is_refused(piece: bytes) -> None:
    with pytest.raises(Malformed, match=r"^message: "):
        parse_piece(piece)
