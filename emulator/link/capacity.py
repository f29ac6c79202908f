"""When bits leave, from the running sum of a trace's capacity: compiled code without state."""

import numpy as np

from emulator.core.arrays import Flags, Ints
from emulator.core.compiled import entry_point, in_place
from emulator.core.draws import uniform
from emulator.core.fifo import FOREVER_NS
from emulator.trace import Trace


def slot_outcomes(trace: Trace) -> tuple[Ints, Flags]:
    """Return HARQ delays and lost blocks by slot; empty arrays if the trace has none, or has the `fluid` rule, under
    which no slot leaves as a block. A slot without capacity delays and loses nothing."""
    delays, lost = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    carries = trace.capacity_bits > 0
    if trace.release == "slot" and "harq_delay_ns" in trace.columns:
        delays = trace.columns["harq_delay_ns"] * carries
    if trace.release == "slot" and "block_lost" in trace.columns:
        lost = trace.columns["block_lost"] & carries
    return delays, lost


def slot_delays_ns(trace: Trace, retransmission_ns: int) -> Ints:
    """Return how long after the end of each slot its acknowledged bits are received; an empty array if there is no
    delay. RLC sends a block that HARQ lost once more (TS 38.322 5.3), `retransmission_ns` after HARQ gave up; the
    capacity that this takes is not charged."""
    delays, lost = slot_outcomes(trace)
    if lost.any() and retransmission_ns:
        again_ns = lost * np.int64(retransmission_ns)
        return delays + again_ns if len(delays) else again_ns
    return delays


@in_place
def earliest_exit_ns(cumulative: Ints, harq_delay_ns: Ints, slot_ns: int, slot: int) -> int:
    """Return the earliest exit from `slot`, which has capacity, or a later slot with capacity; `harq_delay_ns` is empty
    if there is no delay. Slots count on over the wraps."""
    slots = len(cumulative) - 1
    earliest_ns = FOREVER_NS
    while (slot + 1) * slot_ns < earliest_ns:  # no later slot ends before
        inside = slot % slots
        if cumulative[inside + 1] > cumulative[inside]:
            delay_ns = harq_delay_ns[inside] if len(harq_delay_ns) > 0 else 0
            earliest_ns = min(earliest_ns, (slot + 1) * slot_ns + delay_ns)
        slot += 1
    return int(earliest_ns)


@entry_point
def fluid_sent_ns(cumulative: Ints, slot_ns: int, start_ns: int, bits: int) -> int:
    """Return the first whole nanosecond at which `bits` are sent since `start_ns`, the capacity of each slot flowing
    evenly. Exact: every product stays below 2^63 by the trace's own check."""
    slots = len(cumulative) - 1
    wrap, within = divmod(start_ns, slots * slot_ns)
    slot, gone_ns = divmod(within, slot_ns)
    capacity = cumulative[slot + 1] - cumulative[slot]
    left, over = divmod(capacity * (slot_ns - gone_ns), slot_ns)  # left + over / slot_ns bits remain here
    if bits <= left:
        return start_ns - int(-bits * slot_ns // capacity)
    wraps, target = divmod(cumulative[slot + 1] + bits - left - 1, cumulative[-1])
    last = int(np.searchsorted(cumulative, target + 1)) - 1
    needed = (target + 1 - cumulative[last]) * slot_ns - over
    inside_ns = -(-needed // (cumulative[last + 1] - cumulative[last]))
    return int(((wrap + wraps) * slots + last) * slot_ns + inside_ns)


@entry_point
def slot_range(cumulative: Ints, slot_ns: int, open_ns: int, position: int, bits: int) -> tuple[int, int, int]:
    """Return (position of the first bit, its slot, the last bit's slot) of a message that may use the slots that
    start at or after `open_ns` and the capacity from `position` on. Slots count on over the wraps."""
    first_bit = max(position, bits_before(cumulative, -(-open_ns // slot_ns)))
    return first_bit, slot_of_bit(cumulative, first_bit), slot_of_bit(cumulative, first_bit + bits - 1)


@entry_point
def bits_before(cumulative: Ints, slot: int) -> int:
    """Return the bits of the endless trace before a slot; slots count on over the wraps."""
    wraps, inside = divmod(slot, len(cumulative) - 1)
    return int(wraps * cumulative[-1] + cumulative[inside])


@in_place
def slot_of_bit(cumulative: Ints, bit: int) -> int:
    """Return the slot of the endless trace that carries the bit at this position (positions count from 0)."""
    wraps, inside = divmod(bit, cumulative[-1])
    return int(wraps * (len(cumulative) - 1) + np.searchsorted(cumulative, inside + 1) - 1)


@in_place
def harq_release_ns(harq_delay_ns: Ints, longest_ns: int, slot_ns: int, first_slot: int, last_slot: int) -> int:
    """Return when all slots `first_slot`..`last_slot` are acknowledged; no delay is above `longest_ns`."""
    release_ns = 0
    slot = last_slot
    while slot >= first_slot and (slot + 1) * slot_ns + longest_ns > release_ns:
        release_ns = max(release_ns, (slot + 1) * slot_ns + harq_delay_ns[slot % len(harq_delay_ns)])
        slot -= 1
    return release_ns


@in_place
def failed_attempts(loss: float, key: int, message: int, fragments: int) -> int:
    """Return the most failed attempts of any fragment of a message."""
    worst = 0
    for fragment in range(fragments):
        attempt = 0
        while uniform(key, message, fragment, attempt) < loss:
            attempt += 1
        worst = max(worst, attempt)
    return worst


@in_place
def loses_a_block(cumulative: Ints, block_lost: Flags, first_bit: int, bits: int) -> bool:
    """Return whether a lost block carried one of `bits` from position `first_bit` on."""
    slot, last = slot_of_bit(cumulative, first_bit), slot_of_bit(cumulative, first_bit + bits - 1)
    while slot <= last:
        if block_lost[slot % len(block_lost)]:
            return True
        slot += 1
    return False


@in_place
def mean_rate_bps(cumulative: Ints, slot_ns: int, start_ns: int, stop_ns: int) -> float:
    """Return the mean rate between two instants (`Trace.rate_bps`)."""
    slots = len(cumulative) - 1
    first, before_ns = divmod(start_ns, slot_ns)
    last, inside_ns = divmod(stop_ns, slot_ns)
    before = (cumulative[first % slots + 1] - cumulative[first % slots]) * before_ns / slot_ns
    inside = (cumulative[last % slots + 1] - cumulative[last % slots]) * inside_ns / slot_ns
    bits = bits_before(cumulative, last) - bits_before(cumulative, first)
    return float((bits + (inside - before)) * 1e9 / (stop_ns - start_ns))
