"""Break down the time of a real message between two stations. The run's own links are asked what they would have done
with its packets under other conditions."""

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
from results.agreement.link_packets import GroupKey, link_groups
from results.agreement.message_matching import MessageRoute
from results.agreement.packet_matching import LinkTransfer
from results.agreement.task_timeline import TaskMessage

STACK, FORWARDING, HEADERS, RAMP, AIR, LATENESS = "stack", "forwarding", "headers", "ramp", "air", "lateness"


class MatchedMessage(NamedTuple):
    """A message, its route, its transfer over each link, and its size in the simulation."""

    message: TaskMessage
    route: MessageRoute
    transfers: tuple[LinkTransfer, ...]
    bare_bytes: int


def delay_breakdowns(
    system: System, packets: Mapping[GroupKey, Table], messages: Sequence[MatchedMessage]
) -> list[dict[str, int] | None]:
    """Return the parts of each message's time in ns; they add up to the time from `published` to `received`. None if
    a link's queue would have dropped a packet, had all packets arrived at once.

    STACK: from the sender to the first link, and from the last link to the receiver. FORWARDING: in the broker and in
    routers. LATENESS: real minus scheduled departures. RAMP: the time on a link that would have been saved had all
    packets arrived with the first. HEADERS: the time that would then have been saved without headers. AIR: the rest of
    a link's time: the time that its model gives the bare message at that instant among the traffic that was there,
    including the wait for messages of the same connection. The simulation keeps those in the link's queue, TCP at the
    sender.

    Behind a router, packets arrive as the link before delivers them, not as the sender paces them. There RAMP's share
    belongs to FORWARDING: the simulation forwards whole messages, which takes longer.
    """
    group_of = link_groups(system)
    asked: dict[GroupKey, dict[tuple[int, int], MessagePackets]] = {}
    for number, each in enumerate(messages):
        for hop, transfer in enumerate(each.transfers):
            bare_bytes = round(each.bare_bytes * transfer.kept)
            asked.setdefault(group_of[transfer.link], {})[number, hop] = MessagePackets(transfer.packets, bare_bytes)
    answers: dict[tuple[int, int], Counterfactual] = {}
    for group, questions in asked.items():
        found = counterfactuals(
            _link_group(system, group), GroupArrivals(packets[group], group), set(questions.values())
        )
        answers |= {who: found[question] for who, question in questions.items() if question in found}
    return [
        _parts(each, [answers[number, hop] for hop in range(len(each.transfers))])
        if all((number, hop) in answers for hop in range(len(each.transfers)))
        else None
        for number, each in enumerate(messages)
    ]


def _link_group(system: System, group: GroupKey) -> LinkGroup:
    specs = [system.links[link] for link in group]
    cell = specs[0].cell
    if not cell:
        return SingleLink(specs[0], system.seed)
    return CellLinks(system.cells[cell], specs, system.seed, system.duration_ns)


class GroupArrivals(Sequence[PacketArrival]):
    """The packets of a group, as arguments of `counterfactuals`: links are numbered by their place in the group."""

    def __init__(self, packets: Table, group: GroupKey) -> None:
        self._places = {link: place for place, link in enumerate(group)}
        self._columns = [packets[name] for name in ("link", "number", "arrival_ns", "size_bytes", "acknowledged")]

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, place: int) -> PacketArrival: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[PacketArrival]: ...
    def __getitem__(self, place: int | slice) -> PacketArrival | Sequence[PacketArrival]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        link, number, now_ns, size_bytes, acknowledged = (column.item(place) for column in self._columns)
        return PacketArrival(self._places[link], number, now_ns, size_bytes, bool(acknowledged))


def _parts(matched: MatchedMessage, answers: Sequence[Counterfactual]) -> dict[str, int]:
    message, route, transfers, _ = matched
    parts_ns = dict.fromkeys((STACK, FORWARDING, HEADERS, RAMP, AIR, LATENESS), 0)
    before: LinkTransfer | None = None
    for hop, (transfer, answer) in enumerate(zip(transfers, answers, strict=True)):
        parts_ns[RAMP if hop in (0, route.from_broker) else FORWARDING] += transfer.release_ns - answer.at_once_ns
        if before is None:
            parts_ns[STACK] += transfer.arrival_ns - message.published_ns - transfer.held_ns
        else:
            parts_ns[FORWARDING] += transfer.arrival_ns - before.departure_ns - transfer.held_ns
        parts_ns[HEADERS] += answer.at_once_ns - answer.bare_ns
        parts_ns[AIR] += answer.bare_ns - transfer.arrival_ns + transfer.held_ns
        parts_ns[LATENESS] += transfer.departure_ns - transfer.release_ns
        before = transfer
    if before is None:
        parts_ns[STACK] += message.received_ns - message.published_ns
    else:
        parts_ns[STACK] += message.received_ns - before.departure_ns
    return parts_ns
