"""Cases of links for the schedule's check: constant, recorded LTE, generated 5G with TDD, a cell of two UEs."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.channel import SPEED_MPS, radio, street
from benchmarks.realtime.hosts import LinkPair
from benchmarks.realtime.programs import SendPlan
from benchmarks.realtime.traffic import NUMBER_BYTES, PACKET_BYTES, UDP_HEADERS_BYTES
from emulator.channel.generate import generate
from emulator.channel.radio import Direction
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import CellSpec, LinkSpec, Ramp
from emulator.trace import Trace, constant
from emulator.trace.formats import import_trace

RECORDINGS = Path(__file__).parents[3] / "shared" / "traces"
LTE = "mahimahi/TMobile-LTE-short"
LOAD = 0.7  # of the link's capacity
BURST = 4  # mean datagrams of a burst
SIZES_BYTES = (UDP_HEADERS_BYTES + NUMBER_BYTES, PACKET_BYTES)


class LinkCase(NamedTuple):
    """Links between hosts, and the cell that they share, if any."""

    name: str
    link_pairs: tuple[LinkPair, ...]
    cell: CellSpec | None = None

    @property
    def links(self) -> list[LinkSpec]:
        """Both links of each pair, one pair after the other."""
        return [link for pair in self.link_pairs for link in pair]

    @property
    def cells(self) -> dict[str, CellSpec]:
        """The cell by its name."""
        return {} if self.cell is None else {link.cell: self.cell for link in self.links if link.cell}


def measurable(names: Sequence[str]) -> list[str]:
    """Return the names of cases without that of LTE if there are no recordings."""
    return [name for name in names if name != "lte" or (RECORDINGS / f"{LTE}.up").exists()]


def link_case(name: str, duration_ns: int) -> LinkCase:
    """Return the case of that name."""
    cases: dict[str, Callable[[], LinkCase]] = {
        "constant": constant_case,
        "lte": lte_case,
        "nr": partial(nr_case, duration_ns),
        "cell": partial(cell_case, duration_ns),
    }
    return cases[name]()


def constant_case() -> LinkCase:
    """100 Mbit/s and 10 ms, unacknowledged mode, 1 % of fragments lost, short queues that overflow."""
    there, back = (
        LinkSpec(source, target, constant(100e6), 10 * NS_PER_MS, 30_000, "um", 0.01)
        for source, target in (("a", "b"), ("b", "a"))
    )
    return LinkCase("constant", (LinkPair(there, back),))


def lte_case() -> LinkCase:
    """A recorded LTE channel in both directions, acknowledged mode with retransmissions, queues that overflow."""
    up, down = (import_trace(RECORDINGS / f"{LTE}.{direction}", "mahimahi") for direction in ("up", "down"))
    there, back = (
        LinkSpec(source, target, trace, 20 * NS_PER_MS, 60_000, loss=0.01, retransmission_ns=8 * NS_PER_MS)
        for source, target, trace in (("a", "b", up), ("b", "a", down))
    )
    return LinkCase("lte", (LinkPair(there, back),))


def nr_case(duration_ns: int) -> LinkCase:
    """A generated 5G channel, DDDSU at 30 kHz, grants in the uplink, HARQ and RLC."""
    return LinkCase("nr", (nr_links("ue1", duration_ns),))


def cell_case(duration_ns: int) -> LinkCase:
    """Two such UEs whose uplinks share a cell; the scheduler is proportional fair."""
    link_pairs = tuple(nr_links(f"ue{number}", duration_ns, "gnb") for number in (1, 2))
    return LinkCase("cell", link_pairs, CellSpec("pf", 14))


def nr_links(ue: str, duration_ns: int, cell: str = "") -> LinkPair:
    """Return the uplink (there) and the downlink (back) of a UE."""
    grants = Ramp(20 * NS_PER_MS, 3 * NS_PER_MS, 5 * NS_PER_MS, 1_000, 3 * NS_PER_MS)
    up, down = (nr_trace(ue, direction, duration_ns) for direction in ("uplink", "downlink"))
    retransmission_ns = 30 * NS_PER_MS
    there = LinkSpec(ue, "gnb", up, NS_PER_MS, 100_000, retransmission_ns=retransmission_ns, ramp=grants, cell=cell)
    return LinkPair(there, LinkSpec("gnb", ue, down, NS_PER_MS, 100_000, retransmission_ns=retransmission_ns))


def nr_trace(ue: str, direction: Direction, duration_ns: int) -> Trace:
    """Generate the channel of a UE on a street, at the speed of a car."""
    return generate(radio(antennas=2), street(SPEED_MPS, duration_ns), duration_ns, 1, ue, direction)


def send_plan(link: LinkSpec, number: int, duration_ns: int) -> SendPlan:
    """SendPlan datagrams of all sizes in bursts, which are a Poisson process, at LOAD of the link's capacity."""
    rng = generator(1, "benchmark", "datagrams", number)
    capacity_bytes = link.trace.rate_bps(0, duration_ns) / 8 * duration_ns / NS_PER_S
    bursts = rng.geometric(1 / BURST, max(int(LOAD * capacity_bytes / np.mean(SIZES_BYTES) / BURST), 1))
    at_ns = np.repeat(np.sort(rng.integers(0, duration_ns, len(bursts))), bursts)
    return SendPlan(at_ns, rng.integers(SIZES_BYTES[0], SIZES_BYTES[1] + 1, len(at_ns)))
