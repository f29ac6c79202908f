"""The relay's log: a row for each packet that arrived, in the order in which outcomes were known."""

import pyarrow as pa

DELIVERED, FULL, NO_COVERAGE, LOST, UNFINISHED, REFUSED = range(6)
OUTCOMES = ("delivered", "full", "no coverage", "lost", "unfinished", "refused")
NEVER_NS = -1  # a time that does not exist

# Times are nanoseconds of the trace: CLOCK_MONOTONIC minus the start.
# - `order` counts the arrivals at all links from 0 on: links of a cell take packets in this order.
# - `number` counts the arrivals at the packet's link from 0 on, and selects its random draws.
# - `start_ns`: the link sends the first bit.
# - `release_ns`: the packet reaches the other end by the schedule (for a lost packet: it would have).
# - `departure_ns`: the packet was written to the other end.
# Dropped packets (full, no coverage) have none of the three times. Lost packets have no departure. Unfinished packets
# have no departure, and no times at all if their cell had not scheduled them yet. Refused packets were not accepted by
# the kernel at the other end, because the interface was down.
# - `acknowledged`: 1 for a packet that its sender marked as acknowledged on every bearer (`marks.ACKNOWLEDGED_TOS`).
PACKETS = pa.schema(
    [
        ("link", pa.int16()),
        ("order", pa.int64()),
        ("number", pa.int64()),
        ("arrival_ns", pa.int64()),
        ("size_bytes", pa.int32()),
        ("start_ns", pa.int64()),
        ("release_ns", pa.int64()),
        ("departure_ns", pa.int64()),
        ("outcome", pa.int8()),
        ("acknowledged", pa.int8()),
    ]
)
