"""What is inside the relay, as tables that compiled code works on: the frames, and the packets of each direction.

A lane is one direction. Its packets leave in the order in which they came, and so do their frames: these lie one
behind the other in chunks of a shared pool, and a chunk is given back when the lane has left it. What was given back
last is used first, for it is still in the processor's caches. Pool and packets are address space that the kernel backs
with memory where it is first used, so that neither has to grow while packets wait; the first parts are used at once,
for that can take milliseconds.
"""

import mmap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.compiled import Record, Table, in_place
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.frames import LONGEST_BYTES
from emulator.system import LinkSpec

CHUNK_BYTES = 262_144
CHUNKS = 8_192  # 2 GiB of frames
LINE_BYTES = 64  # of the processor's caches: frames begin on one
USED_BYTES = 33_554_432  # of pool and of packets, at once
PACKETS_ROOM = 16_777_216
SPILL = CHUNKS * CHUNK_BYTES  # where a frame goes that finds no chunk
NOWHERE = -1
TRAIN_NS = 50000
SOON_NS = 5_000  # is no time to sleep for
UNDECIDED_NS = -1  # no release yet: the packet's cell has not come so far
_MAP_NORESERVE = 0x4000  # asm-generic/mman.h; Python 3.11 does not know it

LANE = np.dtype(
    [
        ("source", np.int64),  # descriptors; NOWHERE: not attached
        ("target", np.int64),
        ("cell", np.int64),  # NOWHERE: in none
        ("first", np.int64),  # of its packets; 0: none
        ("last", np.int64),
        ("chunk", np.int64),  # in which its next frame goes; NOWHERE: it has none
        ("used_bytes", np.int64),  # of that
        ("count", np.int64),  # packets that came in this run
        ("left_ns", np.int64),  # when packets were written last
        ("error", np.int64),  # why its source cannot be read; 0: it can
    ]
)
# One segment. It holds on to its frame, which lies at `at` in the pool.
PACKET = np.dtype(
    [
        ("behind", np.int64),
        ("order", np.int64),
        ("number", np.int64),
        ("arrival_ns", np.int64),
        ("start_ns", np.int64),
        ("release_ns", np.int64),
        ("at", np.int64),
        ("frame_bytes", np.int32),
        ("size_bytes", np.int32),
        ("segment", np.int32),
        ("lost", np.bool_),
    ]
)
STORE = np.dtype(
    [
        ("packet", np.int64),  # the first of those given back; 0: none
        ("packets", np.int64),  # all from this one on were never used
        ("chunk", np.int64),  # likewise
        ("chunks", np.int64),
    ]
)


class Lanes(NamedTuple):
    """Directions and all that is in them. Packet 0 is nobody's: as a link it means "none"."""

    lanes: Table  # LANE, one a link
    due_ns: Table  # int64, shape (lanes,): when the first packet is to be written (`find_due`); FOREVER_NS: not known
    packets: Table  # PACKET
    pool: Table  # uint8
    chunk_behind: Table  # int64, shape (CHUNKS,): the next of those given back
    store: Table  # STORE, shape (1,)


def empty_lanes(links: Sequence[LinkSpec], cells: Sequence[str]) -> Lanes:
    """A lane for each link, and nothing inside. Raises OSError where there is not so much address space."""
    lanes = np.zeros(len(links), LANE)
    lanes["source"] = lanes["target"] = lanes["chunk"] = NOWHERE
    lanes["cell"] = [cells.index(link.cell) if link.cell else NOWHERE for link in links]
    store = np.zeros(1, STORE)
    store["packets"], store["chunk"] = 1, NOWHERE
    packets = _reserved(PACKETS_ROOM, PACKET)
    packets[0]["segment"] = NOWHERE
    return Lanes(
        lanes,
        np.full(len(links), FOREVER_NS),
        packets,
        _reserved(SPILL + LONGEST_BYTES, np.uint8),
        np.zeros(CHUNKS, np.int64),
        store,
    )


