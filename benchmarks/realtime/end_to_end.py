"""Difference of real end-to-end delays from a simulation whose arrivals are the senders' times.

The relay's own stamps are not used: a datagram that the relay reads late may miss a slot that the simulation gives it.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.realtime.exchanges import SEED, CaseResult, LinkResult
from emulator.core.arrays import Flags, Ints
from emulator.core.compiled import Table
from emulator.link import Link
from emulator.realtime.packet_log import NEVER_NS
from emulator.realtime.verification.log_reader import rows


class EndToEnd(NamedTuple):
    """Over all links of a case: of `packets` sent, `different_drops` arrived in one of reality and simulation only. For
    those that arrived in both: `excess_ns`, real delay minus simulated delay, and `later_slots`, by how many slots the
    relay's schedule is later, if the links have slots."""

    packets: int
    different_drops: int
    excess_ns: Ints
    later_slots: Ints
    has_slots: bool


def compare(result: CaseResult) -> EndToEnd:
    """Compare links that share no cell."""
    log = np.concatenate(list(rows(result.log)))
    by_link = [
        compare_link(each, result.start_ns, np.sort(log[log["link"] == link], order="number"))
        for link, each in enumerate(result.links)
    ]
    return EndToEnd(
        sum(each.packets for each in by_link),
        sum(each.different_drops for each in by_link),
        np.concatenate([each.excess_ns for each in by_link]),
        np.concatenate([each.later_slots for each in by_link]),
        by_link[0].has_slots,
    )


def compare_link(result: LinkResult, start_ns: int, log: Table) -> EndToEnd:
    """Compare one link. Its rows of the log are by number, which is the order of sending, because the path to the relay
    keeps the order."""
    link, plan, (sent_ns, number, received_ns) = result
    simulated_ns = simulate(result, start_ns)
    real_ns = np.full(len(sent_ns), NEVER_NS)
    real_ns[number] = received_ns - start_ns
    arrives: Flags = simulated_ns != NEVER_NS
    arrived: Flags = real_ns != NEVER_NS
    both = arrives & arrived
    later_ns = log["release_ns"][both] - simulated_ns[both]
    return EndToEnd(
        len(plan.at_ns),
        int((arrives != arrived).sum()),
        (real_ns - simulated_ns)[both],
        later_ns // link.trace.slot_ns,
        link.trace.release == "slot",
    )


def simulate(result: LinkResult, start_ns: int) -> Ints:
    """Return when each datagram reaches the other end in the simulation, in trace time; `NEVER_NS` if it does not."""
    link = Link.standalone(result.link, SEED)
    arrival_ns = np.full(len(result.times.sent_ns), NEVER_NS)
    offered = zip((result.times.sent_ns - start_ns).tolist(), result.plan.size_bytes.tolist(), strict=True)
    for number, (at_ns, size_bytes) in enumerate(offered):
        delivery = link.enqueue(at_ns, size_bytes, number)
        if delivery is not None and delivery.erased_fraction == 0.0:
            arrival_ns[number] = delivery.arrival_ns
    return arrival_ns
