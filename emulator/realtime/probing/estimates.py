"""Estimate rates and delays of each link from the packets that probing sent, the relay logged and hosts received."""

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

TRAIN = 0  # `attempt` of a train's packets; those of floods count from 1
MIN_RATE_PACKETS = 3  # fewer packets have no rate


class SentPacket(NamedTuple):
    """A packet and the time of the trace at which it was sent."""

    mark: Mark
    at_ns: int


class FloodAttempt(NamedTuple):
    """The last attempt to fill a link."""

    at_ns: int
    attempt: int
    plan: Flood
    was_in_time: bool
    """Whether each packet arrived before the link had sent the packets before it."""


class ProbeRecord(NamedTuple):
    """The probe packets of one link: logged by the relay, sent (in order), and received."""

    logged: LoggedPackets
    flood: FloodAttempt
    sent: Sequence[SentPacket]
    received: Mapping[Mark, int]

    @property
    def unlogged(self) -> int:
        """The number of packets that were sent but not logged. If there are any, sent and logged packets cannot be
        matched."""
        return len(self.sent) - len(self.logged.order)

    def rows_of(self, attempt: int) -> Flags:
        """Return which of the logged packets belong to an attempt, shape (packets,)."""
        if self.unlogged:
            return np.zeros(len(self.logged.order), np.bool_)
        return np.array([each.mark.attempt == attempt for each in self.sent], np.bool_)

    @property
    def received_ns(self) -> Ints:
        """When each logged packet was received, NEVER_NS if it was not, shape (packets,)."""
        if self.unlogged:
            return np.full(len(self.logged.order), NEVER_NS)
        received_ns = np.array([self.received.get(each.mark, NEVER_NS) for each in self.sent], np.int64)
        received_ns[self.logged.departure_ns == NEVER_NS] = NEVER_NS  # written at the end of probing
        return received_ns


def estimate(link: int, spec: LinkSpec, record: ProbeRecord, scheduled_ns: Ints, ideal_ns: Ints) -> ProbeReport:
    """Return the report of one link. `scheduled_ns`: when its packets reach the other end by the schedule; `ideal_ns`:
    when they would if the flood were `unhindered`."""
    logged, received_ns = record.logged, record.received_ns
    received = (received_ns != NEVER_NS) & (scheduled_ns != NEVER_NS)
    flood, train = record.rows_of(record.flood.attempt), record.rows_of(TRAIN)
    measured = flood & received & (ideal_ns != NEVER_NS)
    rate = rates(logged.size_bytes[measured], ideal_ns[measured], logged.arrival_ns[measured], received_ns[measured])
    single = np.flatnonzero(train & received)
    sent_ns = np.array([record.sent[number].at_ns for number in single.tolist()], np.int64)
    schedule_ns = scheduled_ns[single] - logged.arrival_ns[single]
    real_ns = received_ns[single] - sent_ns
    delivered = logged.delivered
    return ProbeReport(
        link, spec.source, spec.target, record.flood.at_ns,
        int(flood.sum()), int((flood & received).sum()), *rate,
        int(train.sum()), len(single), median(schedule_ns), median(real_ns),
        median(real_ns - schedule_ns), percentile_99(real_ns - schedule_ns),
        percentile_99(logged.departure_ns[delivered] - logged.release_ns[delivered]),
        record.unlogged, int((received_ns[delivered] == NEVER_NS).sum()),
    )  # fmt: skip


def unhindered(record: ProbeRecord, trace: Trace) -> LoggedPackets:
    """Return the logged packets with late packets of the last flood moved to when they were due after the first one, or
    just after the start of the next slot if slots leave as a whole: arrivals for which the link never waits."""
    arrival_ns = record.logged.arrival_ns.copy()
    flood = record.rows_of(record.flood.attempt)
    if flood.any() and not record.flood.was_in_time:
        first_ns = int(arrival_ns[flood][0])
        at_once_ns = first_ns + (-first_ns % trace.slot_ns + 1 if trace.release == "slot" else 0)
        due_ns = np.array(record.flood.plan.due_ns) - record.flood.plan.due_ns[0] + first_ns
        arrival_ns[flood] = np.minimum(arrival_ns[flood], np.maximum(due_ns, at_once_ns))
    return record.logged._replace(arrival_ns=arrival_ns)


class Rates(NamedTuple):
    """Rates of the same packets in IP bits: by the schedule, at arrival at the link, at arrival at the other host."""

    scheduled_bps: float | None
    offered_bps: float | None
    measured_bps: float | None


UNKNOWN = Rates(None, None, None)


def rates(size_bytes: Ints, release_ns: Ints, arrival_ns: Ints, received_ns: Ints) -> Rates:
    """Return the rates between the middle packets of the first and the last third of a flood, shape (packets,) each.

    A late wake-up delays a few packets and must not change the rate, so each third counts by its median delay against
    the schedule, not by one packet."""
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


def median(values: Sequence[int] | Ints) -> int | None:
    """Return the rounded median, or None without values."""
    return round(float(np.median(values))) if len(values) else None


def percentile_99(values: Sequence[int] | Ints) -> int | None:
    """Return the 99th percentile by nearest rank (the maximum of fewer than 100 values), or None without values."""
    return int(np.quantile(values, 0.99, method="inverted_cdf")) if len(values) else None
