"""Frames inside the relay never overlap, share few chunks, and free them."""

from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.compiled import Table
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.frames import MAX_FRAME_BYTES
from emulator.realtime.relay.packet_queues import (
    CHUNK_BYTES,
    MAX_CHUNKS,
    MIN_SLEEP_NS,
    OVERFLOW_OFFSET,
    UNDECIDED_NS,
    WRITE_INTERVAL_NS,
    PacketQueues,
    append_packet,
    continues_frame,
    empty_packet_queues,
    keep_reserved_frame,
    remove_first_packet,
    reserve_frame,
    update_due,
)
from emulator.system import LinkSpec
from emulator.trace import constant

QUEUES = 3
LINKS = [LinkSpec(str(place), "hub", constant(1e6)) for place in range(QUEUES)]


class Inside(NamedTuple):
    """A packet inside the relay."""

    packet: int
    at: int
    size_bytes: int


STEPS = st.lists(
    st.tuples(st.integers(0, QUEUES - 1), st.booleans(), st.integers(60, MAX_FRAME_BYTES), st.integers(0, 3)),
    max_size=120,
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_frames_stay_unchanged_while_a_packet_refers_to_them(steps: list[tuple[int, bool, int, int]]) -> None:
    queues = empty_packet_queues(LINKS, [])
    inside: list[deque[Inside]] = [deque() for _ in LINKS]
    for index, leaves, size, segments in steps:
        if leaves:
            if inside[index]:
                assert queues.by_link[index]["first"] == inside[index].popleft().packet
                remove_first_packet(queues, index)
        else:
            at = reserve_frame(queues, index)
            assert at // CHUNK_BYTES == (at + MAX_FRAME_BYTES - 1) // CHUNK_BYTES
            taken = [(each.at, each.at + each.size_bytes) for queue in inside for each in queue]
            assert all(at >= stop or at + MAX_FRAME_BYTES <= first for first, stop in taken if first != at)
            assert at not in {first for first, _ in taken}
            for _ in range(segments):
                new = append_packet(queues, index)
                queues.packets[new]["frame_offset"] = at
                inside[index].append(Inside(new, at, size))
            if segments:
                keep_reserved_frame(queues, index, size)
    for index in range(QUEUES):
        while inside[index]:
            inside[index].popleft()
            remove_first_packet(queues, index)
    own = {int(queue["chunk"]) for queue in queues.by_link} - {0}
    assert sorted([*freed(queues.chunks, queues.chunk_store), *own]) == list(range(1, queues.chunk_store["used"][0]))
    assert sorted(freed(queues.packets, queues.packet_store)) == list(range(1, queues.packet_store["used"][0]))


def freed(table: Table, store: Table) -> list[int]:
    """The rows of a table that were given back."""
    found = []
    row = int(store["free"][0])
    while row != 0:
        found.append(row)
        row = int(table[row]["next"])
    return found


def test_a_queue_that_empties_again_and_again_reuses_its_place() -> None:
    queues = empty_packet_queues(LINKS, [])
    places = set()
    for _ in range(100):
        at = reserve_frame(queues, 0)
        places.add(at)
        queues.packets[append_packet(queues, 0)]["frame_offset"] = at
        keep_reserved_frame(queues, 0, MAX_FRAME_BYTES)
        remove_first_packet(queues, 0)
    assert len(places) == 1


def test_a_frame_goes_to_the_overflow_area_if_all_chunks_are_in_use() -> None:
    queues = empty_packet_queues(LINKS, [])
    queues.chunk_store["used"] = MAX_CHUNKS
    assert reserve_frame(queues, 0) == OVERFLOW_OFFSET
    assert len(queues.pool) >= OVERFLOW_OFFSET + MAX_FRAME_BYTES


def due_ns(queues: PacketQueues, now_ns: int, last_ns: int, *releases_ns: int) -> int:
    """Return when the first of packets with these releases is to be written, if the last write was at `last_ns`."""
    while queues.by_link[0]["first"]:
        remove_first_packet(queues, 0)
    for release_ns in releases_ns:
        queues.packets[append_packet(queues, 0)]["release_ns"] = release_ns
    queues.by_link[0]["last_write_ns"] = last_ns
    update_due(queues, 0, now_ns)
    return int(queues.due_ns[0])


def test_packets_that_follow_one_another_closely_are_written_together() -> None:
    queues = empty_packet_queues(LINKS, [])
    now, long_ago = 10_000_000, 0
    later = now + WRITE_INTERVAL_NS
    assert due_ns(queues, now, long_ago) == FOREVER_NS
    assert due_ns(queues, now, long_ago, UNDECIDED_NS) == FOREVER_NS
    assert due_ns(queues, now, long_ago, later) == later
    assert due_ns(queues, now, long_ago, later, later + 1_000) == later
    assert due_ns(queues, now, now, later - 30_000, later - 20_000) == later
    assert due_ns(queues, now, now, later + 1, later + 2) == later + 1
    assert due_ns(queues, now, now, now, later) == now  # it could have gone with the others
    assert due_ns(queues, now, now, later - 30_000, UNDECIDED_NS) == later


def test_packets_released_very_soon_are_waited_for() -> None:
    queues = empty_packet_queues(LINKS, [])
    now = 10_000_000
    assert due_ns(queues, now, now, now + MIN_SLEEP_NS) == now + MIN_SLEEP_NS
    assert due_ns(queues, now, now, now + 10, now + 20, now + 30) == now + 30
    assert due_ns(queues, now, now, now + 10, now + 20, now + MIN_SLEEP_NS + 1) == now + WRITE_INTERVAL_NS


Kept = tuple[int, int, int, bool]  # frame, segment, release, lost


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0, 1_000, False), (0, 1, 2_000, False), True),
        ((0, 0, 1_000, False), (0, 1, 2_001, False), False),  # not released yet
        ((0, 0, 1_000, False), (0, 1, UNDECIDED_NS, False), False),
        ((0, 0, 1_000, False), (64, 1, 2_000, False), False),  # another frame
        ((0, 0, 1_000, False), (0, 2, 2_000, False), False),  # the one between had no room
        ((0, 0, 1_000, False), (0, 1, 2_000, True), False),
    ],
)
def test_segments_that_can_be_written_as_one(one: Kept, other: Kept, expected: bool) -> None:
    queues = empty_packet_queues(LINKS, [])
    packets = []
    for at, segment, release_ns, lost in (one, other):
        packet = queues.packets[append_packet(queues, 0)]
        packet["frame_offset"], packet["segment"], packet["release_ns"], packet["lost"] = at, segment, release_ns, lost
        packets.append(packet)
    assert continues_frame(packets[0], packets[1], 2_000) == expected


def test_the_sentinel_continues_no_frame() -> None:
    queues = empty_packet_queues(LINKS, [])
    packet = queues.packets[append_packet(queues, 0)]
    packet["segment"], packet["frame_offset"] = 0, 0
    assert not continues_frame(packet, queues.packets[0], FOREVER_NS)
