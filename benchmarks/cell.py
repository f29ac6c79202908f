"""Simulated seconds per second of a cell with twenty saturated UEs, beside a plain loop over its slots.

Twenty UEs that always have data, proportional fair, 40 MHz at 30 kHz (0.5 ms slots, 7 resource block groups), fading
capacities; the traces are made beforehand. The peer runs the same slots in NumPy and Python: per slot, an array of
metrics, groups to the best UEs, sent bits off the heads of their queues. Both must deliver the same messages.
"""

import sys
import time
from collections import deque
from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmarks.rows import Row, row
from emulator.cell import Cell
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
REPEATS = 5

Deliveries = list[tuple[int, int]]  # (UE, end of the slot that sent a message's last bit), in order


def rows() -> Iterator[Row]:
    """Yield the row about the cell. Raises AssertionError if the cell and the peer deliver other messages."""
    capacities = saturating_capacities(SLOTS)
    check_equal(capacities[:, :2_000])
    factors: dict[str, list[float]] = {"airsplit": [], "peer": []}
    for repeat in range(REPEATS):
        for name, engine in (("airsplit", run_cell), ("peer", run_peer)):
            seconds, _ = engine(capacities)
            factors[name].append(capacities.shape[1] * SLOT_NS / NS_PER_S / seconds)
        print(f"cell_pf20_realtime_factor: {repeat + 1} of {REPEATS}", file=sys.stderr)
    own, peer = median(factors["airsplit"]), median(factors["peer"])
    ratio = median(first / second for first, second in zip(*factors.values(), strict=True))
    peer_name = "NumPy and Python, slot by slot"
    yield row("cell_pf20_realtime_factor", round(own, 1), "simulated s/s", peer_name, round(peer, 1), ratio)


def saturating_capacities(count: int) -> Ints:
    """Return the bits of each UE in each slot, shape (UEs, slots): exponential, means from 0.3 to 2, a tenth empty."""
    rng = np.random.default_rng(1)
    means = MEAN_BITS * np.linspace(0.3, 2.0, UES)[:, None]
    bits = means * rng.exponential(1.0, (UES, count)) * (rng.random((UES, count)) > 0.1)
    bits[:, 0] = means[:, 0]
    return bits.astype(np.int64)


def check_equal(capacities: Ints) -> None:
    """Raise AssertionError unless cell and peer deliver the same messages in the same slots."""
    assert sorted(run_cell(capacities)[1]) == sorted(run_peer(capacities)[1])


def messages_per_ue(capacities: Ints) -> int:
    """Return the number of messages that keeps every UE busy: as many as the best UE could send alone."""
    return int(capacities.sum(axis=1).max()) // (8 * SIZE_BYTES) + 1


def run_cell(capacities: Ints) -> tuple[float, Deliveries]:
    """Run the slots by `Cell`. Return the seconds that it took, and the deliveries."""
    links = [
        LinkSpec(f"ue{i}", "gnb", Trace(SLOT_NS, {"capacity_bits": bits}, "slot"), queue_bytes=2**60, cell="cell")
        for i, bits in enumerate(capacities)
    ]
    cell = Cell.standalone(CellSpec("pf", GROUPS, WINDOW_SLOTS), links, 1)
    for ue in range(UES):
        for _ in range(messages_per_ue(capacities)):
            cell.enqueue(0, ue, SIZE_BYTES)
    start = time.perf_counter()
    deliveries = cell.advance(capacities.shape[1] * SLOT_NS)
    return time.perf_counter() - start, [(each.link, each.delivery.release_ns) for each in deliveries]


def run_peer(capacities: Ints) -> tuple[float, Deliveries]:
    """Run the slots in plain Python and NumPy. Return the seconds that it took, and the deliveries."""
    queues = [deque([SIZE_BYTES * 8] * messages_per_ue(capacities)) for _ in range(UES)]
    mean_bits, last_served_slot = np.zeros(UES), np.full(UES, -1)
    found: Deliveries = []
    start = time.perf_counter()
    for slot, capacity in enumerate(capacities.T):
        if not capacity.any():
            continue
        metric = capacity / np.maximum(mean_bits, 1.0)
        sent_bits, free_groups = np.zeros(UES), GROUPS
        for ue in np.lexsort((np.arange(UES), last_served_slot, -metric)):
            if capacity[ue] == 0 or free_groups == 0:
                break
            wanted_bits = min(int(capacity[ue]), sum_up_to(queues[ue], int(capacity[ue])))
            groups = min(free_groups, -(-wanted_bits * GROUPS // int(capacity[ue])))
            free_groups -= groups
            last_served_slot[ue] = slot
            sent_bits[ue] = bits = min(wanted_bits, int(capacity[ue]) * groups // GROUPS)
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
