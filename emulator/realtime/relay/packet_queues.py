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
from emulator.core.fifo import FOREVER_NS, append, give_back, has_room, new_store, remove_first, take
from emulator.realtime.relay.frames import MAX_FRAME_BYTES
from emulator.system import LinkSpec

CHUNK_BYTES = 262_144
MAX_CHUNKS = 8_192  # 2 GiB of frames
OVERFLOW_OFFSET = 0  # in the pool, the first chunk: place for a frame when no chunk is free
CACHE_LINE_BYTES = 64  # frames are aligned to cache lines
TOUCHED_BYTES = 33_554_432  # of the pool and of the packet table, at the start
MAX_PACKETS = 16_777_216
NONE = -1
WRITE_INTERVAL_NS = 50_000  # between two writes of a link whose packets follow one another closely
MIN_SLEEP_NS = 5_000  # a shorter wait is not worth a sleep
UNDECIDED_NS = -1  # the release of a packet whose cell has not scheduled it yet

LINK_QUEUE = np.dtype(
    [
        ("source", np.int64),  # descriptors; NONE: not attached
        ("target", np.int64),
        ("broken", np.bool_),  # the source cannot be read
        ("cell", np.int64),  # NONE: the link is in no cell
        ("first", np.int64),  # index of a packet; 0: the queue is empty
        ("last", np.int64),
        ("chunk", np.int64),  # where the next frame is read; 0: no chunk is assigned
        ("used_bytes", np.int64),  # of this chunk
        ("arrived", np.int64),  # packets that arrived in this run
        ("last_write_ns", np.int64),
    ]
)
# A packet is one segment of the frame at `frame_offset` in the pool. `order`, `number` and times are those of its row
# in the log (`packet_log.PACKETS`).
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
        ("acknowledged", np.bool_),
    ]
)
CHUNK = np.dtype([("next", np.int64)])


class PacketQueues(NamedTuple):
    """The packets inside the relay, by link. Packets and chunks are rows of `fifo` tables: row 0 is a sentinel."""

    by_link: Table  # LINK_QUEUE, shape (links,)
    due_ns: Table  # int64, shape (links,): when the first packet is to be written (`update_due`); FOREVER_NS: unknown
    packets: Table  # QUEUED_PACKET, shape (MAX_PACKETS,)
    packet_store: Table  # fifo.STORE, shape (1,)
    chunks: Table  # CHUNK, shape (MAX_CHUNKS,)
    chunk_store: Table  # fifo.STORE, shape (1,)
    pool: Table  # uint8, shape (MAX_CHUNKS * CHUNK_BYTES,)


def empty_packet_queues(links: Sequence[LinkSpec], cells: Sequence[str]) -> PacketQueues:
    """Make an empty queue for each link. Raises OSError if the address space is too small."""
    by_link = np.zeros(len(links), LINK_QUEUE)
    by_link["source"] = by_link["target"] = NONE
    by_link["cell"] = [cells.index(link.cell) if link.cell else NONE for link in links]
    packets = _touched(MAX_PACKETS, QUEUED_PACKET)
    packets[0]["segment"] = NONE
    return PacketQueues(
        by_link,
        np.full(len(links), FOREVER_NS),
        packets,
        new_store(),
        np.zeros(MAX_CHUNKS, CHUNK),
        new_store(),
        _touched(MAX_CHUNKS * CHUNK_BYTES, np.uint8),
    )


def _touched(count: int, dtype: npt.DTypeLike) -> Table:
    table = reserved(count, dtype)
    table.view(np.uint8)[:TOUCHED_BYTES] = 0
    return table


@entry_point
def reserve_frame(queues: PacketQueues, link: int) -> int:
    """Return the pool offset for the link's next frame, of any size; OVERFLOW_OFFSET if all chunks are in use."""
    queue = queues.by_link[link]
    if queue.chunk == 0 or queue.used_bytes + MAX_FRAME_BYTES > CHUNK_BYTES:
        if not has_room(queues.chunks, queues.chunk_store[0]):
            return OVERFLOW_OFFSET
        queue.chunk, queue.used_bytes = take(queues.chunks, queues.chunk_store[0]), 0
    return int(queue.chunk * CHUNK_BYTES + queue.used_bytes)


@entry_point
def keep_reserved_frame(queues: PacketQueues, link: int, size_bytes: int) -> None:
    """Keep the frame at the offset that `reserve_frame` returned; packets that refer to it have been appended."""
    queues.by_link[link].used_bytes += -(-size_bytes // CACHE_LINE_BYTES) * CACHE_LINE_BYTES


@entry_point
def append_packet(queues: PacketQueues, link: int) -> int:
    """Append a packet to the link's queue and return its index; the caller sets all of its fields but `next`. The
    packet table must have room."""
    packet_index = take(queues.packets, queues.packet_store[0])
    append(queues.packets, queues.by_link[link], packet_index)
    return packet_index


@entry_point
def remove_first_packet(queues: PacketQueues, link: int) -> None:
    """Free the first packet of the link's queue, and the chunk of its frame if no later packet is in it."""
    queue, packets = queues.by_link[link], queues.packets
    packet_index = remove_first(packets, queue)
    give_back(packets, queues.packet_store[0], packet_index)
    chunk = packets[packet_index].frame_offset // CHUNK_BYTES
    if chunk == queue.chunk:
        if queue.first == 0:
            queue.used_bytes = 0
    elif queue.first == 0 or packets[queue.first].frame_offset // CHUNK_BYTES != chunk:
        give_back(queues.chunks, queues.chunk_store[0], chunk)


@entry_point
def update_due(queues: PacketQueues, link: int, now_ns: int) -> None:
    """Recompute when the link's first packet is to be written:

    - together with all packets of the queue, if the last one is released within MIN_SLEEP_NS: then;
    - if it was released up to the last write, with which it could have gone: at once;
    - otherwise at its release, but not within WRITE_INTERVAL_NS of the last write.
    """
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
    """Return whether packet `after`, the next in the queue, is the next segment of the same frame and is released up
    to `until_ns`, so that both can be written as one frame. Never true for the sentinel."""
    return bool(
        after.frame_offset == packet.frame_offset
        and after.segment == packet.segment + 1
        and UNDECIDED_NS < after.release_ns <= until_ns
        and not after.lost
    )
