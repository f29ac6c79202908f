"""Messages of stations: pieces, reassembly, lost and malformed pieces."""

import tracemalloc

import pytest

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


def arrive(reassembly: Reassembly, *numbers: int) -> list[ReceivedMessage]:
    """Add these datagrams, 1 ns apart from 100 ns on; return the completed messages."""
    answers = [reassembly.add(parse_piece(DATAGRAMS[number]), 100 + place) for place, number in enumerate(numbers)]
    return [answer for answer in answers if answer is not None]


def test_a_datagram_fills_a_packet() -> None:
    assert len(DATAGRAMS) == 5
    assert {len(datagram) + 28 for datagram in DATAGRAMS[:-1]} == {MTU}


def test_message_is_complete_with_its_last_piece() -> None:
    (arrived,) = arrive(Reassembly(), 0, 1, 2, 3, 4)
    assert arrived == (MESSAGE, 104, len(DATA) + 5 * HEADER_BYTES)
    piece = parse_piece(single_piece(MESSAGE))
    assert StationMessage(piece.key, bytes(piece.data)) == MESSAGE


@pytest.mark.parametrize("lost", [{0}, {2}, {1, 3}, {0, 1, 2, 3}])
def test_pieces_lost_before_the_last_are_zeros(lost: set[int]) -> None:
    (arrived,) = arrive(Reassembly(), *(number for number in range(5) if number not in lost))
    expected = bytearray(DATA)
    for number in lost:
        expected[number * DATAGRAM_BYTES : (number + 1) * DATAGRAM_BYTES] = bytes(DATAGRAM_BYTES)
    assert arrived.message.data == expected
    assert arrived.size_bytes == sum(len(each) for number, each in enumerate(DATAGRAMS) if number not in lost)


def test_message_without_its_last_piece_times_out() -> None:
    reassembly = Reassembly()
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


def test_only_the_first_piece_allocates_the_message() -> None:
    size_bytes = 20_000 * DATAGRAM_BYTES
    first, second, *_ = split_message(StationMessage(MessageKey(1, 0, 0), bytes(size_bytes)), DATAGRAM_BYTES)
    reassembly = Reassembly()
    reassembly.add(parse_piece(first), 1)
    tracemalloc.start()
    try:
        reassembly.add(parse_piece(second), 2)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < size_bytes / 100


def test_interleaved_messages_do_not_mix() -> None:
    reassembly = Reassembly()
    other = StationMessage(MessageKey(8, 0, 1), DATA[::-1])
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
