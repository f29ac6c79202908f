"""How packets come into the relay, in compiled code: read, stamped, and handed to their link."""

import errno

from emulator.cell.slots import decide, enter, take_done
from emulator.cell.tables import has_message_room
from emulator.cell.transmission import free
from emulator.core.compiled import in_place
from emulator.core.fifo import unused
from emulator.link import enqueue
from emulator.link.tables import FULL_NS
from emulator.realtime.packet_log import FULL, NEVER_NS, NO_COVERAGE
from emulator.realtime.relay.egress import clock_ns, release, write_row
from emulator.realtime.relay.frames import ARP, LONGEST_BYTES, PACKET, Frame, look, segment_bytes
from emulator.realtime.relay.packet_queues import (
    NOWHERE,
    SPILL,
    UNDECIDED_NS,
    add_packet,
    find_due,
    has_packets,
    keep_frame,
    next_packet,
    place_for_frame,
)
from emulator.realtime.relay.state import Air
from emulator.realtime.relay.system_calls import error, read, write

FRAMES = 4  # of one lane before another's turn
GOING_ON, NEED_ROOM, BROKEN = range(3)


@in_place
def receive(air: Air, index: int, due_ns: int) -> tuple[int, int]:
    """Read frames of a lane, as many as are there or are its turn, and let go meanwhile what is due: how it went, and
    when the next packet is due. NEED_ROOM: the frame that was read last is still to be admitted."""
    lane, state = air.lanes.lanes[index], air.state[0]
    for _ in range(FRAMES):
        at = place_for_frame(air.lanes, index)
        size_bytes = read(lane.source, state.pool_address + at, LONGEST_BYTES)
        if size_bytes <= 0:
            reason = errno.ENODEV if size_bytes == 0 else error()
            if reason in (errno.EAGAIN, errno.EINTR):
                return GOING_ON, due_ns
            lane.error = reason
            return BROKEN, due_ns
        state.lane, state.at, state.size_bytes, state.arrival_ns = index, at, size_bytes, clock_ns(air)
        if not admit(air):
            return NEED_ROOM, due_ns
        due_ns = min(due_ns, air.lanes.due_ns[index])
        if due_ns <= state.arrival_ns:
            due_ns = release(air, clock_ns(air))
    return GOING_ON, due_ns


@in_place
def admit(air: Air) -> bool:
    """Deal with the frame that was read last; False, and nothing done, where links or cells need more room for that."""
    state, lanes = air.state[0], air.lanes
    index, at, arrival_ns = state.lane, state.at, state.arrival_ns
    frame = look(lanes.pool, at, state.size_bytes)
    runs = state.running and arrival_ns >= 0
    if frame.kind == ARP or (frame.kind == PACKET and not runs):
        write(lanes.lanes[index].target, state.pool_address + at, state.size_bytes)
    if frame.kind != PACKET:
        state.stray += runs
    elif runs and (at == SPILL or not has_packets(lanes, frame.segments)):
        state.overflowed += frame.segments
    elif runs:
        if lanes.lanes[index].cell == NOWHERE:
            if unused(air.links.queues) < frame.segments:
                return False
        elif not settle(air, arrival_ns) or air.cells.messages[0].size_bytes < frame.segments:
            return False
        put_on_link(air, index, at, frame)
    state.lane = NOWHERE
    return True


@in_place
def put_on_link(air: Air, index: int, at: int, frame: Frame) -> None:
    """Each segment of a frame is a packet that comes at the same time."""
    state, lanes, links = air.state[0], air.lanes, air.links
    lane = lanes.lanes[index]
    arrival_ns = state.arrival_ns
    was_empty, kept = lane.first == 0, False
    for segment in range(frame.segments):
        order, number, size_bytes = state.packets, lane.count, segment_bytes(frame, segment)
        state.packets += 1
        lane.count += 1
        release_ns, erased = UNDECIDED_NS, 0.0
        if lane.cell == NOWHERE:
            start_ns, _, release_ns, erased = enqueue(links, index, arrival_ns, size_bytes, number)
        else:
            start_ns = enter(links, air.cells, index, arrival_ns, size_bytes, number, index, next_packet(lanes))
        if start_ns < 0:
            outcome = FULL if start_ns == FULL_NS else NO_COVERAGE
            write_row(air, index, order, number, arrival_ns, size_bytes, NEVER_NS, NEVER_NS, NEVER_NS, outcome)
            continue
        new = add_packet(lanes, index)
        packet = lanes.packets[new]
        packet.order, packet.number, packet.arrival_ns, packet.size_bytes = order, number, arrival_ns, size_bytes
        packet.start_ns, packet.release_ns, packet.lost = start_ns, release_ns, erased > 0.0
        packet.at, packet.frame_bytes, packet.segment = at, state.size_bytes, segment
        if lane.cell != NOWHERE:
            packet.start_ns = NEVER_NS
        kept = True
    if kept:
        keep_frame(lanes, index, state.size_bytes)
    if was_empty:
        find_due(lanes, index, arrival_ns)


@in_place
def settle(air: Air, now_ns: int) -> bool:
    """Let the cells decide what they do in slots that start before an instant; False where they need more room."""
    for index in range(len(air.cells.cells)):
        while air.cells.cells[index].next_ns < now_ns:
            if not has_message_room(air.cells):
                return False
            decide(air.links, air.cells, index, now_ns)
            collect(air, now_ns)
    return has_message_room(air.cells) or len(air.cells.cells) == 0


@in_place
def collect(air: Air, now_ns: int) -> None:
    """Take what cells have sent, and tell its packets when they are released."""
    lanes, cells = air.lanes, air.cells
    place = take_done(cells)
    while place != 0:
        message = cells.messages[place]
        packet = lanes.packets[message.order]
        packet.start_ns, packet.release_ns = message.start_ns, message.arrival_ns
        packet.lost = message.erased_bytes > 0
        if lanes.lanes[message.who].first == message.order:
            find_due(lanes, message.who, now_ns)
        free(cells, place)
        place = take_done(cells)
