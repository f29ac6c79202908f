"""Probe all links with real packets before a run, and compare their rates and delays with the schedule.

Links are flooded one after the other, so that each has its cell and the machine to itself, with no more packets than
the link carries in a short while. Then trains of small packets are sent on all links in turn.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from emulator.core.units import NS_PER_S
from emulator.realtime.packet_log import PACKETS
from emulator.realtime.probing.estimates import TRAIN, FloodAttempt, ProbeRecord, SentPacket, estimate, unhindered
from emulator.realtime.probing.expected_releases import LoggedPackets, releases_ns
from emulator.realtime.probing.flood_plan import Flood, FloodPlanner
from emulator.realtime.probing.report import ProbeReport
from emulator.realtime.probing.sockets import SMALLEST_BYTES, LinkEnd, Mark, Sockets
from emulator.realtime.relay import Relay
from emulator.realtime.relay.priority import set_realtime_priority
from emulator.system import CellSpec, LinkSpec

BUDGET_NS = 6 * NS_PER_S  # for the floods of all links, without waiting times
LONGEST_FLOOD_NS = 100_000_000
ATTEMPTS = 3  # at a flood, if this machine was too late to fill the link
TRAIN_PACKETS = 4_000  # on all links together
MAX_TRAIN_PACKETS, MIN_TRAIN_PACKETS = 50, 10  # on each link
TRAIN_GAP_NS = 500_000  # between packets, whichever their links
MIN_TRAIN_NS = 100_000_000
MARGIN_NS = 5_000_000  # for packets that have left the relay to be received
PLANNING_NS = 5_000_000  # enough to plan what to send
WARM_UP_S = 0.02  # until the kernel, which starts this asynchronously, stamps packets
GOLDEN = 0.618_033_988_75  # its multiples modulo 1 are spread evenly, as phases in the slots of a link


def probe(
    relay: Relay,
    links: Sequence[LinkSpec],
    cells: Mapping[str, CellSpec],
    seed: int,
    duration_ns: int,
    ends: Sequence[tuple[LinkEnd, LinkEnd]],
    log: Path,
) -> list[ProbeReport]:
    """Return a report for each link, whose two ends are in `ends`; write the relay's log of the probing to `log`.
    Links, cells, seed and duration are the relay's.

    Nothing else may send meanwhile. Raises OSError if a socket cannot be made or used, and what `relay` raises."""
    with Sockets(ends) as sockets:
        probing = _Probing(sockets, links, seed)
        time.sleep(WARM_UP_S)
        start_ns = time.monotonic_ns() + MARGIN_NS
        relay.begin(start_ns, log)
        try:
            # The priority is that of a thread, which ends with the probing.
            with ThreadPoolExecutor(1, initializer=set_realtime_priority) as thread:
                thread.submit(probing.run, start_ns).result()
        finally:
            relay.end()
        probing.receive()  # packets that the relay wrote at the end
    logged = read_logged_packets(log, len(links))
    records = [ProbeRecord(*each) for each in zip(logged, probing.floods, probing.sent, probing.received, strict=True)]
    scheduled_ns = releases_ns(links, cells, seed, duration_ns, logged)
    ideal_ns = scheduled_ns
    if not all(flood.was_in_time for flood in probing.floods):
        never_late = [unhindered(each, spec.trace) for spec, each in zip(links, records, strict=True)]
        ideal_ns = releases_ns(links, cells, seed, duration_ns, never_late)
    return [
        estimate(index, spec, each, scheduled_ns[index], ideal_ns[index])
        for index, (spec, each) in enumerate(zip(links, records, strict=True))
    ]


class _Probing:
    """Sends and receives probe packets. `sent`, `received` and `floods` have an entry for each link."""

    def __init__(self, sockets: Sockets, links: Sequence[LinkSpec], seed: int) -> None:
        self._sockets = sockets
        self._planner = FloodPlanner(links, seed)
        self._tolerance_ns = [2 * link.trace.slot_ns if link.trace.release == "slot" else 0 for link in links]
        self._start_ns = 0
        self._window_ns = min(LONGEST_FLOOD_NS, BUDGET_NS // max(len(links), 1))
        self.sent: list[list[SentPacket]] = [[] for _ in links]
        self.received: list[dict[Mark, int]] = [{} for _ in links]
        self.floods: list[FloodAttempt] = []

    def run(self, start_ns: int) -> None:
        self._start_ns = start_ns
        for link in range(len(self.sent)):
            self._flood(link)
        if self.sent:
            self._trains()

    def _flood(self, link: int) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            at_ns = max(self._now_ns(), 0) + PLANNING_NS
            plan = self._planner.flood(link, at_ns, self._window_ns)
            in_time = self._fill(link, attempt, plan)
            self._wait_until(plan.end_ns + MARGIN_NS)
            self.receive()
            if in_time:
                break
        self.floods.append(FloodAttempt(at_ns, attempt, plan, in_time))

    def _fill(self, link: int, attempt: int, plan: Flood) -> bool:
        """Send a flood; return whether each packet arrived before the link had sent the packets before it. Under the
        slot rule the first slot is not full."""
        in_time = True
        tolerance_ns = self._tolerance_ns[link]
        total = len(plan.start_ns)
        for first in range(0, total, plan.burst):
            count = min(plan.burst, total - first)
            self._wait_until(plan.due_ns[first])
            in_time &= first == 0 or self._now_ns() < plan.start_ns[first] + tolerance_ns
            self._send(link, attempt, first, count, plan.size_bytes)
        return in_time

    def _trains(self) -> None:
        links = len(self.sent)
        packets = min(max(TRAIN_PACKETS // links, MIN_TRAIN_PACKETS), MAX_TRAIN_PACKETS)
        gap_ns = max(TRAIN_GAP_NS, MIN_TRAIN_NS // (packets * links))
        begin_ns = self._now_ns() + PLANNING_NS
        times_ns = [
            [begin_ns + int((number * links + link + number * GOLDEN % 1) * gap_ns) for number in range(packets)]
            for link in range(links)
        ]
        end_ns = self._planner.train_end_ns(times_ns)
        for number in range(packets):
            for link in range(links):
                self._wait_until(times_ns[link][number])
                self._send(link, TRAIN, number, 1, SMALLEST_BYTES)
        self._wait_until(max(end_ns, self._now_ns()) + MARGIN_NS)
        self.receive()

    def _send(self, link: int, attempt: int, first: int, count: int, size_bytes: int) -> None:
        at_ns = self._now_ns()
        self._sockets.send(link, attempt, first, count, size_bytes)
        self.sent[link] += [SentPacket(Mark(attempt, link, number), at_ns) for number in range(first, first + count)]

    def receive(self) -> None:
        """Record the packets received since the last call."""
        for mark, at_ns in self._sockets.received():
            self.received[mark.link][mark] = at_ns - self._start_ns

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _wait_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - self._now_ns()) > 0:
            time.sleep(left_ns / NS_PER_S)


def read_logged_packets(log: Path, links: int) -> list[LoggedPackets]:
    """Read the packets of each link, by number, from a relay's log. Raises ValueError if the file is none, OSError
    if it cannot be read."""
    packets = pq.read_table(log, schema=PACKETS).sort_by([("link", "ascending"), ("number", "ascending")])
    columns = {name: packets[name].to_numpy().astype(np.int64) for name in ("link", *LoggedPackets._fields)}
    edges = np.searchsorted(columns["link"], np.arange(links + 1))
    return [
        LoggedPackets(*(columns[name][begin:end] for name in LoggedPackets._fields))
        for begin, end in pairwise(edges.tolist())
    ]
