"""From what was sent, logged and received while probing to the figures of each direction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Flags, Ints
from emulator.core.units import NS_PER_S
from emulator.realtime.packet_log import NEVER_NS
from emulator.realtime.probing.expected_releases import LoggedPackets
from emulator.realtime.probing.flood_plan import Flood
from emulator.realtime.probing.report import ProbeReport
from emulator.realtime.probing.sockets import Mark
from emulator.system import LinkSpec
from emulator.trace import Trace

TRAIN = 0  # the attempt of the train's packets; floods count from 1
MIN_RATE_PACKETS = 3  # of which a rate can be told


class SentPacket(NamedTuple):
    """A packet and when it was sent, in ns of the trace."""

    mark: Mark
    at_ns: int


class FloodAttempt(NamedTuple):
    """The last attempt to fill a link."""

    at_ns: int
    attempt: int
    plan: Flood
    was_in_time: bool
    """Each packet came before the link was done with those before it."""


class ProbeRecord(NamedTuple):
    """Of one direction: what the relay logged, what was sent in which order, and when the packets were received."""

    direction: LoggedPackets
    flood: FloodAttempt
    sent: Sequence[SentPacket]
    received: Mapping[Mark, int]

    @property
    def unlogged(self) -> int:
        """Packets that were sent and that the relay knows nothing of. Where there are any, nobody can tell which
        packet is which."""
        return len(self.sent) - len(self.direction.order)

    def rows_of(self, attempt: int) -> Flags:
        """Which of the logged packets belong to an attempt, shape (packets,)."""
        if self.unlogged:
            return np.zeros(len(self.direction.order), np.bool_)
        return np.array([each.mark.attempt == attempt for each in self.sent], np.bool_)

    @property
    def received_ns(self) -> Ints:
        """When each logged packet was received, NEVER_NS where it was not, shape (packets,)."""
        if self.unlogged:
            return np.full(len(self.direction.order), NEVER_NS)
        received_ns = np.array([self.received.get(each.mark, NEVER_NS) for each in self.sent], np.int64)
        received_ns[self.direction.departure_ns == NEVER_NS] = NEVER_NS  # let out at the end of the probing
        return received_ns


def figures(link: int, spec: LinkSpec, told: ProbeRecord, scheduled_ns: Ints, ideal_ns: Ints) -> ProbeReport:
    """The row of one direction. `scheduled_ns`: when its packets reach the other end by the schedule; `ideal_ns`: when
    they would, those of the flood `unhindered`."""
    direction, received_ns = told.direction, told.received_ns
    came = (received_ns != NEVER_NS) & (scheduled_ns != NEVER_NS)
    flood, train = told.rows_of(told.flood.attempt), told.rows_of(TRAIN)
    measured = flood & came & (ideal_ns != NEVER_NS)
    rate = rates(
        direction.size_bytes[measured], ideal_ns[measured], direction.arrival_ns[measured], received_ns[measured]
    )
    single = np.flatnonzero(train & came)
    sent_ns = np.array([told.sent[number].at_ns for number in single.tolist()], np.int64)
    schedule_ns = scheduled_ns[single] - direction.arrival_ns[single]
    real_ns = received_ns[single] - sent_ns
    delivered = direction.delivered
    return ProbeReport(
        link, spec.source, spec.target, told.flood.at_ns,
        int(flood.sum()), int((flood & came).sum()), *rate,
        int(train.sum()), len(single), middle(schedule_ns), middle(real_ns),
        middle(real_ns - schedule_ns), worst(real_ns - schedule_ns),
        worst(direction.departure_ns[delivered] - direction.release_ns[delivered]),
        told.unlogged, int((received_ns[delivered] == NEVER_NS).sum()),
    )  # fmt: skip


def unhindered(told: ProbeRecord, trace: Trace) -> LoggedPackets:
    """The direction's packets, but those of its last flood that came late come when they were due after the first
    one, or just after the start of the next slot where slots leave as a whole: what the link could carry of them, had
    it never waited for one."""
    arrival_ns = told.direction.arrival_ns.copy()
    flood = told.rows_of(told.flood.attempt)
    if flood.any() and not told.flood.was_in_time:
        first_ns = int(arrival_ns[flood][0])
        at_once_ns = first_ns + (-first_ns % trace.slot_ns + 1 if trace.release == "slot" else 0)
        due_ns = np.array(told.flood.plan.due_ns) - told.flood.plan.due_ns[0] + first_ns
        arrival_ns[flood] = np.minimum(arrival_ns[flood], np.maximum(due_ns, at_once_ns))
    return told.direction._replace(arrival_ns=arrival_ns)


class Rates(NamedTuple):
    """In IP bytes of the same packets: by the schedule, as they came to the link, as they reached the other host."""

    scheduled_bps: float | None
    offered_bps: float | None
    measured_bps: float | None


UNKNOWN = Rates(None, None, None)


def rates(size_bytes: Ints, release_ns: Ints, arrival_ns: Ints, received_ns: Ints) -> Rates:
    """Rates between the middle packets of the first and of the last third of a flood, shape (packets,) each.

    A wake-up that was late makes a few packets late and leaves the rate as it is, so what counts of a third is its
    median distance from the schedule, not the time of one packet."""
    third = len(size_bytes) // MIN_RATE_PACKETS
    if third == 0:
        return UNKNOWN
    first, last = slice(0, third), slice(len(size_bytes) - third, None)
    begin, end = third // 2, len(size_bytes) - third + third // 2
    bits = int(size_bytes[begin + 1 : end + 1].sum()) * 8
    scheduled_ns = int(release_ns[end] - release_ns[begin])
    lags_ns = received_ns - release_ns
    measured_ns = scheduled_ns + float(np.median(lags_ns[last]) - np.median(lags_ns[first]))
    return Rates(
        _rate_bps(bits, scheduled_ns), _rate_bps(bits, int(arrival_ns[end] - arrival_ns[begin])),
        _rate_bps(bits, measured_ns),
    )  # fmt: skip


def _rate_bps(bits: int, time_ns: float) -> float | None:
    return bits * NS_PER_S / time_ns if time_ns > 0 else None


def middle(values: Sequence[int] | Ints) -> int | None:
    """The median, whole; None of nothing."""
    return round(float(np.median(values))) if len(values) else None


def worst(values: Sequence[int] | Ints) -> int | None:
    """The value that one in a hundred passes (nearest rank, so of fewer than 100 the greatest); None of nothing."""
    return int(np.quantile(values, 0.99, method="inverted_cdf")) if len(values) else None
