"""Plan a flood: when to send which packets on a link so that its queue is never empty and never full, from the link's
own schedule."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from emulator.core.fifo import FOREVER_NS
from emulator.core.units import NS_PER_S
from emulator.link import Link
from emulator.link.tables import Links
from emulator.realtime.probing.sockets import LARGEST_BYTES, SMALLEST_BYTES, burst_packets
from emulator.system import LinkSpec

MIN_FLOOD_PACKETS = 24  # unless the link cannot carry 24 packets of the smallest size
MIN_QUEUE_PACKETS = 8  # of a flood that fit into the link's queue, with the same exception
MAX_FLOOD_PACKETS = 2_000
AHEAD_PACKETS = 500  # one twentieth of the frames that may wait for the relay (`tap.QUEUE_FRAMES`)
UNLIMITED_BYTES = 2**62
MAX_WAIT_NS = 500_000_000  # for packets that the schedule delays


class Flood(NamedTuple):
    """Packets of `size_bytes`; `start_ns` and `due_ns` have shape (packets,), in time of the trace. By the schedule of
    the otherwise idle link, packet i begins to leave at `start_ns[i]`. It is sent at `due_ns[i]`, in bursts of `burst`
    packets. The last packet reaches the other end at `end_ns`."""

    size_bytes: int
    start_ns: Sequence[int]
    due_ns: Sequence[int]
    burst: int
    end_ns: int


def with_unlimited_queue(spec: LinkSpec) -> LinkSpec:
    """Return the same link with a queue that never drops a packet."""
    return replace(spec, queue_bytes=UNLIMITED_BYTES)


class FloodPlanner:
    """Plans floods and trains from the schedule of each link, without its cell and the cell's background traffic."""

    def __init__(self, specs: Sequence[LinkSpec], seed: int) -> None:
        self._specs = specs
        unlimited = [with_unlimited_queue(spec) for spec in specs]
        tables = Links(unlimited, seed)
        self._links = [Link(spec, tables, index) for index, spec in enumerate(unlimited)]

    def flood(self, index: int, now_ns: int, window_ns: int) -> Flood:
        """Plan the packets that an idle link can begin to send within `window_ns` from `now_ns` on: none if it has no
        coverage. Packets are sent ahead of the schedule by half of the queue."""
        spec, link = self._specs[index], self._links[index]
        link.reset()
        within_bytes = int(spec.trace.rate_bps(now_ns, now_ns + window_ns) * window_ns / NS_PER_S / 8)
        fitting_bytes = min(within_bytes // MIN_FLOOD_PACKETS, spec.queue_bytes // MIN_QUEUE_PACKETS, LARGEST_BYTES)
        size_bytes = max(fitting_bytes, SMALLEST_BYTES)
        starts: list[int] = []
        end_ns = now_ns
        while len(starts) < MAX_FLOOD_PACKETS:
            delivery = link.enqueue(now_ns, size_bytes, len(starts))
            if delivery is None or delivery.start_ns > now_ns + window_ns:
                break
            if delivery.arrival_ns > now_ns + window_ns + MAX_WAIT_NS:
                break
            starts.append(delivery.start_ns)
            end_ns = delivery.arrival_ns
        ahead = max(1, min(AHEAD_PACKETS, spec.queue_bytes // size_bytes // 2))
        burst = max(1, min(burst_packets(size_bytes), ahead // 2))
        # A burst is due when its last packet is `ahead` packets ahead of the one that begins to leave.
        gates = [number - number % burst + burst - ahead for number in range(len(starts))]
        due = [starts[min(gate, len(starts) - 1)] if gate > 0 else now_ns for gate in gates]
        return Flood(size_bytes, starts, due, burst, end_ns)

    def train_end_ns(self, at_ns: Sequence[Sequence[int]]) -> int:
        """Return when the last packet of all trains reaches the other end, without trains that take MAX_WAIT_NS longer
        than their sending. `at_ns`: for each link, when its packets are sent."""
        stop_ns = max(times[-1] for times in at_ns)
        ends = [self._last_arrival_ns(link, times) for link, times in zip(self._links, at_ns, strict=True)]
        return max((end for end in ends if end <= stop_ns + MAX_WAIT_NS), default=stop_ns)

    def _last_arrival_ns(self, link: Link, times: Sequence[int]) -> int:
        link.reset()
        deliveries = [link.enqueue(now_ns, SMALLEST_BYTES, number) for number, now_ns in enumerate(times)]
        return max(FOREVER_NS if each is None else each.arrival_ns for each in deliveries)
