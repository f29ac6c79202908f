"""Frames that come into the relay, in compiled code: read, stamped, and offered to their link as packets."""

import errno

from emulator.cell.slots import enter, release_message, run_slots
from emulator.core.compiled import in_place
from emulator.link import enqueue, tables
from emulator.realtime.packet_log import FULL, NEVER_NS, NO_COVERAGE
from emulator.realtime.relay.egress import clock_ns, log_packet, write_due
from emulator.realtime.relay.frames import ARP, IPV4, MAX_FRAME_BYTES, Frame, parse_frame, segment_bytes
from emulator.realtime.relay.packet_queues import (
    NONE,
    OVERFLOW_OFFSET,
    UNDECIDED_NS,
    append_packet,
    can_append,
    keep_reserved_frame,
    next_free_packet,
    reserve_frame,
    update_due,
)
from emulator.realtime.relay.state import RelayState
from emulator.realtime.relay.system_calls import error, read, write

MAX_FRAMES = 4  # of one link before the next link is served
READ, BROKEN = range(2)


@in_place
def read_frames(relay: RelayState, link: int, due_ns: int) -> tuple[int, int]:
    """Read up to MAX_FRAMES waiting frames of a link, and between them write packets that are due. Return READ
    or BROKEN (the source cannot be read), and the time of the next write."""
    queue, scalars = relay.queues.by_link[link], relay.scalars[0]
    for _ in range(MAX_FRAMES):
        offset = reserve_frame(relay.queues, link)
        size_bytes = read(queue.source, scalars.pool_address + offset, MAX_FRAME_BYTES)
        if size_bytes <= 0:
            reason = errno.ENODEV if size_bytes == 0 else error()
            if reason in (errno.EAGAIN, errno.EINTR):
                return READ, due_ns
            queue.error = reason
            return BROKEN, due_ns
        scalars.frame_offset, scalars.frame_bytes = offset, size_bytes
        scalars.arrival_ns = clock_ns(relay)
        admit_frame(relay, link)
        due_ns = min(due_ns, relay.queues.due_ns[link])
        if due_ns <= scalars.arrival_ns:
            due_ns = write_due(relay, clock_ns(relay))
    return READ, due_ns


@in_place
def admit_frame(relay: RelayState, link: int) -> None:
    """Handle the frame that was read last: offer its packets to its link, pass it on at once, or drop it."""
    scalars, queues = relay.scalars[0], relay.queues
    offset = scalars.frame_offset
    frame = parse_frame(queues.pool, offset, scalars.frame_bytes)
    emulated = scalars.running and scalars.arrival_ns >= 0
    if frame.kind == ARP or (frame.kind == IPV4 and not emulated):
        write(queues.by_link[link].target, scalars.pool_address + offset, scalars.frame_bytes)
    if frame.kind != IPV4:
        scalars.non_ipv4 += emulated
    elif emulated and (offset == OVERFLOW_OFFSET or not can_append(queues, frame.segments)):
        scalars.overflowed += frame.segments
    elif emulated:
        if queues.by_link[link].cell != NONE:
            run_cells(relay, scalars.arrival_ns)
        offer_segments(relay, link, frame)


@in_place
def offer_segments(relay: RelayState, link: int, frame: Frame) -> None:
    """Offer each segment of the frame that was read last to the link, as a packet that arrives at the same time, and
    queue the packets that the link accepts."""
    scalars, queues, links = relay.scalars[0], relay.queues, relay.links
    queue = queues.by_link[link]
    arrival_ns, was_empty, queued = scalars.arrival_ns, queue.first == 0, False
    for segment in range(frame.segments):
        order, number, size_bytes = scalars.packets, queue.arrived, segment_bytes(frame, segment)
        scalars.packets += 1
        queue.arrived += 1
        release_ns, erased = UNDECIDED_NS, 0.0
        if queue.cell == NONE:
            start_ns, _, release_ns, erased = enqueue(links, link, arrival_ns, size_bytes, number)
        else:
            new = next_free_packet(queues)
            start_ns = enter(links, relay.cells, link, arrival_ns, size_bytes, number, link, new)
        if start_ns < 0:
            outcome = FULL if start_ns == tables.FULL else NO_COVERAGE
            log_packet(relay, link, order, number, arrival_ns, size_bytes, NEVER_NS, NEVER_NS, NEVER_NS, outcome)
            continue
        packet = queues.packets[append_packet(queues, link)]
        packet.order, packet.number, packet.arrival_ns, packet.size_bytes = order, number, arrival_ns, size_bytes
        packet.start_ns, packet.release_ns, packet.lost = start_ns, release_ns, erased > 0.0
        packet.frame_offset, packet.frame_bytes, packet.segment = scalars.frame_offset, scalars.frame_bytes, segment
        if queue.cell != NONE:
            packet.start_ns = NEVER_NS
        queued = True
    if queued:
        keep_reserved_frame(queues, link, scalars.frame_bytes)
    if was_empty:
        update_due(queues, link, arrival_ns)


@in_place
def run_cells(relay: RelayState, now_ns: int) -> None:
    """Run the slots of all cells that start before `now_ns`, and set the release times of the packets sent in them."""
    queues, cells = relay.queues, relay.cells
    for index in range(len(cells.cells)):
        row = run_slots(relay.links, cells, index, now_ns)
        while row != 0:
            message = cells.messages[row]
            packet = queues.packets[message.order]
            packet.start_ns, packet.release_ns = message.start_ns, message.arrival_ns
            packet.lost = message.erased_bytes > 0
            if queues.by_link[message.owner].first == message.order:
                update_due(queues, message.owner, now_ns)
            release_message(cells, row)
            row = run_slots(relay.links, cells, index, now_ns)
