"""The relay's loop, in compiled code: write what is due, read what has come, sleep until either happens."""

from emulator.core.compiled import in_place, memory_fence, unlocked
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.egress import clock_ns, write_due
from emulator.realtime.relay.ingress import READ, REQUEST, read_frames, run_cells
from emulator.realtime.relay.packet_queues import MIN_SLEEP_NS
from emulator.realtime.relay.state import RelayState
from emulator.realtime.relay.system_calls import NO_TIMEOUT, set_timer, wait_for_events


@unlocked
def run_loop(relay: RelayState) -> int:
    """Relay packets until the caller is needed. Return REQUEST if a request waits in the control socket, BROKEN if a
    link's source cannot be read."""
    scalars = relay.scalars[0]
    while True:
        now_ns = clock_ns(relay)
        slot_ns = FOREVER_NS
        if scalars.running:
            run_cells(relay, now_ns)
            for cell in relay.cells.cells:
                slot_ns = min(slot_ns, cell.next_ns)
        due_ns = write_due(relay, now_ns)
        next_ns = min(due_ns, slot_ns + 1 if slot_ns < FOREVER_NS else FOREVER_NS)  # FOREVER_NS + 1 is no int64
        count = sleep(relay, next_ns)
        memory_fence()  # publish the row count after the rows are stored
        scalars.published_rows = scalars.log_rows
        requested = False
        for place in range(count):
            descriptor = relay.events[place].descriptor
            if descriptor == scalars.control:
                requested = True
            if descriptor in (scalars.control, scalars.timer):
                continue
            result, due_ns = read_frames(relay, relay.link_of[descriptor], due_ns)
            if result != READ:
                return result
        if requested:
            return REQUEST


@in_place
def sleep(relay: RelayState, until_ns: int) -> int:
    """Wait until a descriptor is ready or `until_ns` has come. Return the number of ready descriptors. If `until_ns`
    comes within MIN_SLEEP_NS, return at once: the caller polls until then.

    The timer is left as it is if it expires early enough: on a virtual machine, setting and cancelling it costs more
    than everything else that is done for a packet.
    """
    scalars = relay.scalars[0]
    now_ns = clock_ns(relay)
    if until_ns - MIN_SLEEP_NS <= now_ns:
        return wait_for_events(scalars.poll, relay.events, 0)
    if until_ns < FOREVER_NS:
        timer_ns = until_ns + scalars.origin_ns
        if timer_ns < scalars.timer_ns or scalars.timer_ns <= now_ns + scalars.origin_ns:
            set_timer(relay.scratch, scalars.timer, timer_ns)
            scalars.timer_ns = timer_ns
    return wait_for_events(scalars.poll, relay.events, NO_TIMEOUT)
