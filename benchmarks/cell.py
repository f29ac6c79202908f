"""Simulated seconds per second of a cell with twenty saturated UEs, beside a plain loop over its slots.

Twenty UEs that always have data, proportional fair by resource block group, 0.5 ms slots, 7 groups,
fading capacities and CQIs of the groups; the traces are made beforehand. The peer runs the same slots in NumPy and
Python: per slot, an array of metrics, each group to the best UE, sent bits off the heads of the queues. Both must
deliver the same messages.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.rows import Row, row
from emulator.cell import Cell
from emulator.channel.air.modulation import cqi_table
from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_S
from emulator.system import CellSpec, LinkSpec
from emulator.trace import Trace

UES = 20
GROUPS = 7
WINDOW_SLOTS = 200
SLOT_NS = 500_000
SLOTS = 20_000  # ten seconds
SIZE_BYTES = 30_000
MEAN_BITS = 40_000.0
CQI_TABLE = 2
REPEATS = 5

Deliveries = list[tuple[int, int]]  # (UE, end of the slot that sent a message's last bit), in order


def rows() -> Iterator[Row]:
    """Yield the row about the cell. Raises AssertionError if the cell and the peer deliver other messages."""
    channels = saturating_channels(SLOTS)
    check_equal(channels.until(2_000))
    factors: dict[str, list[float]] = {"airsplit": [], "peer": []}
    for repeat in range(REPEATS):
        for name, engine in (("airsplit", run_cell), ("peer", run_peer)):
            seconds, _ = engine(channels)
            factors[name].append(SLOTS * SLOT_NS / NS_PER_S / seconds)
        print(f"cell_pf20_realtime_factor: {repeat + 1} of {REPEATS}", file=sys.stderr)
    own, peer = median(factors["airsplit"]), median(factors["peer"])
    ratio = median(first / second for first, second in zip(*factors.values(), strict=True))
    peer_name = "NumPy and Python, slot by slot"
    yield row("cell_pf20_realtime_factor", round(own, 1), "simulated s/s", peer_name, round(peer, 1), ratio)


class Channels(NamedTuple):
    """What each UE can send in each slot, shape (UEs, slots, ...)."""

    capacity_bits: Ints
    cqi: Ints
    differences: Ints  # differential CQI of each group, shape (UEs, slots, GROUPS)

    def until(self, count: int) -> "Channels":
        """Return the first slots."""
        return Channels(*(values[:, :count] for values in self))

    def traces(self) -> Iterator[Trace]:
        """Yield the trace of each UE."""
        for capacity_bits, cqi, differences in zip(*self, strict=True):
            columns = {
                "capacity_bits": capacity_bits,
                "cqi": cqi.astype(np.int8),
                "subband_cqi": (differences << 2 * np.arange(GROUPS)).sum(axis=1),
                "grant_groups": np.full(len(cqi), GROUPS, np.int8),
            }
            yield Trace(SLOT_NS, columns, "slot", metadata={"radio": {"adaptation": {"cqi_table": CQI_TABLE}}})


def saturating_channels(count: int) -> Channels:
    """Return channels whose capacities are exponential with means from 0.3 to 2, a tenth empty, and whose groups' CQIs
    are drawn alike."""
    rng = np.random.default_rng(1)
    means = MEAN_BITS * np.linspace(0.3, 2.0, UES)[:, None]
    bits = means * rng.exponential(1.0, (UES, count)) * (rng.random((UES, count)) > 0.1)
    bits[:, 0] = means[:, 0]
    cqi, differences = rng.integers(3, 14, (UES, count)), rng.integers(0, 4, (UES, count, GROUPS))
    return Channels(bits.astype(np.int64), cqi, differences)


def check_equal(channels: Channels) -> None:
    """Raise AssertionError unless cell and peer deliver the same messages in the same slots."""
    assert sorted(run_cell(channels)[1]) == sorted(run_peer(channels)[1])


def messages_per_ue(channels: Channels) -> int:
    """Return the number of messages that keeps every UE busy: as many as the best UE could send alone."""
    return int(channels.capacity_bits.sum(axis=1).max()) // (8 * SIZE_BYTES) + 1


def run_cell(channels: Channels) -> tuple[float, Deliveries]:
    """Run the slots by `Cell`. Return the seconds that it took, and the deliveries."""
    links = [
        LinkSpec(f"ue{i}", "gnb", trace, queue_bytes=2**60, cell="cell") for i, trace in enumerate(channels.traces())
    ]
    cell = Cell.standalone(CellSpec("pf", GROUPS, WINDOW_SLOTS), links, 1)
    for ue in range(UES):
        for _ in range(messages_per_ue(channels)):
            cell.enqueue(0, ue, SIZE_BYTES)
    start = time.perf_counter()
    deliveries = cell.advance(channels.cqi.shape[1] * SLOT_NS)
    return time.perf_counter() - start, [(each.link, each.delivery.release_ns) for each in deliveries]


def run_peer(channels: Channels) -> tuple[float, Deliveries]:
    """Run the slots in plain Python and NumPy. Return the seconds that it took, and the deliveries."""
    queues = [deque([SIZE_BYTES * 8] * messages_per_ue(channels)) for _ in range(UES)]
    mean_bits, last_served_slot = np.zeros(UES), np.full(UES, -1)
    formats, steps = cqi_table(CQI_TABLE), np.array([0, 1, 2, -1])
    weight_of = formats.order * formats.rate_2048
    found: Deliveries = []
    start = time.perf_counter()
    for slot, capacity in enumerate(channels.capacity_bits.T):
        if not capacity.any():
            continue
        weights = weight_of[channels.cqi[:, slot, None] + steps[channels.differences[:, slot]] - 1]
        wholes, given = weights.sum(axis=1), np.zeros(UES, np.int64)
        merits = (capacity / np.maximum(mean_bits, 1.0) * (GROUPS / wholes))[:, None] * weights
        wanted_bits = np.array([min(int(c), sum_up_to(q, int(c))) for c, q in zip(capacity, queues, strict=True)])
        order = np.lexsort((np.arange(UES), last_served_slot))
        for group in range(GROUPS):
            needing = order[given[order] * capacity[order] // wholes[order] < wanted_bits[order]]
            if len(needing) == 0:
                break
            ue = needing[merits[needing, group].argmax()]
            given[ue] += weights[ue, group]
        last_served_slot[given > 0] = slot
        sent_bits = np.minimum(wanted_bits, capacity * given // wholes)
        for ue in np.flatnonzero(sent_bits):
            bits = int(sent_bits[ue])
            while bits:
                part_bits = min(bits, queues[ue][0])
                queues[ue][0] -= part_bits
                bits -= part_bits
                if queues[ue][0] == 0:
                    queues[ue].popleft()
                    found.append((int(ue), (slot + 1) * SLOT_NS))
        mean_bits += (sent_bits - mean_bits) / WINDOW_SLOTS
    return time.perf_counter() - start, found


def sum_up_to(queue: "deque[int]", enough: int) -> int:
    """Return the bits in a queue, or a part of the sum that is at least `enough`."""
    total = 0
    for bits in queue:
        total += bits
        if total >= enough:
            break
    return total


if __name__ == "__main__":
    print(*rows())
