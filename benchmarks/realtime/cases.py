"""The links that the schedule is checked on: constant, recorded LTE, generated 5G with TDD, a cell of two UEs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.channel import SPEED_MPS, radio, street
from benchmarks.realtime.hosts import Lane
from benchmarks.realtime.programs import Plan
from benchmarks.realtime.traffic import HEADERS_BYTES, NUMBER_BYTES, PACKET_BYTES
from emulator.channel.generate import generate
from emulator.channel.radio import Direction
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.system import CellSpec, LinkSpec, Ramp
from emulator.trace import Trace, constant
from emulator.trace.formats import import_trace

RECORDINGS = Path(__file__).parents[3] / "shared" / "traces"
LTE = "mahimahi/TMobile-LTE-short"
LOAD = 0.7  # of what the link carries in its first seconds
BURST = 4  # datagrams that come together, on average
SIZES_BYTES = (HEADERS_BYTES + NUMBER_BYTES, PACKET_BYTES)


class Case(NamedTuple):
    """Lanes between hosts, and the cell that their links share where they do."""

    name: str
    lanes: tuple[Lane, ...]
    cell: CellSpec | None = None

    @property
    def links(self) -> list[LinkSpec]:
        """Both directions of each lane, one lane after the other."""
        return [link for lane in self.lanes for link in lane]

    @property
    def cells(self) -> dict[str, CellSpec]:
        """The cell by its name."""
        return {} if self.cell is None else {link.cell: self.cell for link in self.links if link.cell}


def cases(names: Sequence[str], duration_ns: int) -> list[Case]:
    """Those of these names; the LTE one where there are recordings."""
    made: dict[str, Callable[[], Case]] = {
        "constant": constant_case,
        "lte": lte_case,
        "nr": lambda: nr_case(duration_ns),
        "cell": lambda: cell_case(duration_ns),
    }
    return [made[name]() for name in names if name != "lte" or (RECORDINGS / f"{LTE}.up").exists()]


def constant_case() -> Case:
    """100 Mbit/s and 10 ms, unacknowledged, one fragment in a hundred lost, short queues that overflow."""
    there, back = (
        LinkSpec(source, target, constant(100e6), 10 * NS_PER_MS, 30_000, "um", 0.01)
        for source, target in (("a", "b"), ("b", "a"))
    )
    return Case("constant", (Lane(there, back),))


def lte_case() -> Case:
    """A recorded LTE channel both ways, acknowledged, with retransmissions and queues that overflow."""
    up, down = (import_trace(RECORDINGS / f"{LTE}.{way}", "mahimahi") for way in ("up", "down"))
    there, back = (
        LinkSpec(source, target, trace, 20 * NS_PER_MS, 60_000, loss=0.01, retransmission_ns=8 * NS_PER_MS)
        for source, target, trace in (("a", "b", up), ("b", "a", down))
    )
    return Case("lte", (Lane(there, back),))


def nr_case(duration_ns: int) -> Case:
    """A generated 5G channel, DDDSU at 30 kHz, grants in the uplink, HARQ and RLC."""
    return Case("nr", (nr_lane("ue1", duration_ns),))


def cell_case(duration_ns: int) -> Case:
    """Two such UEs whose uplinks share a cell; the scheduler is proportional fair."""
    lanes = tuple(nr_lane(f"ue{number}", duration_ns, "gnb") for number in (1, 2))
    return Case("cell", lanes, CellSpec("pf", 14))


def nr_lane(ue: str, duration_ns: int, cell: str = "") -> Lane:
    """The uplink there, the downlink back."""
    grants = Ramp(20 * NS_PER_MS, 3 * NS_PER_MS, 5 * NS_PER_MS, 1_000, 3 * NS_PER_MS)
    up, down = (nr_trace(ue, way, duration_ns) for way in ("uplink", "downlink"))
    again_ns = 30 * NS_PER_MS
    there = LinkSpec(ue, "gnb", up, NS_PER_MS, 100_000, retransmission_ns=again_ns, ramp=grants, cell=cell)
    return Lane(there, LinkSpec("gnb", ue, down, NS_PER_MS, 100_000, retransmission_ns=again_ns))


def nr_trace(ue: str, way: Direction, duration_ns: int) -> Trace:
    """Along a street, at the speed of a car."""
    return generate(radio(branches=2), street(SPEED_MPS, duration_ns), duration_ns, 1, ue, way)


def plan(link: LinkSpec, number: int, duration_ns: int) -> Plan:
    """Datagrams of all sizes, in bursts that come as a Poisson process, to a part of what the link carries."""
    rng = generator(1, "benchmark", "datagrams", number)
    carried_bytes = link.trace.rate_bps(0, duration_ns) / 8 * duration_ns / NS_PER_S
    bursts = rng.geometric(1 / BURST, max(int(LOAD * carried_bytes / np.mean(SIZES_BYTES) / BURST), 1))
    at_ns = np.repeat(np.sort(rng.integers(0, duration_ns, len(bursts))), bursts)
    return Plan(at_ns, rng.integers(SIZES_BYTES[0], SIZES_BYTES[1] + 1, len(at_ns)))
