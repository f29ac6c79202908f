"""The relay's log: a row for each packet that came, in the order in which it was known what became of it."""

import pyarrow as pa

DELIVERED, FULL, NO_COVERAGE, LOST, UNFINISHED, REFUSED = range(6)
OUTCOMES = ("delivered", "full", "no coverage", "lost", "unfinished", "refused")
NEVER_NS = -1  # in the place of a time that there is not

# Times are nanoseconds of the trace: CLOCK_MONOTONIC less the start. `order` counts all arrivals of a run from 0 on,
# whichever link they came on: links of a cell meet in this order, and a reader that wants it back knows what is
# still to come. `number` counts those of the packet's link from 0 on, and addresses its draws. `start_ns`: the first
# bit goes. `release_ns`: the packet reaches the other end by the schedule; of one that was lost, would have.
# `departure_ns`: it was written there. A packet that found no room has none of the three, one that was lost no
# departure, an unfinished one no departure and, where its cell had not decided, nothing else either. One that was
# refused the kernel at the other end did not take when its time had come: its interface was down.
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
    ]
)