def _reserved(count: int, dtype: npt.DTypeLike) -> Table:
    size_bytes = count * np.dtype(dtype).itemsize
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
    np.frombuffer(memory, np.uint8)[: min(USED_BYTES, size_bytes)] = 0
    return np.frombuffer(memory, dtype)


@in_place
def place_for_frame(lanes: Lanes, index: int) -> int:
    """Where in the pool the lane's next frame may go, as long as frames can be; SPILL where all chunks are in use."""
    lane, store = lanes.lanes[index], lanes.store[0]
    if lane.chunk == NOWHERE or lane.used_bytes + LONGEST_BYTES > CHUNK_BYTES:
        chunk = store.chunk
        if chunk != NOWHERE:
            store.chunk = lanes.chunk_behind[chunk]
        elif store.chunks < CHUNKS:
            chunk = store.chunks
            store.chunks += 1
        else:
            return SPILL
        lane.chunk, lane.used_bytes = chunk, 0
    return int(lane.chunk * CHUNK_BYTES + lane.used_bytes)


@in_place
def keep_frame(lanes: Lanes, index: int, size_bytes: int) -> None:
    """The frame where `place_for_frame` said stays; packets that hold on to it have been added."""
    lanes.lanes[index].used_bytes += -(-size_bytes // LINE_BYTES) * LINE_BYTES


@in_place
def has_packets(lanes: Lanes, count: int) -> bool:
    """Whether so many packets can be added, however many were given back."""
    return bool(lanes.store[0].packets + count <= len(lanes.packets))


@in_place
def next_packet(lanes: Lanes) -> int:
    """Which packet the next one to be added will be."""
    store = lanes.store[0]
    return int(store.packet if store.packet != 0 else store.packets)


@in_place
def add_packet(lanes: Lanes, index: int) -> int:
    """A packet at the lane's end, all of whose fields are the caller's to set; `has_packets` must be true."""
    store = lanes.store[0]
    new = next_packet(lanes)
    if store.packet != 0:
        store.packet = lanes.packets[new].behind
    else:
        store.packets += 1
    lane = lanes.lanes[index]
    lanes.packets[new].behind = 0
    if lane.first == 0:
        lane.first = new
    else:
        lanes.packets[lane.last].behind = new
    lane.last = new
    return int(new)


@in_place
def take_packet(lanes: Lanes, index: int) -> None:
    """The lane's first packet is no longer needed, nor is its frame's chunk where it was the last in it."""
    lane, store = lanes.lanes[index], lanes.store[0]
    old = lane.first
    packet = lanes.packets[old]
    chunk = packet.at // CHUNK_BYTES
    lane.first = packet.behind
    packet.behind = store.packet
    store.packet = old
    if lane.first == 0 and chunk == lane.chunk:
        lane.used_bytes = 0
    if chunk != lane.chunk and (lane.first == 0 or lanes.packets[lane.first].at // CHUNK_BYTES != chunk):
        lanes.chunk_behind[chunk] = store.chunk
        store.chunk = chunk


@in_place
def find_due(lanes: Lanes, index: int, now_ns: int) -> None:
    """Say anew when the lane's first packet is to be written: when it is released, but at most every `TRAIN_NS` where
    others follow later than soon."""
    lane, packets = lanes.lanes[index], lanes.packets
    due_ns = FOREVER_NS
    if lane.first != 0 and packets[lane.first].release_ns != UNDECIDED_NS:
        due_ns, last_ns = packets[lane.first].release_ns, packets[lane.last].release_ns
        if due_ns <= last_ns <= now_ns + SOON_NS:
            due_ns = last_ns
        elif due_ns > lane.left_ns:
            due_ns = max(due_ns, lane.left_ns + TRAIN_NS)
    lanes.due_ns[index] = due_ns


@in_place
def follows(packet: Record, after: Record, until_ns: int) -> bool:
    """Whether the packet that comes after another carries the next segment of its frame, and is released up to an
    instant: both can then be written as one. Packet 0 follows none."""
    return bool(
        after.at == packet.at
        and after.segment == packet.segment + 1
        and UNDECIDED_NS < after.release_ns <= until_ns
        and not after.lost
    )
