"""How far real delays are from those of the simulation, that being told when datagrams were sent.

The relay's own stamps are left out of it: a datagram that the relay reads late may miss a slot that the simulation
gives it.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.realtime.exchanges import SEED, Carried, Crossing
from emulator.core.arrays import Flags, Ints
from emulator.core.compiled import Table
from emulator.link import Link
from emulator.realtime.packet_log import NEVER_NS
from emulator.realtime.verification.log_reader import rows


class Ends(NamedTuple):
    """Over all links of a case: of `packets` sent, `different_drops` arrived though the simulation drops them, or the
    other way round. Of those that arrive in both: `excess_ns`, the real delay less the simulation's; and
    `later_slots`, by how many slots the relay's schedule is later, where the links have slots."""

    packets: int
    different_drops: int
    excess_ns: Ints
    later_slots: Ints
    has_slots: bool


def compared(carried: Carried) -> Ends:
    """The comparison for links that share no cell."""
    log = np.concatenate(list(rows(carried.log)))
    found = [
        one(crossing, carried.start_ns, np.sort(log[log["link"] == place], order="number"))
        for place, crossing in enumerate(carried.crossings)
    ]
    return Ends(
        sum(each.packets for each in found),
        sum(each.different_drops for each in found),
        np.concatenate([each.excess_ns for each in found]),
        np.concatenate([each.later_slots for each in found]),
        found[0].has_slots,
    )


def one(crossing: Crossing, start_ns: int, log: Table) -> Ends:
    """The comparison for one link, whose rows of the log are by number: the order of sending, for the way to the
    relay keeps it."""
    link, planned, (sent_ns, number, received_ns) = crossing
    simulated_ns = simulated(crossing, start_ns)
    real_ns = np.full(len(sent_ns), NEVER_NS)
    real_ns[number] = received_ns - start_ns
    arrives: Flags = simulated_ns != NEVER_NS
    arrived: Flags = real_ns != NEVER_NS
    both = arrives & arrived
    later_ns = log["release_ns"][both] - simulated_ns[both]
    return Ends(
        len(planned.at_ns),
        int((arrives != arrived).sum()),
        (real_ns - simulated_ns)[both],
        later_ns // link.trace.slot_ns,
        link.trace.release == "slot",
    )


def simulated(crossing: Crossing, start_ns: int) -> Ints:
    """When each datagram reaches the other end in the simulation, `NEVER_NS` where it does not; of trace time."""
    link = Link(crossing.link, SEED)
    found = np.full(len(crossing.exchanged.sent_ns), NEVER_NS)
    offered = zip((crossing.exchanged.sent_ns - start_ns).tolist(), crossing.plan.size_bytes.tolist(), strict=True)
    for number, (at_ns, size_bytes) in enumerate(offered):
        delivery = link.enqueue(at_ns, size_bytes, number)
        if delivery is not None and delivery.erased_fraction == 0.0:
            found[number] = delivery.arrival_ns
    return found
