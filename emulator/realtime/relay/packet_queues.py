"""A queue for each link with the packets that are inside the relay, and the pool that holds their frames.

The packets of a link leave in the order in which they arrived, and so do their frames. The frames of a link therefore
fill chunks of a shared pool one after the other, and a chunk is freed when the link's packets have left it. Freed
chunks and packets are reused last in, first out, because the latest is still in the processor's caches.

Pool and packet table reserve address space for their greatest size, which the kernel backs with memory at the first
use, so neither has to grow during a run. Their first parts are touched at the start, because a first use can take
milliseconds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emulator.core.arrays import reserved
from emulator.core.compiled import Record, Table, entry_point
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.frames import MAX_FRAME_BYTES
from emulator.system import LinkSpec

CHUNK_BYTES = 262_144
MAX_CHUNKS = 8_192  # 2 GiB of frames
CACHE_LINE_BYTES = 64  # frames are aligned to cache lines
TOUCHED_BYTES = 33_554_432  # of the pool and of the packet table, at the start
MAX_PACKETS = 16_777_216
OVERFLOW_OFFSET = MAX_CHUNKS * CHUNK_BYTES  # where a frame is read that finds no free chunk
NONE = -1
WRITE_INTERVAL_NS = 50_000  # between two writes of a link whose packets follow one another closely
MIN_SLEEP_NS = 5_000  # a shorter wait is not worth a sleep
UNDECIDED_NS = -1  # the release of a packet whose cell has not scheduled it yet

LINK_QUEUE = np.dtype(
    [
        ("source", np.int64),  # descriptors; NONE: not attached
        ("target", np.int64),
        ("cell", np.int64),  # NONE: the link is in no cell
        ("first", np.int64),  # packet; 0: the queue is empty
        ("last", np.int64),
        ("chunk", np.int64),  # where the next frame is read; NONE: no chunk is assigned
        ("used_bytes", np.int64),  # of this chunk
        ("arrived", np.int64),  # packets that arrived in this run
        ("last_write_ns", np.int64),
        ("error", np.int64),  # errno of the source; 0: it can be read
    ]
)
# A packet is one segment of the frame at `frame_offset` in the pool.
QUEUED_PACKET = np.dtype(
    [
        ("next", np.int64),
        ("order", np.int64),
        ("number", np.int64),
        ("arrival_ns", np.int64),
        ("start_ns", np.int64),
        ("release_ns", np.int64),
        ("frame_offset", np.int64),
        ("frame_bytes", np.int32),
        ("size_bytes", np.int32),
        ("segment", np.int32),
        ("lost", np.bool_),
    ]
)
ALLOCATOR = np.dtype(
    [
        ("free_packet", np.int64),  # head of the list of freed packets; 0: empty
        ("unused_packet", np.int64),  # this packet and all after it were never used
        ("free_chunk", np.int64),  # head of the list of freed chunks; NONE: empty
        ("unused_chunk", np.int64),
    ]
)


class PacketQueues(NamedTuple):
    """The packets inside the relay, by link. Packet 0 is a sentinel that ends every list."""

    by_link: Table  # LINK_QUEUE, shape (links,)
    due_ns: Table  # int64, shape (links,): when the first packet is to be written (`update_due`); FOREVER_NS: unknown
    packets: Table  # QUEUED_PACKET, shape (MAX_PACKETS,)
    pool: Table  # uint8
    next_chunk: Table  # int64, shape (MAX_CHUNKS,): links the list of freed chunks
    allocator: Table  # ALLOCATOR, shape (1,)


def empty_packet_queues(links: Sequence[LinkSpec], cells: Sequence[str]) -> PacketQueues:
    """Make an empty queue for each link. Raises OSError if the address space is too small."""
    by_link = np.zeros(len(links), LINK_QUEUE)
    by_link["source"] = by_link["target"] = by_link["chunk"] = NONE
    by_link["cell"] = [cells.index(link.cell) if link.cell else NONE for link in links]
    allocator = np.zeros(1, ALLOCATOR)
    allocator["unused_packet"], allocator["free_chunk"] = 1, NONE
    packets = _touched(MAX_PACKETS, QUEUED_PACKET)
    packets[0]["segment"] = NONE
    return PacketQueues(
        by_link,
        np.full(len(links), FOREVER_NS),
        packets,
        _touched(OVERFLOW_OFFSET + MAX_FRAME_BYTES, np.uint8),
        np.zeros(MAX_CHUNKS, np.int64),
        allocator,
    )


def _touched(count: int, dtype: npt.DTypeLike) -> Table:
    table = reserved(count, dtype)
    table.view(np.uint8)[:TOUCHED_BYTES] = 0
    return table


@entry_point
def reserve_frame(queues: PacketQueues, link: int) -> int:
    """Return the pool offset for the link's next frame, of any size; OVERFLOW_OFFSET if all chunks are in use."""
    queue, allocator = queues.by_link[link], queues.allocator[0]
    if queue.chunk == NONE or queue.used_bytes + MAX_FRAME_BYTES > CHUNK_BYTES:
        chunk = allocator.free_chunk
        if chunk != NONE:
            allocator.free_chunk = queues.next_chunk[chunk]
        elif allocator.unused_chunk < MAX_CHUNKS:
            chunk = allocator.unused_chunk
            allocator.unused_chunk += 1
        else:
            return OVERFLOW_OFFSET
        queue.chunk, queue.used_bytes = chunk, 0
    return int(queue.chunk * CHUNK_BYTES + queue.used_bytes)


