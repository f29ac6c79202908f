"""One direction of a connection: accepts a message and says at once when it will have left.

The link is work-conserving and its future capacity is known, so the answer is exact: no later
arrival can change it. It costs a binary search in the running sum of the trace's capacity,
however many slots the message spans.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from emulator.compiled import compiled
from emulator.randomness import draw_key, uniform
from emulator.system import LinkSpec
from emulator.trace import Int64s, Trace

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Delivery(NamedTuple):
    """`start_ns`: the first bit goes; `release_ns`: the last bit has left, in order and with all its
    retransmissions; `arrival_ns`: it has reached the other end."""

    start_ns: int
    release_ns: int
    arrival_ns: int
    erased_fraction: float


class Link:
    """The state of one direction: what is queued, and how far the capacity is spoken for.

    A message starts on a whole nanosecond. The queue is drop-tail in bytes; a message counts until
    its last bit is sent. Under the `slot` rule a message queued at or before a slot's start is served
    in it, and what the queue does not use of a slot is lost.
    """

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self.spec = spec
        self.reset()
        self._trace = spec.trace
        self._cumulative = spec.trace.cumulative_bits
        self._slot_ns = spec.trace.slot_ns
        self._fluid = spec.trace.release == "fluid"
        self._plain = self._fluid and spec.loss == 0.0
        self._harq_delay_ns, self._block_lost = _slot_outcomes(spec.trace)
        self._best_exit_ns = _best_exit_ns(spec.trace, self._harq_delay_ns)
        self._key = draw_key(seed, f"{spec.source}-{spec.target}", "loss")

    def reset(self) -> None:
        """Forget every message: as idle as before the first."""
        self.queued_bytes = 0
        self._queue: deque[tuple[int, int]] = deque()  # (last bit sent, bytes)
        self._sent_ns = 0  # when the last bit of all accepted messages is sent
        self._used = False
        self._position = 0  # bits of the endless trace spoken for (slot rule)
        self._released_ns = 0  # the running maximum that acknowledged release keeps to

    def enqueue(self, now_ns: int, size_bytes: int, message: int = 0) -> Delivery | None:
        """Accept a message of `size_bytes` >= 1 and say when it leaves; None when the queue has no room.

        `now_ns` must not decrease from call to call; `message` addresses the draws of its losses.
        """
        queue = self._queue
        while queue and queue[0][0] <= now_ns:
            self.queued_bytes -= queue.popleft()[1]
        if self.queued_bytes + size_bytes > self.spec.queue_bytes:
            return None
        open_ns = self._open_ns(now_ns)
        if self._fluid:
            start_ns = max(open_ns, self._sent_ns)
            sent_ns = fluid_sent_ns(self._cumulative, self._slot_ns, start_ns, size_bytes * 8)
            first_bit = last_slot = 0
        else:
            first_bit, first_slot, last_slot = slot_range(
                self._cumulative, self._slot_ns, open_ns, self._position, size_bytes * 8
            )
            self._position = first_bit + size_bytes * 8
            start_ns, sent_ns = first_slot * self._slot_ns, (last_slot + 1) * self._slot_ns
        self._sent_ns, self._used = sent_ns, True
        self.queued_bytes += size_bytes
        queue.append((sent_ns, size_bytes))
        if self._plain:
            return Delivery(start_ns, sent_ns, sent_ns + self.spec.delay_ns, 0.0)
        return self._with_losses(start_ns, sent_ns, first_bit, last_slot, size_bytes, message)

    def _open_ns(self, now_ns: int) -> int:
        """The earliest start: after an idle gap, the ramp comes first. Only the link's own past decides."""
        ramp = self.spec.ramp
        if ramp is None or (self._used and now_ns - self._sent_ns < ramp.idle_ns):
            return now_ns
        return now_ns + ramp.delay_ns

    def _with_losses(
        self, start_ns: int, sent_ns: int, first_bit: int, last_slot: int, size_bytes: int, message: int
    ) -> Delivery:
        spec = self.spec
        if spec.bearer == "um":
            erased = erased_bytes(
                self._cumulative, self._block_lost, first_bit, size_bytes,
                spec.fragment_bytes, spec.loss, self._key, message,
            )  # fmt: skip
            return Delivery(start_ns, sent_ns, sent_ns + spec.delay_ns, erased / size_bytes)
        release_ns = sent_ns
        if len(self._harq_delay_ns):
            first_slot = start_ns // self._slot_ns
            release_ns = harq_release_ns(self._harq_delay_ns, self._slot_ns, first_slot, last_slot)
        if spec.loss:
            fragments = -(-size_bytes // spec.fragment_bytes)
            release_ns += failed_attempts(spec.loss, self._key, message, fragments) * spec.retransmission_ns
        self._released_ns = release_ns = max(release_ns, self._released_ns)
        return Delivery(start_ns, release_ns, release_ns + spec.delay_ns, 0.0)

    def earliest_ns(self, now_ns: int, size_bytes: int) -> int:
        """No message of this size that starts at `now_ns` or later can arrive before: the link taken
        as empty, ramped and without random loss, and each slot's HARQ delay avoided where waiting
        for a later slot would avoid it. Monotone in `now_ns`; changes nothing."""
        if self._fluid:
            return fluid_sent_ns(self._cumulative, self._slot_ns, now_ns, size_bytes * 8) + self.spec.delay_ns
        _, _, last_slot = slot_range(self._cumulative, self._slot_ns, now_ns, 0, size_bytes * 8)
        if self.spec.bearer == "um":
            return (last_slot + 1) * self._slot_ns + self.spec.delay_ns
        wraps, slot = divmod(last_slot, len(self._trace))
        return wraps * self._trace.period_ns + int(self._best_exit_ns[slot]) + self.spec.delay_ns

    def rate_bps(self, now_ns: int, window_ns: int) -> float:
        """The rate measured over the window that ends at `now_ns`, or since time 0 where that is later;
        before anything could be measured, that of the first slot."""
        start_ns = max(0, now_ns - window_ns)
        return self._trace.rate_bps(start_ns, now_ns if now_ns > start_ns else start_ns + self._slot_ns)


def _slot_outcomes(trace: Trace) -> tuple[Int64s, Flags]:
    """HARQ delays and lost blocks by slot; empty arrays where the trace has none, or where its bits flow
    evenly and no slot leaves as a block. A slot without capacity delays and loses nobody's bits."""
    delays, lost = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
    carries = trace.capacity_bits > 0
    if trace.release == "slot" and "harq_delay_ns" in trace.columns:
        delays = trace.columns["harq_delay_ns"] * carries
    if trace.release == "slot" and "block_lost" in trace.columns:
        lost = trace.columns["block_lost"] & carries
    return delays, lost


def _best_exit_ns(trace: Trace, harq_delay_ns: Int64s) -> Int64s:
    """For each slot, the earliest exit from it or any later one that carries bits (within two rounds of the trace)."""
    exits = np.arange(1, len(trace) + 1, dtype=np.int64) * trace.slot_ns
    if len(harq_delay_ns):
        exits = exits + harq_delay_ns
    twice = np.concatenate((exits, exits + trace.period_ns))
    twice[np.tile(trace.capacity_bits == 0, 2)] = np.iinfo(np.int64).max
    return np.minimum.accumulate(twice[::-1])[::-1][: len(trace)]


@compiled
def fluid_sent_ns(cumulative: Int64s, slot_ns: int, start_ns: int, bits: int) -> int:
    """The first whole nanosecond at which `bits` have gone since `start_ns`, each slot's capacity
    flowing evenly. Exact: every product stays below 2^63 by the trace's own check."""
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


@compiled
def slot_range(cumulative: Int64s, slot_ns: int, open_ns: int, position: int, bits: int) -> tuple[int, int, int]:
    """(first bit's position, its slot, the last bit's slot) of a message that may use the slots that
    start at or after `open_ns` and the capacity from `position` on. Slots count on over the wraps."""
    slots = len(cumulative) - 1
    wrap, slot = divmod(-(-open_ns // slot_ns), slots)
    first_bit = max(position, wrap * cumulative[-1] + cumulative[slot])
    return first_bit, slot_of_bit(cumulative, first_bit), slot_of_bit(cumulative, first_bit + bits - 1)


@compiled
def slot_of_bit(cumulative: Int64s, bit: int) -> int:
    """The slot of the endless trace that carries the bit at this position (positions count from 0)."""
    wraps, inside = divmod(bit, cumulative[-1])
    return int(wraps * (len(cumulative) - 1) + np.searchsorted(cumulative, inside + 1) - 1)


@compiled
def harq_release_ns(harq_delay_ns: Int64s, slot_ns: int, first_slot: int, last_slot: int) -> int:
    """When the last of the slots `first_slot`..`last_slot` is acknowledged."""
    longest = harq_delay_ns.max()
    release_ns = 0
    slot = last_slot
    while slot >= first_slot and (slot + 1) * slot_ns + longest > release_ns:
        release_ns = max(release_ns, (slot + 1) * slot_ns + harq_delay_ns[slot % len(harq_delay_ns)])
        slot -= 1
    return release_ns


@compiled
def failed_attempts(loss: float, key: int, message: int, fragments: int) -> int:
    """The most attempts that any fragment of the message fails before it gets through."""
    worst = 0
    for fragment in range(fragments):
        attempt = 0
        while uniform(key, message, fragment, attempt) < loss:
            attempt += 1
        worst = max(worst, attempt)
    return worst


@compiled
def erased_bytes(
    cumulative: Int64s, block_lost: Flags, first_bit: int, size_bytes: int,
    fragment_bytes: int, loss: float, key: int, message: int,
) -> int:  # fmt: skip
    """Bytes of the fragments that were lost: by their own draw, or because a block that carried a
    part of them was."""
    erased = 0
    for fragment in range(-(-size_bytes // fragment_bytes)):
        begin = fragment * fragment_bytes
        end = min(begin + fragment_bytes, size_bytes)
        lost = uniform(key, message, fragment, 0) < loss
        if len(block_lost) and not lost:
            slot = slot_of_bit(cumulative, first_bit + begin * 8)
            last = slot_of_bit(cumulative, first_bit + end * 8 - 1)
            while slot <= last and not lost:
                lost = block_lost[slot % len(block_lost)]
                slot += 1
        if lost:
            erased += end - begin
    return erased
