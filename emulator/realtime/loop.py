"""The relay's one loop, in compiled code: what is due goes, what has come is read, and then it sleeps until either."""

from emulator.compiled import unlocked
from emulator.queues import FOREVER_NS
from emulator.realtime.admission import BROKEN, GOING_ON, NEED_ROOM, admit, receive, settle
from emulator.realtime.air import Air
from emulator.realtime.departures import clock_ns, release
from emulator.realtime.lanes import NOWHERE
from emulator.realtime.system_calls import wait
from emulator.units import NS_PER_S

ASKED = BROKEN + 1  # the control socket has something to say
LONGEST_SLEEP_NS = 3_600 * NS_PER_S


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
        now_ns = clock_ns(air)
        next_ns = min(due_ns, decided_ns + 1 if decided_ns < FOREVER_NS else FOREVER_NS, now_ns + LONGEST_SLEEP_NS)
        count = wait(air.words, state.poll, air.events, max(next_ns - now_ns, 0))
        state.published = state.rows  # another thread sees the rows' values first: calls are not moved across
        asked = False
        for place in range(count):
            descriptor = air.events[place].descriptor
            if descriptor == state.control:
                asked = True
                continue
            how, due_ns = receive(air, air.lane_of[descriptor], due_ns)
            if how != GOING_ON:
                return how
        if asked:
            return ASKED
