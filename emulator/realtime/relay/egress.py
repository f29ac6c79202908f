"""Packets that leave the relay, in compiled code: at their release, in as few frames as possible."""

from emulator.core.compiled import entry_point, in_place
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.packet_log import DELIVERED, LOST, NEVER_NS, REFUSED, UNFINISHED
from emulator.realtime.relay.frames import cut_segments, parse_frame
from emulator.realtime.relay.packet_queues import continues_frame, remove_first_packet, update_due
from emulator.realtime.relay.state import RelayState
from emulator.realtime.relay.system_calls import now_ns, write, write_two

MAX_WRITES = 32  # before waiting frames are read again


@in_place
def clock_ns(relay: RelayState) -> int:
    """Return the nanoseconds since time 0 of the run."""
    return now_ns(relay.scratch) - int(relay.scalars[0].origin_ns)


@in_place
def write_due(relay: RelayState, until_ns: int) -> int:
    """Write what is due up to `until_ns`, in the order of due times and at most MAX_WRITES frames. Return the next due
    time."""
    due_ns = relay.queues.due_ns
    if len(due_ns) == 0:
        return FOREVER_NS
    link = int(due_ns.argmin())
    for _ in range(MAX_WRITES):
        if due_ns[link] > until_ns:
            break
        write_or_drop_first(relay, link)
        link = int(due_ns.argmin())
    return int(due_ns[link])


@in_place
def write_or_drop_first(relay: RelayState, link: int) -> None:
    """Write the link's first packet, together with the released next segments of the same frame, or drop it if it was
    lost."""
    departure_ns = clock_ns(relay)
    queue = relay.queues.by_link[link]
    if relay.queues.packets[queue.first].lost:
        log_and_remove(relay, link, 1, NEVER_NS, LOST)
    else:
        count = writable_segments(relay, link, departure_ns)
        outcome = DELIVERED if write_segments(relay, link, count) else REFUSED
        log_and_remove(relay, link, count, departure_ns, outcome)
        queue.last_write_ns = departure_ns
    update_due(relay.queues, link, departure_ns)


@entry_point
def flush_all(relay: RelayState) -> None:
    """Write or drop all packets that are still queued at the end of a run, and log them as unfinished."""
    for link in range(len(relay.queues.by_link)):
        queue = relay.queues.by_link[link]
        while queue.first != 0:
            count = 1
            if not relay.queues.packets[queue.first].lost:
                count = writable_segments(relay, link, FOREVER_NS)
                write_segments(relay, link, count)
            log_and_remove(relay, link, count, NEVER_NS, UNFINISHED)
        relay.queues.due_ns[link] = FOREVER_NS


@in_place
def writable_segments(relay: RelayState, link: int, until_ns: int) -> int:
    """Count the packets, from the link's first on, that can be written as one frame at `until_ns`."""
    packets = relay.queues.packets
    packet = packets[relay.queues.by_link[link].first]
    count = 1
    while continues_frame(packet, packets[packet.next], until_ns):
        packet = packets[packet.next]
        count += 1
    return count


@in_place
def write_segments(relay: RelayState, link: int, count: int) -> bool:
    """Write the link's first `count` packets, segments of one frame, as a frame. Return False if the kernel refused
    it."""
    queue = relay.queues.by_link[link]
    packet = relay.queues.packets[queue.first]
    address = relay.scalars[0].pool_address
    frame = parse_frame(relay.queues.pool, packet.frame_offset, packet.frame_bytes)
    if count == frame.segments:
        return write(queue.target, address + packet.frame_offset, packet.frame_bytes) >= 0
    first = packet.segment
    headers_bytes, payload, payload_bytes = cut_segments(
        relay.queues.pool, packet.frame_offset, frame, first, first + count, relay.headers
    )
    headers = relay.headers.ctypes.data
    return write_two(relay.scratch, queue.target, headers, headers_bytes, address + payload, payload_bytes) >= 0


@in_place
def log_and_remove(relay: RelayState, link: int, count: int, departure_ns: int, outcome: int) -> None:
    """Log the link's first `count` packets and remove them from the queue."""
    for _ in range(count):
        packet = relay.queues.packets[relay.queues.by_link[link].first]
        log_packet(
            relay, link, packet.order, packet.number, packet.arrival_ns, packet.size_bytes,
            packet.start_ns, packet.release_ns, departure_ns, outcome, packet.acknowledged,
        )  # fmt: skip
        remove_first_packet(relay.queues, link)


@in_place
def log_packet(
    relay: RelayState, link: int, order: int, number: int, arrival_ns: int, size_bytes: int,
    start_ns: int, release_ns: int, departure_ns: int, outcome: int, acknowledged: bool,
) -> None:  # fmt: skip
    """Add a row to the log; if the ring is full, count the packet as unlogged instead."""
    scalars = relay.scalars[0]
    if scalars.log_rows - scalars.stored_rows == len(relay.log_ring):
        scalars.unlogged += 1
        return
    row = relay.log_ring[scalars.log_rows % len(relay.log_ring)]
    row.link, row.order, row.number, row.arrival_ns, row.size_bytes = link, order, number, arrival_ns, size_bytes
    row.start_ns, row.release_ns, row.departure_ns, row.outcome = start_ns, release_ns, departure_ns, outcome
    row.acknowledged = acknowledged
    scalars.log_rows += 1
