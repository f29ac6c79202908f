"""Before a run: what real packets meet on each link, beside the schedule of the same link.

Directions are flooded one after the other, so that each has its cell and the machine to itself, with no more than the
link can carry in a short while. Then all are sent trains of small packets, their links in turn.
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
from emulator.realtime.probing.estimates import TRAIN, FloodAttempt, ProbeRecord, SentPacket, figures, unhindered
from emulator.realtime.probing.expected_releases import LoggedPackets, releases_ns
from emulator.realtime.probing.flood_plan import Flood, FloodPlanner
from emulator.realtime.probing.report import ProbeReport
from emulator.realtime.probing.sockets import SMALLEST_BYTES, LinkEnd, Mark, Sockets
from emulator.realtime.relay import Relay
from emulator.realtime.relay.priority import set_realtime_priority
from emulator.system import CellSpec, LinkSpec

BUDGET_NS = 6 * NS_PER_S  # for the floods of all links together, what they wait for not counted
LONGEST_FLOOD_NS = 100_000_000
ATTEMPTS = 3  # of a flood, where this machine was late to fill the link
TRAIN_PACKETS = 4_000  # on all links together
LONGEST_TRAIN, SHORTEST_TRAIN = 50, 10  # packets on each link
TRAIN_GAP_NS = 500_000
SHORTEST_TRAIN_NS = 100_000_000
MARGIN_NS = 5_000_000  # for packets that have left
PLANNING_NS = 5_000_000  # enough to work out what to send
WARM_UP_S = 0.02  # until the kernel stamps packets: it starts to in a task of its own
GOLDEN = 0.618_033_988_75  # its multiples, modulo 1, are spread evenly: phases in the slots of a link


def probe(
    relay: Relay,
    links: Sequence[LinkSpec],
    cells: Mapping[str, CellSpec],
    seed: int,
    duration_ns: int,
    ends: Sequence[tuple[LinkEnd, LinkEnd]],
    log: Path,
) -> list[ProbeReport]:
    """A row for each link, whose two ends are in `ends`; the relay's log of the probing is left in `log`. Links, cells,
    seed and duration are the relay's.

    Nothing else may send. Raises OSError where a socket cannot be made or used, and what `relay` raises."""
    with Sockets(ends) as sockets:
        probing = _Probing(sockets, links, seed)
        time.sleep(WARM_UP_S)
        start_ns = time.monotonic_ns() + MARGIN_NS
        relay.begin(start_ns, log)
        try:
            # A thread of its own takes precedence, and keeps it to itself.
            with ThreadPoolExecutor(1, initializer=set_realtime_priority) as thread:
                thread.submit(probing.run, start_ns).result()
        finally:
            relay.end()
        probing.hear()  # what the end of the probing has let out
    directions = directions_of(log, len(links))
    told = [ProbeRecord(*each) for each in zip(directions, probing.floods, probing.sent, probing.received, strict=True)]
    scheduled_ns = releases_ns(links, cells, seed, duration_ns, directions)
    ideal_ns = scheduled_ns
    if not all(flood.was_in_time for flood in probing.floods):
        never_late = [unhindered(each, spec.trace) for spec, each in zip(links, told, strict=True)]
        ideal_ns = releases_ns(links, cells, seed, duration_ns, never_late)
    return [
        figures(index, spec, each, scheduled_ns[index], ideal_ns[index])
        for index, (spec, each) in enumerate(zip(links, told, strict=True))
    ]


class _Probing:
    """Sends and hears; what came of it is in `sent`, `received` and `floods`, one entry a link each."""

    def __init__(self, sockets: Sockets, links: Sequence[LinkSpec], seed: int) -> None:
        self._sockets = sockets
        self._plans = FloodPlanner(links, seed)
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
            plan = self._plans.flood(link, at_ns, self._window_ns)
            in_time = self._fill(link, attempt, plan)
            self._wait_until(plan.end_ns + MARGIN_NS)
            self.hear()
            if in_time:
                break
        self.floods.append(FloodAttempt(at_ns, attempt, plan, in_time))

    def _fill(self, link: int, attempt: int, plan: Flood) -> bool:
        """Send a flood; whether packets came before the link was done with those before them. Under the slot rule
        the first slot is not full."""
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
        packets = min(max(TRAIN_PACKETS // links, SHORTEST_TRAIN), LONGEST_TRAIN)
        gap_ns = max(TRAIN_GAP_NS, SHORTEST_TRAIN_NS // (packets * links))
        begin_ns = self._now_ns() + PLANNING_NS
        times_ns = [
            [begin_ns + int((number * links + link + number * GOLDEN % 1) * gap_ns) for number in range(packets)]
            for link in range(links)
        ]
        end_ns = self._plans.train_end_ns(times_ns)
        for number in range(packets):
            for link in range(links):
                self._wait_until(times_ns[link][number])
                self._send(link, TRAIN, number, 1, SMALLEST_BYTES)
        self._wait_until(max(end_ns, self._now_ns()) + MARGIN_NS)
        self.hear()

    def _send(self, link: int, attempt: int, first: int, count: int, size_bytes: int) -> None:
        at_ns = self._now_ns()
        self._sockets.send(link, attempt, first, count, size_bytes)
        self.sent[link] += [SentPacket(Mark(attempt, link, number), at_ns) for number in range(first, first + count)]

    def hear(self) -> None:
        """Note what has come since the last time."""
        for mark, at_ns in self._sockets.received():
            self.received[mark.link][mark] = at_ns - self._start_ns

    def _now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def _wait_until(self, at_ns: int) -> None:
        while (left_ns := at_ns - self._now_ns()) > 0:
            time.sleep(left_ns / NS_PER_S)


def directions_of(log: Path, links: int) -> list[LoggedPackets]:
    """The packets of each link that a log of the relay's tells of, by number. Raises ValueError where the file is
    none, OSError where there is none."""
    packets = pq.read_table(log, schema=PACKETS).sort_by([("link", "ascending"), ("number", "ascending")])
    columns = {name: packets[name].to_numpy().astype(np.int64) for name in ("link", *LoggedPackets._fields)}
    edges = np.searchsorted(columns["link"], np.arange(links + 1))
    return [
        LoggedPackets(*(columns[name][begin:end] for name in LoggedPackets._fields))
        for begin, end in pairwise(edges.tolist())
    ]
