"""The tables that the relay's compiled loop works on: links, cells, packet queues, and the rows of the log that wait
for the thread that writes the file."""

import platform
from typing import NamedTuple

import numpy as np

from emulator.cell.tables import CellTables
from emulator.core.compiled import Table
from emulator.link.tables import LinkTables
from emulator.realtime.relay.packet_queues import PacketQueues

MAX_EVENTS = 64  # ready descriptors that one call of epoll_wait returns
LOG_RING_ROWS = 1_048_576

SCALARS = np.dtype(
    [
        ("running", np.bool_),  # False: packets are passed on at once
        ("origin_ns", np.int64),  # CLOCK_MONOTONIC at time 0 of the run
        ("poll", np.int64),  # descriptors
        ("control", np.int64),
        ("timer", np.int64),
        ("timer_ns", np.int64),  # CLOCK_MONOTONIC at which the timer expires or expired last
        ("pool_address", np.int64),
        # counts of this run
        ("packets", np.int64),
        ("non_ipv4", np.int64),
        ("overflowed", np.int64),
        ("unlogged", np.int64),
        ("log_rows", np.int64),  # rows of the log so far
        ("published_rows", np.int64),  # rows that the log's thread may read
        ("stored_rows", np.int64),  # rows that the log's thread has read: their places in the ring are free
    ]
)
LOG_ROW = np.dtype(
    [
        ("order", np.int64),
        ("number", np.int64),
        ("arrival_ns", np.int64),
        ("start_ns", np.int64),
        ("release_ns", np.int64),
        ("departure_ns", np.int64),
        ("size_bytes", np.int32),
        ("link", np.int16),
        ("outcome", np.int8),
        ("acknowledged", np.int8),
    ],
    align=True,
)
# struct epoll_event, which is packed on x86-64 only; its data is the descriptor
EPOLL_EVENT = np.dtype(
    {
        "names": ["events", "descriptor"],
        "formats": [np.uint32, np.int32],
        "offsets": [0, 4 if platform.machine() == "x86_64" else 8],
        "itemsize": 12 if platform.machine() == "x86_64" else 16,
    }
)


class RelayState(NamedTuple):
    """All tables of the relay's loop."""

    links: LinkTables
    cells: CellTables
    queues: PacketQueues
    link_of: Table  # int64: the link whose frames are read from a descriptor
    scalars: Table  # SCALARS, shape (1,)
    log_ring: Table  # LOG_ROW, shape (LOG_RING_ROWS,)
    events: Table  # EPOLL_EVENT, shape (MAX_EVENTS,)
    scratch: Table  # int64, shape (system_calls.SCRATCH_WORDS,)
    headers: Table  # uint8, shape (frames.MAX_HEADERS_BYTES,)
