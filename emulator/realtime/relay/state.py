"""All that the relay's loop works on: the tables of links and cells that a simulation has too, what is inside, and the
way out for rows of the log."""

import platform
from typing import NamedTuple

import numpy as np

from emulator.cell.tables import CellTables
from emulator.core.compiled import Table
from emulator.link.tables import LinkTables
from emulator.realtime.relay.packet_queues import Lanes

EVENTS = 64  # descriptors that may be ready at once; others are next time
ROWS = 1_048_576  # that wait to be written

STATE = np.dtype(
    [
        ("running", np.bool_),  # otherwise frames pass at once
        ("start_ns", np.int64),  # the traces' time 0
        ("poll", np.int64),  # descriptors
        ("control", np.int64),
        ("timer", np.int64),
        ("timer_ns", np.int64),  # of CLOCK_MONOTONIC: for when it is set, or was
        ("pool_address", np.int64),
        # the frame that was read last, as long as it has not been dealt with
        ("lane", np.int64),  # NOWHERE: it has been
        ("at", np.int64),
        ("size_bytes", np.int64),
        ("arrival_ns", np.int64),
        # counts of this run
        ("packets", np.int64),
        ("stray", np.int64),
        ("overflowed", np.int64),
        ("unlogged", np.int64),
        ("rows", np.int64),  # of the log, in all
        ("published", np.int64),  # of these, those that another thread may read
        ("taken", np.int64),  # of these, those that it has read
    ]
)
ROW = np.dtype(
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
    ],
    align=True,
)
# struct epoll_event, which x86-64 alone packs; of its data the descriptor
EVENT = np.dtype(
    {
        "names": ["events", "descriptor"],
        "formats": [np.uint32, np.int32],
        "offsets": [0, 4 if platform.machine() == "x86_64" else 8],
        "itemsize": 12 if platform.machine() == "x86_64" else 16,
    }
)


class Air(NamedTuple):
    """What is between the hosts."""

    links: LinkTables
    cells: CellTables
    lanes: Lanes
    lane_of: Table  # int64: the lane of a descriptor that is read
    state: Table  # STATE, shape (1,)
    rows: Table  # ROW, shape (ROWS,): a ring
    events: Table  # EVENT, shape (EVENTS,)
    words: Table  # int64, shape (system_calls.WORDS,)
    headers: Table  # uint8, shape (frames.HEADERS_BYTES,)
