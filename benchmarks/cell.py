"""How much faster than life a cell of twenty busy UEs is, beside the plainest walk over its slots.

Twenty UEs with more to send than the cell can carry, proportional fair, 40 MHz at 30 kHz (0.5 ms slots, 7 groups),
capacities that fade; the traces are made beforehand. The peer does the same slots in NumPy and Python: per slot,
merits as an array, groups to the best, what is sent off the front of a queue. Both must deliver the same messages.
"""

import sys
import time
from collections import deque
from statistics import median

import numpy as np

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

Row = dict[str, str | float]
Done = list[tuple[int, int]]  # (UE, end of the slot in which a message was all sent), in order


def rows() -> list[Row]:
    """The row of `make bench` about the cell. Raises AssertionError where the two did not do the same."""
    capacities = busy_capacities(SLOTS)
    check_equal(capacities[:, :2_000])
    factors: dict[str, list[float]] = {"airsplit": [], "peer": []}
    for repeat in range(REPEATS):
        for name, engine in (("airsplit", through_the_cell), ("peer", slot_by_slot)):
            seconds, _ = engine(capacities)
            factors[name].append(capacities.shape[1] * SLOT_NS / NS_PER_S / seconds)
        print(f"cell_pf20_realtime_factor: {repeat + 1} of {REPEATS}", file=sys.stderr)
    return [
        {
            "name": "cell_pf20_realtime_factor",
            "value": round(median(factors["airsplit"]), 1),
            "unit": "simulated s/s",
            "peer": "NumPy and Python, slot by slot",
            "peer_value": round(median(factors["peer"]), 1),
            "ratio": round(median(own / peer for own, peer in zip(*factors.values(), strict=True)), 2),
        }
    ]


def busy_capacities(count: int) -> Ints:
    """Bits of each UE in each slot, shape (UEs, slots): exponential about unlike means, a tenth of the slots empty."""
    rng = np.random.default_rng(1)
    means = MEAN_BITS * np.linspace(0.3, 2.0, UES)[:, None]
    bits = means * rng.exponential(1.0, (UES, count)) * (rng.random((UES, count)) > 0.1)
    bits[:, 0] = means[:, 0]
    return bits.astype(np.int64)


def check_equal(capacities: Ints) -> None:
    """Raise AssertionError unless both deliver the same messages in the same slots."""
    assert sorted(through_the_cell(capacities)[1]) == sorted(slot_by_slot(capacities)[1])


def messages_each(capacities: Ints) -> int:
    """As many of each UE as one UE alone could get through."""
    return int(capacities.sum(axis=1).max()) // (8 * SIZE_BYTES) + 1


def through_the_cell(capacities: Ints) -> tuple[float, Done]:
    """Seconds that the slots took, and what they delivered."""
    links = [
        LinkSpec(f"ue{i}", "gnb", Trace(SLOT_NS, {"capacity_bits": bits}, "slot"), queue_bytes=2**60, cell="cell")
        for i, bits in enumerate(capacities)
    ]
    cell = Cell(CellSpec("pf", GROUPS, WINDOW_SLOTS), links, 1)
    for ue in range(UES):
        for _ in range(messages_each(capacities)):
            cell.enqueue(0, ue, SIZE_BYTES)
    start = time.perf_counter()
    found = cell.advance(capacities.shape[1] * SLOT_NS)
    return time.perf_counter() - start, [(each.link, each.delivery.release_ns) for each in found]


def slot_by_slot(capacities: Ints) -> tuple[float, Done]:
    """The same without compiled code."""
    queues = [deque([SIZE_BYTES * 8] * messages_each(capacities)) for _ in range(UES)]
    mean_bits, turn = np.zeros(UES), np.full(UES, -1)
    found: Done = []
    start = time.perf_counter()
    for slot, capacity in enumerate(capacities.T):
        if not capacity.any():
            continue
        merit = capacity / np.maximum(mean_bits, 1.0)
        sent, left = np.zeros(UES), GROUPS
        for ue in np.lexsort((np.arange(UES), turn, -merit)):
            if capacity[ue] == 0 or left == 0:
                break
            wanted = min(int(capacity[ue]), sum_to(queues[ue], int(capacity[ue])))
            groups = min(left, -(-wanted * GROUPS // int(capacity[ue])))
            left -= groups
            turn[ue] = slot
            sent[ue] = bits = min(wanted, int(capacity[ue]) * groups // GROUPS)
            while bits:
                gone = min(bits, queues[ue][0])
                queues[ue][0] -= gone
                bits -= gone
                if queues[ue][0] == 0:
                    queues[ue].popleft()
                    found.append((int(ue), (slot + 1) * SLOT_NS))
        mean_bits += (sent - mean_bits) / WINDOW_SLOTS
    return time.perf_counter() - start, found


def sum_to(queue: "deque[int]", enough: int) -> int:
    """The bits in a queue, or at least `enough` of them."""
    total = 0
    for bits in queue:
        total += bits
        if total >= enough:
            break
    return total


if __name__ == "__main__":
    print(rows())
