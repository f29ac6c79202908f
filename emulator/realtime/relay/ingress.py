"""Frames that come into the relay, in compiled code: read, stamped, and offered to their link as packets."""

import errno

from emulator.cell.slots import enter, release_message, run_slots
from emulator.core.compiled import in_place
from emulator.core.fifo import has_room, next_row
from emulator.link import enqueue
from emulator.link import tables as link_tables
from emulator.realtime.packet_log import FULL, NEVER_NS, NO_COVERAGE
from emulator.realtime.relay.egress import clock_ns, log_packet, write_due
from emulator.realtime.relay.frames import ARP, IPV4, MAX_FRAME_BYTES, Frame, packet_bytes, parse_frame
from emulator.realtime.relay.packet_queues import (
    NONE,
    OVERFLOW_OFFSET,
    UNDECIDED_NS,
    append_packet,
    keep_reserved_frame,
    reserve_frame,
    update_due,
)
from emulator.realtime.relay.state import RelayState
from emulator.realtime.relay.system_calls import error, read, write

MAX_FRAMES = 4  # of one link before the next link is served
READ, BROKEN, REQUEST = range(3)  # answers of the loop and its parts


@in_place
def read_frames(relay: RelayState, link: int, due_ns: int) -> tuple[int, int]:
    """Read up to MAX_FRAMES waiting frames of a link, and between them write packets that are due. Return READ,
    or BROKEN if the source cannot be read, and the time of the next write."""
    queue, scalars = relay.queues.by_link[link], relay.scalars[0]
    for _ in range(MAX_FRAMES):
        offset = reserve_frame(relay.queues, link)
        size_bytes = read(queue.source, scalars.pool_address + offset, MAX_FRAME_BYTES)
        if size_bytes <= 0:
            reason = errno.ENODEV if size_bytes == 0 else error()
            if reason in (errno.EAGAIN, errno.EINTR):
                return READ, due_ns
            queue.broken = True
            return BROKEN, due_ns
        arrival_ns = clock_ns(relay)
        admit_frame(relay, link, offset, size_bytes, arrival_ns)
        due_ns = min(due_ns, relay.queues.due_ns[link])
        if due_ns <= arrival_ns:
            due_ns = write_due(relay, clock_ns(relay))
    return READ, due_ns


@in_place
def admit_frame(relay: RelayState, link: int, offset: int, size_bytes: int, arrival_ns: int) -> None:
    """Handle the frame at `offset` of the pool: offer its packets to its link, pass it on at once, or drop it."""
    scalars, queues = relay.scalars[0], relay.queues
    frame = parse_frame(queues.pool, offset, size_bytes)
    emulated = scalars.running and arrival_ns >= 0
    if frame.kind == ARP or (frame.kind == IPV4 and not emulated):
        write(queues.by_link[link].target, scalars.pool_address + offset, size_bytes)
    if frame.kind != IPV4:
        scalars.non_ipv4 += emulated
    elif emulated and offset == OVERFLOW_OFFSET:
        scalars.overflowed += frame.segments
    elif emulated:
        if queues.by_link[link].cell != NONE:
            run_cells(relay, arrival_ns)
        offer_segments(relay, link, frame, offset, size_bytes, arrival_ns)


@in_place
def offer_segments(
    relay: RelayState, link: int, frame: Frame, frame_offset: int, frame_bytes: int, arrival_ns: int
) -> None:
    """Offer each segment of a frame to the link, as a packet that arrives at `arrival_ns`, and queue the packets that
    the link accepts."""
    scalars, queues, links = relay.scalars[0], relay.queues, relay.links
    queue = queues.by_link[link]
    was_empty, queued = queue.first == 0, False
    for segment in range(frame.segments):
        if not has_room(queues.packets, queues.packet_store[0]):
            scalars.overflowed += frame.segments - segment
            break
        order, number, size_bytes = scalars.packets, queue.arrived, packet_bytes(frame, segment)
        acknowledged_bytes = size_bytes if frame.acknowledged else 0
        scalars.packets += 1
        queue.arrived += 1
        if queue.cell == NONE:
            answer, _, release_ns, erased = enqueue(links, link, arrival_ns, size_bytes, acknowledged_bytes, number)
            start_ns = answer
        else:
            # `run_cells` finds the queue and the packet by the message's owner and order
            packet_index = next_row(queues.packets, queues.packet_store[0])
            answer = enter(
                links, relay.cells, link, arrival_ns, size_bytes, acknowledged_bytes, number, link, packet_index
            )
            start_ns, release_ns, erased = NEVER_NS, UNDECIDED_NS, 0.0
        if answer < 0:
            outcome = FULL if answer == link_tables.FULL else NO_COVERAGE
            log_packet(
                relay, link, order, number, arrival_ns, size_bytes,
                NEVER_NS, NEVER_NS, NEVER_NS, outcome, frame.acknowledged,
            )  # fmt: skip
            continue
        packet = queues.packets[append_packet(queues, link)]
        packet.order, packet.number, packet.arrival_ns, packet.size_bytes = order, number, arrival_ns, size_bytes
        packet.start_ns, packet.release_ns, packet.lost = start_ns, release_ns, erased > 0.0
        packet.acknowledged = frame.acknowledged
        packet.frame_offset, packet.frame_bytes, packet.segment = frame_offset, frame_bytes, segment
        queued = True
    if queued:
        keep_reserved_frame(queues, link, frame_bytes)
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
            link, packet_index = message.owner, message.order  # as in `offer_segments`
            packet = queues.packets[packet_index]
            packet.start_ns, packet.release_ns = message.start_ns, message.arrival_ns
            packet.lost = message.erased_bytes > 0
            if queues.by_link[link].first == packet_index:
                update_due(queues, link, now_ns)
            release_message(cells, row)
            row = run_slots(relay.links, cells, index, now_ns)