@entry_point
def keep_reserved_frame(queues: PacketQueues, link: int, size_bytes: int) -> None:
    """Keep the frame at the offset that `reserve_frame` returned; packets that refer to it have been appended."""
    queues.by_link[link].used_bytes += -(-size_bytes // CACHE_LINE_BYTES) * CACHE_LINE_BYTES


@entry_point
def can_append(queues: PacketQueues, count: int) -> bool:
    """Whether the packet table has room for `count` more packets, not counting freed ones."""
    return bool(queues.allocator[0].unused_packet + count <= len(queues.packets))


@entry_point
def next_free_packet(queues: PacketQueues) -> int:
    """Return the packet that `append_packet` will take."""
    allocator = queues.allocator[0]
    return int(allocator.free_packet if allocator.free_packet != 0 else allocator.unused_packet)


@entry_point
def append_packet(queues: PacketQueues, link: int) -> int:
    """Append a packet to the link's queue and return it; the caller sets all of its fields but `next`. `can_append`
    must be true."""
    allocator = queues.allocator[0]
    new = next_free_packet(queues)
    if allocator.free_packet != 0:
        allocator.free_packet = queues.packets[new].next
    else:
        allocator.unused_packet += 1
    queue = queues.by_link[link]
    queues.packets[new].next = 0
    if queue.first == 0:
        queue.first = new
    else:
        queues.packets[queue.last].next = new
    queue.last = new
    return int(new)


@entry_point
def remove_first_packet(queues: PacketQueues, link: int) -> None:
    """Free the first packet of the link's queue, and the chunk of its frame if no later packet is in it."""
    queue, allocator = queues.by_link[link], queues.allocator[0]
    old = queue.first
    packet = queues.packets[old]
    chunk = packet.frame_offset // CHUNK_BYTES
    queue.first = packet.next
    packet.next = allocator.free_packet
    allocator.free_packet = old
    if queue.first == 0 and chunk == queue.chunk:
        queue.used_bytes = 0
    if chunk != queue.chunk and (queue.first == 0 or queues.packets[queue.first].frame_offset // CHUNK_BYTES != chunk):
        queues.next_chunk[chunk] = allocator.free_chunk
        allocator.free_chunk = chunk


@entry_point
def update_due(queues: PacketQueues, link: int, now_ns: int) -> None:
    """Recompute when the link's first packet is to be written: at its release, but not within `WRITE_INTERVAL_NS` of
    the last write unless all packets of the queue are released by then or very soon."""
    queue, packets = queues.by_link[link], queues.packets
    due_ns = FOREVER_NS
    if queue.first != 0 and packets[queue.first].release_ns != UNDECIDED_NS:
        due_ns, last_ns = packets[queue.first].release_ns, packets[queue.last].release_ns
        if due_ns <= last_ns <= now_ns + MIN_SLEEP_NS:
            due_ns = last_ns
        elif due_ns > queue.last_write_ns:
            due_ns = max(due_ns, queue.last_write_ns + WRITE_INTERVAL_NS)
    queues.due_ns[link] = due_ns


@entry_point
def continues_frame(packet: Record, after: Record, until_ns: int) -> bool:
    """Whether packet `after`, the next in the queue, is the next segment of the same frame and is released up to
    `until_ns`, so that both can be written as one frame. Never true for the sentinel."""
    return bool(
        after.frame_offset == packet.frame_offset
        and after.segment == packet.segment + 1
        and UNDECIDED_NS < after.release_ns <= until_ns
        and not after.lost
    )
