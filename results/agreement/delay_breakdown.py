"""What the time of a real message between two stations went to: the links of the run are asked what they would have
done with its packets otherwise."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload

from emulator.core.compiled import Table
from emulator.realtime.verification.counterfactual import (
    CellLinks,
    Counterfactual,
    LinkGroup,
    MessagePackets,
    PacketArrival,
    SingleLink,
    counterfactuals,
)
from emulator.system import System
from results.agreement.link_packets import Medium, media
from results.agreement.message_matching import Way
from results.agreement.packet_matching import Crossing
from results.agreement.task_timeline import Message

STACK, FORWARDING, HEADERS, RAMP, AIR, LATENESS = "stack", "forwarding", "headers", "ramp", "air", "lateness"


class Sent(NamedTuple):
    """A message, its way, what became of it on each link, and how many bytes it has in the simulation."""

    message: Message
    way: Way
    crossings: tuple[Crossing, ...]
    bare_bytes: int


def split(system: System, packets: Mapping[Medium, Table], sent: Sequence[Sent]) -> list[dict[str, int] | None]:
    """The ns of each message's parts, which add up to the time from `published` to `received`; None where all its
    packets at once would not have found room on a link.

    STACK: from the sender to the first link, and from the last one to the receiver. FORWARDING: in the broker, and in
    routers. LATENESS: real departures less the schedule's. RAMP: what of each link's own time would not have been had
    all packets come with the first. HEADERS: what would then not have been without headers. AIR, all that is left of
    a link's time, is what its model makes of the bare message at that instant, among the others that were there, and
    the wait for those of the same connection: the simulation has that in the link's queue, TCP at the sender.

    Behind a router packets come as the link before let them go, and not as a sender held them back: what RAMP is
    elsewhere belongs there to FORWARDING, which a simulation that hands on whole messages has more of.
    """
    medium_of = media(system)
    asked: dict[Medium, dict[tuple[int, int], MessagePackets]] = {}
    for number, each in enumerate(sent):
        for hop, crossing in enumerate(each.crossings):
            bare_bytes = round(each.bare_bytes * crossing.kept)
            asked.setdefault(medium_of[crossing.link], {})[number, hop] = MessagePackets(crossing.packets, bare_bytes)
    answers: dict[tuple[int, int], Counterfactual] = {}
    for medium, questions in asked.items():
        found = counterfactuals(_links(system, medium), Arrivals(packets[medium], medium), set(questions.values()))
        answers |= {who: found[question] for who, question in questions.items() if question in found}
    return [
        _parts(each, [answers[number, hop] for hop in range(len(each.crossings))])
        if all((number, hop) in answers for hop in range(len(each.crossings)))
        else None
        for number, each in enumerate(sent)
    ]


def _links(system: System, medium: Medium) -> LinkGroup:
    specs = [system.links[link] for link in medium]
    cell = specs[0].cell
    if not cell:
        return SingleLink(specs[0], system.seed)
    return CellLinks(system.cells[cell], specs, system.seed, system.duration_ns)


class Arrivals(Sequence[PacketArrival]):
    """The packets of a medium as `counterfactuals` takes them, its links numbered by their places in it."""

    def __init__(self, packets: Table, medium: Medium) -> None:
        self._places = {link: place for place, link in enumerate(medium)}
        self._columns = [packets[name] for name in ("link", "number", "arrival_ns", "size_bytes")]

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, place: int) -> PacketArrival: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[PacketArrival]: ...
    def __getitem__(self, place: int | slice) -> PacketArrival | Sequence[PacketArrival]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        link, number, now_ns, size_bytes = (column.item(place) for column in self._columns)
        return PacketArrival(self._places[link], number, now_ns, size_bytes)


def _parts(sent: Sent, answers: Sequence[Counterfactual]) -> dict[str, int]:
    message, way, crossings = sent.message, sent.way, sent.crossings
    parts_ns = dict.fromkeys((STACK, FORWARDING, HEADERS, RAMP, AIR, LATENESS), 0)
    before: Crossing | None = None
    for hop, (crossing, answer) in enumerate(zip(crossings, answers, strict=True)):
        parts_ns[RAMP if hop in (0, way.resent) else FORWARDING] += crossing.release_ns - answer.at_once_ns
        if before is None:
            parts_ns[STACK] += crossing.arrival_ns - message.published_ns - crossing.held_ns
        else:
            parts_ns[FORWARDING] += crossing.arrival_ns - before.departure_ns - crossing.held_ns
        parts_ns[HEADERS] += answer.at_once_ns - answer.bare_ns
        parts_ns[AIR] += answer.bare_ns - crossing.arrival_ns + crossing.held_ns
        parts_ns[LATENESS] += crossing.departure_ns - crossing.release_ns
        before = crossing
    if before is None:
        parts_ns[STACK] += message.received_ns - message.published_ns
    else:
        parts_ns[STACK] += message.received_ns - before.departure_ns
    return parts_ns
