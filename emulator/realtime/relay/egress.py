"""How packets leave the relay, in compiled code: by the schedule, in as few frames as it allows."""

from emulator.core.compiled import in_place
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.packet_log import DELIVERED, LOST, NEVER_NS, REFUSED, UNFINISHED
from emulator.realtime.relay.frames import cut, look
from emulator.realtime.relay.packet_queues import find_due, follows, take_packet
from emulator.realtime.relay.state import Air
from emulator.realtime.relay.system_calls import now_ns, write, write_two

RUNS = 32  # that leave before what arrives is looked at again


@in_place
def clock_ns(air: Air) -> int:
    """The traces' time."""
    return now_ns(air.words) - int(air.state[0].start_ns)


@in_place
def next_lane(air: Air) -> int:
    """The lane whose first packet is released first; there must be a lane."""
    due_ns = air.lanes.due_ns
    first = 0
    for index in range(1, len(due_ns)):
        if due_ns[index] < due_ns[first]:
            first = index
    return first


@in_place
def release(air: Air, until_ns: int) -> int:
    """Let go what is released up to an instant, in that order, or the first `RUNS` of it. When the next is due."""
    if len(air.lanes.due_ns) == 0:
        return FOREVER_NS
    index = next_lane(air)
    for _ in range(RUNS):
        if air.lanes.due_ns[index] > until_ns:
            break
        leave(air, index)
        index = next_lane(air)
    return int(air.lanes.due_ns[index])


@in_place
def leave(air: Air, index: int) -> None:
    """Let the lane's first packet go, which is released, and with it those behind it that are too, and are the next
    segments of the same frame."""
    departure_ns = clock_ns(air)
    if air.lanes.packets[air.lanes.lanes[index].first].lost:
        conclude(air, index, 1, NEVER_NS, LOST)
    else:
        count = run(air, index, departure_ns)
        outcome = DELIVERED if pass_on(air, index, count) else REFUSED
        conclude(air, index, count, departure_ns, outcome)
        air.lanes.lanes[index].left_ns = departure_ns
    find_due(air.lanes, index, departure_ns)


@in_place
def flush(air: Air) -> None:
    """Let everything go that is still inside, at the end of a run."""
    for index in range(len(air.lanes.lanes)):
        lane = air.lanes.lanes[index]
        while lane.first != 0:
            if air.lanes.packets[lane.first].lost:
                conclude(air, index, 1, NEVER_NS, UNFINISHED)
            else:
                count = run(air, index, FOREVER_NS)
                pass_on(air, index, count)
                conclude(air, index, count, NEVER_NS, UNFINISHED)
        air.lanes.due_ns[index] = FOREVER_NS


@in_place
def run(air: Air, index: int, until_ns: int) -> int:
    """How many packets from the lane's first on can be written as one frame by an instant."""
    packets = air.lanes.packets
    place = air.lanes.lanes[index].first
    count = 1
    while follows(packets[place], packets[packets[place].behind], until_ns):
        place = packets[place].behind
        count += 1
    return count


@in_place
def pass_on(air: Air, index: int, count: int) -> bool:
    """Write the lane's first `count` packets, segments of one frame, as a frame; False: the kernel did not take it."""
    lane = air.lanes.lanes[index]
    packet = air.lanes.packets[lane.first]
    address = air.state[0].pool_address
    frame = look(air.lanes.pool, packet.at, packet.frame_bytes)
    if count == frame.segments:
        return write(lane.target, address + packet.at, packet.frame_bytes) >= 0
    first = packet.segment
    size, payload, payload_bytes = cut(air.lanes.pool, packet.at, frame, first, first + count, air.headers)
    written = write_two(air.words, lane.target, air.headers.ctypes.data, size, address + payload, payload_bytes)
    return written >= 0


@in_place
def conclude(air: Air, index: int, count: int, departure_ns: int, outcome: int) -> None:
    """Write the rows of the lane's first packets, and forget them."""
    for _ in range(count):
        packet = air.lanes.packets[air.lanes.lanes[index].first]
        write_row(
            air, index, packet.order, packet.number, packet.arrival_ns, packet.size_bytes,
            packet.start_ns, packet.release_ns, departure_ns, outcome,
        )  # fmt: skip
        take_packet(air.lanes, index)


@in_place
def write_row(
    air: Air, index: int, order: int, number: int, arrival_ns: int, size_bytes: int,
    start_ns: int, release_ns: int, departure_ns: int, outcome: int,
) -> None:  # fmt: skip
    """Add a row to the log, or count that it had no room."""
    state = air.state[0]
    if state.rows - state.taken == len(air.rows):
        state.unlogged += 1
        return
    row = air.rows[state.rows % len(air.rows)]
    row.link, row.order, row.number, row.arrival_ns, row.size_bytes = index, order, number, arrival_ns, size_bytes
    row.start_ns, row.release_ns, row.departure_ns, row.outcome = start_ns, release_ns, departure_ns, outcome
    state.rows += 1
