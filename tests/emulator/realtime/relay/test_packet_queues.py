"""Where frames lie while they are inside: never one on another, in few chunks, and given back."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.frames import LONGEST_BYTES
from emulator.realtime.relay.packet_queues import (
    CHUNK_BYTES,
    CHUNKS,
    SOON_NS,
    SPILL,
    TRAIN_NS,
    UNDECIDED_NS,
    Lanes,
    add_packet,
    empty_lanes,
    find_due,
    follows,
    has_packets,
    keep_frame,
    next_packet,
    place_for_frame,
    take_packet,
)
from emulator.system import LinkSpec
from emulator.trace import constant

LANES = 3
LINKS = [LinkSpec(str(place), "hub", constant(1e6)) for place in range(LANES)]


class Held(NamedTuple):
    """A packet that is inside."""

    packet: int
    at: int
    size_bytes: int


STEPS = st.lists(
    st.tuples(st.integers(0, LANES - 1), st.booleans(), st.integers(60, LONGEST_BYTES), st.integers(0, 3)), max_size=120
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_frames_stay_as_they_are_while_a_packet_holds_on_to_them(steps: list[tuple[int, bool, int, int]]) -> None:
    lanes = empty_lanes(LINKS, [])
    inside: list[deque[Held]] = [deque() for _ in LINKS]
    for index, leaves, size, segments in steps:
        if leaves:
            if inside[index]:
                assert lanes.lanes[index]["first"] == inside[index].popleft().packet
                take_packet(lanes, index)
        else:
            at = place_for_frame(lanes, index)
            assert at // CHUNK_BYTES == (at + LONGEST_BYTES - 1) // CHUNK_BYTES
            taken = [(each.at, each.at + each.size_bytes) for lane in inside for each in lane]
            assert all(at >= stop or at + LONGEST_BYTES <= first for first, stop in taken if first != at)
            assert at not in {first for first, _ in taken}
            for _ in range(segments):
                new = next_packet(lanes)
                assert add_packet(lanes, index) == new
                lanes.packets[new]["at"] = at
                inside[index].append(Held(new, at, size))
            if segments:
                keep_frame(lanes, index, size)
    for index in range(LANES):
        while inside[index]:
            inside[index].popleft()
            take_packet(lanes, index)
    store = lanes.store[0]
    given_back = chain(lanes.chunk_behind, int(store["chunk"]))
    own = {int(lane["chunk"]) for lane in lanes.lanes} - {-1}
    assert sorted([*given_back, *own]) == list(range(int(store["chunks"])))


def chain(behind: np.ndarray[tuple[int], np.dtype[np.int64]], first: int) -> list[int]:
    found = []
    while first != -1:
        found.append(first)
        first = int(behind[first])
    return found


def test_a_lane_that_is_empty_again_and_again_stays_where_it_is() -> None:
    lanes = empty_lanes(LINKS, [])
    places = set()
    for _ in range(100):
        at = place_for_frame(lanes, 0)
        places.add(at)
        lanes.packets[add_packet(lanes, 0)]["at"] = at
        keep_frame(lanes, 0, LONGEST_BYTES)
        take_packet(lanes, 0)
    assert len(places) == 1


def test_where_all_chunks_are_in_use_a_frame_goes_where_none_is_kept() -> None:
    lanes = empty_lanes(LINKS, [])
    lanes.store["chunks"] = CHUNKS
    assert place_for_frame(lanes, 0) == SPILL
    assert len(lanes.pool) >= SPILL + LONGEST_BYTES


def test_room_for_packets_ends_where_their_table_does() -> None:
    lanes = empty_lanes(LINKS, [])
    assert has_packets(lanes, len(lanes.packets) - 1)
    assert not has_packets(lanes, len(lanes.packets))


def due_ns(lanes: Lanes, now_ns: int, left_ns: int, *releases_ns: int) -> int:
    """When the first of packets with these releases is to be written, where others were at `left_ns`."""
    while lanes.lanes[0]["first"]:
        take_packet(lanes, 0)
    for release_ns in releases_ns:
        lanes.packets[add_packet(lanes, 0)]["release_ns"] = release_ns
    lanes.lanes[0]["left_ns"] = left_ns
    find_due(lanes, 0, now_ns)
    return int(lanes.due_ns[0])


def test_packets_that_follow_one_another_closely_are_written_together() -> None:
    lanes = empty_lanes(LINKS, [])
    now, long_ago = 10_000_000, 0
    later = now + TRAIN_NS
    assert due_ns(lanes, now, long_ago) == FOREVER_NS
    assert due_ns(lanes, now, long_ago, UNDECIDED_NS) == FOREVER_NS
    assert due_ns(lanes, now, long_ago, later) == later
    assert due_ns(lanes, now, long_ago, later, later + 1_000) == later
    assert due_ns(lanes, now, now, later - 30_000, later - 20_000) == later
    assert due_ns(lanes, now, now, later + 1, later + 2) == later + 1
    assert due_ns(lanes, now, now, now, later) == now  # it could have gone with the others
    assert due_ns(lanes, now, now, later - 30_000, UNDECIDED_NS) == later


def test_what_is_released_soon_is_waited_for() -> None:
    lanes = empty_lanes(LINKS, [])
    now = 10_000_000
    assert due_ns(lanes, now, now, now + SOON_NS) == now + SOON_NS
    assert due_ns(lanes, now, now, now + 10, now + 20, now + 30) == now + 30
    assert due_ns(lanes, now, now, now + 10, now + 20, now + SOON_NS + 1) == now + TRAIN_NS


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
    lanes = empty_lanes(LINKS, [])
    packets = []
    for at, segment, release_ns, lost in (one, other):
        packet = lanes.packets[add_packet(lanes, 0)]
        packet["at"], packet["segment"], packet["release_ns"], packet["lost"] = at, segment, release_ns, lost
        packets.append(packet)
    assert follows(packets[0], packets[1], 2_000) == expected


def test_nothing_follows_as_packet_0() -> None:
    lanes = empty_lanes(LINKS, [])
    packet = lanes.packets[add_packet(lanes, 0)]
    packet["segment"], packet["at"] = 0, 0
    assert not follows(packet, lanes.packets[0], FOREVER_NS)
