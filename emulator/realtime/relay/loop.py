"""The relay's one loop, in compiled code: what is due goes, what has come is read, and then it sleeps until either."""

from emulator.core.compiled import in_place, unlocked
from emulator.core.fifo import FOREVER_NS
from emulator.realtime.relay.egress import clock_ns, release
from emulator.realtime.relay.ingress import BROKEN, GOING_ON, NEED_ROOM, admit, receive, settle
from emulator.realtime.relay.packet_queues import NOWHERE, SOON_NS
from emulator.realtime.relay.state import Air
from emulator.realtime.relay.system_calls import ready, set_timer, wait

ASKED = BROKEN + 1  # the control socket has something to say


@unlocked
def serve(air: Air) -> int:
    """Run until there is something for the caller to do: ASKED, NEED_ROOM in links or cells, or a source is BROKEN."""
    state = air.state[0]
    if state.lane != NOWHERE and not admit(air):
        return NEED_ROOM
    while True:
        now_ns = clock_ns(air)
        decided_ns = FOREVER_NS
        if state.running:
            if not settle(air, now_ns):
                return NEED_ROOM
            for cell in air.cells.cells:
                decided_ns = min(decided_ns, cell.next_ns)
        due_ns = release(air, now_ns)
        next_ns = min(due_ns, decided_ns + 1 if decided_ns < FOREVER_NS else FOREVER_NS)
        count = sleep(air, next_ns)
        state.published = state.rows  # another thread sees the rows' values first: calls are not moved across
        asked = False
        for place in range(count):
            descriptor = air.events[place].descriptor
            if descriptor == state.control:
                asked = True
            if descriptor in (state.control, state.timer):
                continue
            how, due_ns = receive(air, air.lane_of[descriptor], due_ns)
            if how != GOING_ON:
                return how
        if asked:
            return ASKED


@in_place
def sleep(air: Air, until_ns: int) -> int:
    """Wait until a descriptor is ready, or an instant has come: how many are.

    The timer is left alone where it wakes us early enough: setting and cancelling it costs more than all else
    that is done for a packet, where the machine is a virtual one.
    """
    state = air.state[0]
    now_ns = clock_ns(air)
    if until_ns - SOON_NS <= now_ns:
        return ready(state.poll, air.events)
    if until_ns < FOREVER_NS:
        at_ns = until_ns + state.start_ns
        if at_ns < state.timer_ns or state.timer_ns <= now_ns + state.start_ns:
            set_timer(air.words, state.timer, at_ns)
            state.timer_ns = at_ns
    return wait(state.poll, air.events)
