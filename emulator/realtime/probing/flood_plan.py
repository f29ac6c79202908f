"""What a probe sends on a link, so that its queue is never empty and never full: from the schedule of the same link."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from emulator.core.fifo import FOREVER_NS
from emulator.core.units import NS_PER_S
from emulator.link import Link
from emulator.link.tables import Links
from emulator.realtime.probing.sockets import LARGEST_BYTES, SMALLEST_BYTES, burst_packets
from emulator.system import LinkSpec

FEWEST_PACKETS = 24  # a flood has so many, if the smallest are small enough for that
FEWEST_QUEUED = 8  # of a flood's packets the link has room for so many, likewise
MOST_PACKETS = 2_000
AHEAD_PACKETS = 500  # one twentieth of what may wait for the relay (`tap.QUEUE_FRAMES`)
UNLIMITED_BYTES = 2**62
PATIENCE_NS = 500_000_000  # for packets that the schedule holds back


class Flood(NamedTuple):
    """Packets of `size_bytes`, shape (packets,) each (times of the trace). By the schedule, packet i begins to leave at
    `start_ns[i]` if the link has nothing else to do; it is sent at `due_ns[i]`, `burst` of them at once. The last one
    reaches the other end at `end_ns`."""

    size_bytes: int
    start_ns: Sequence[int]
    due_ns: Sequence[int]
    burst: int
    end_ns: int


def without_limit(spec: LinkSpec) -> LinkSpec:
    """The same link with a queue that takes everything."""
    return replace(spec, queue_bytes=UNLIMITED_BYTES)


class Plans:
    """The schedule of each link by itself, cells and their background not counted."""

    def __init__(self, specs: Sequence[LinkSpec], seed: int) -> None:
        self._specs = specs
        endless = [without_limit(spec) for spec in specs]
        tables = Links(endless, seed)
        self._links = [Link.of(spec, tables, index) for index, spec in enumerate(endless)]

    def flood(self, index: int, now_ns: int, window_ns: int) -> Flood:
        """What the link can begin to send within `window_ns` from now on, where it is idle: no packet at all where
        it has no coverage as long. So many are sent ahead of the schedule as fill half of its queue."""
        spec, link = self._specs[index], self._links[index]
        link.reset()
        within_bytes = int(spec.trace.rate_bps(now_ns, now_ns + window_ns) * window_ns / NS_PER_S / 8)
        fitting_bytes = min(within_bytes // FEWEST_PACKETS, spec.queue_bytes // FEWEST_QUEUED, LARGEST_BYTES)
        size_bytes = max(fitting_bytes, SMALLEST_BYTES)
        starts: list[int] = []
        end_ns = now_ns
        while len(starts) < MOST_PACKETS:
            delivery = link.enqueue(now_ns, size_bytes, len(starts))
            if delivery is None or delivery.start_ns > now_ns + window_ns:
                break
            if delivery.arrival_ns > now_ns + window_ns + PATIENCE_NS:
                break
            starts.append(delivery.start_ns)
            end_ns = delivery.arrival_ns
        ahead = max(1, min(AHEAD_PACKETS, spec.queue_bytes // size_bytes // 2))
        burst = max(1, min(burst_packets(size_bytes), ahead // 2))
        # A burst waits until its last packet is `ahead` of the one that begins to leave.
        gates = [number - number % burst + burst - ahead for number in range(len(starts))]
        due = [starts[min(gate, len(starts) - 1)] if gate > 0 else now_ns for gate in gates]
        return Flood(size_bytes, starts, due, burst, end_ns)

    def train_end_ns(self, at_ns: Sequence[Sequence[int]]) -> int:
        """When the last of all trains has reached its other end: by link, when small packets are sent on it. Trains
        that take PATIENCE_NS longer than that are not waited for."""
        stop_ns = max(times[-1] for times in at_ns)
        ends = [self._last_arrival_ns(link, times) for link, times in zip(self._links, at_ns, strict=True)]
        return max((end for end in ends if end <= stop_ns + PATIENCE_NS), default=stop_ns)

    def _last_arrival_ns(self, link: Link, times: Sequence[int]) -> int:
        link.reset()
        deliveries = [link.enqueue(now_ns, SMALLEST_BYTES, number) for number, now_ns in enumerate(times)]
        return max(FOREVER_NS if each is None else each.arrival_ns for each in deliveries)
