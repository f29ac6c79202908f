"""Counterfactual delays of a message: its packets over the links of the run, had they arrived in another way.

All packets that the relay's log lists before a message's first packet cross the same links first. A copy of the links
in this state then takes the message's packets at one time, and the other packets as they arrived.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

from emulator.cell import Cell
from emulator.link import Link
from emulator.system import CellSpec, LinkSpec


class PacketArrival(NamedTuple):
    """A packet that arrived: at which link of a LinkGroup, its number there, when, its size, and whether all of it is
    acknowledged on every bearer."""

    link: int
    number: int
    now_ns: int
    size_bytes: int
    acknowledged: bool = False

    @property
    def acknowledged_bytes(self) -> int:
        """Return how much of it is acknowledged on an unacknowledged bearer."""
        return self.size_bytes if self.acknowledged else 0


class LinkGroup(Protocol):
    """Links that depend on each other: a link outside any cell, or all links of a cell."""

    def accept(self, arrival: PacketArrival) -> None:
        """Take a packet as it arrived in the run."""

    def at_once_ns(self, packets: Sequence[PacketArrival], later: Iterator[PacketArrival]) -> int | None:
        """Return when the last of these packets would have crossed had all arrived at the time of the first, in this
        order, and the `later` ones as they did; None if one would have been dropped. Leaves the links unchanged."""


class SingleLink:
    """A link outside any cell, number 0 of its group."""

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self._link = Link.standalone(spec, seed)

    def accept(self, arrival: PacketArrival) -> None:
        """See `LinkGroup`."""
        self._link.enqueue(arrival.now_ns, arrival.size_bytes, arrival.number, arrival.acknowledged_bytes)

    def at_once_ns(self, packets: Sequence[PacketArrival], later: Iterator[PacketArrival]) -> int | None:
        """See `LinkGroup`. Later packets have no effect here."""
        link, last_ns = self._link.fork(), 0
        for packet in packets:
            delivery = link.enqueue(packets[0].now_ns, packet.size_bytes, packet.number, packet.acknowledged_bytes)
            if delivery is None:
                return None
            last_ns = max(last_ns, delivery.arrival_ns)
        return last_ns


class CellLinks:
    """The links of a cell, numbered as given; its background traffic ends at `until_ns`."""

    def __init__(self, spec: CellSpec, links: Sequence[LinkSpec], seed: int, until_ns: int) -> None:
        self._cell = Cell.standalone(spec, links, seed, until_ns)

    def accept(self, arrival: PacketArrival) -> None:
        """See `LinkGroup`."""
        self._cell.advance(arrival.now_ns)
        _enqueue(self._cell, arrival)

    def at_once_ns(self, packets: Sequence[PacketArrival], later: Iterator[PacketArrival]) -> int | None:
        """See `LinkGroup`."""
        cell, now_ns = self._cell.fork(), packets[0].now_ns
        cell.advance(now_ns)
        if not all(_enqueue(cell, packet._replace(now_ns=now_ns)) for packet in packets):
            return None
        waiting = {(packet.link, packet.number) for packet in packets}
        last_ns = 0
        while waiting:
            arrival = next(later, None)
            for link, number, delivery, _ in cell.advance(cell.next_ns + 1 if arrival is None else arrival.now_ns):
                if (link, number) in waiting:
                    waiting.remove((link, number))
                    last_ns = max(last_ns, delivery.arrival_ns)
            if arrival is not None:
                _enqueue(cell, arrival)
        return last_ns


def _enqueue(cell: Cell, arrival: PacketArrival) -> bool:
    return cell.enqueue(
        arrival.now_ns,
        arrival.link,
        arrival.size_bytes,
        arrival.number,
        acknowledged_bytes=arrival.acknowledged_bytes,
    )


class PacketShare(NamedTuple):
    """A packet of a message: its index in the arrivals, and its size without bytes of another message."""

    place: int
    size_bytes: int


class MessagePackets(NamedTuple):
    """The packets of a message, and its size without headers."""

    packets: tuple[PacketShare, ...]
    bare_bytes: int


class Counterfactual(NamedTuple):
    """When the last packet of a message would have crossed had all arrived with the first (`at_once_ns`), and had they
    also carried no headers (`bare_ns`)."""

    at_once_ns: int
    bare_ns: int


def counterfactuals(
    group: LinkGroup, arrivals: Sequence[PacketArrival], messages: Collection[MessagePackets]
) -> dict[MessagePackets, Counterfactual]:
    """Return the counterfactual of each message whose packets would all have been accepted.

    `arrivals`: all packets of the run on these links, in order. Without headers, packets shrink in proportion, and
    empty ones are left out; the random draws remain those of the packets that arrived."""
    found: dict[MessagePackets, Counterfactual] = {}
    accepted = 0
    for message in sorted(messages):
        first = message.packets[0].place
        for place in range(accepted, first):
            group.accept(arrivals[place])
        accepted = first
        packets = [arrivals[place]._replace(size_bytes=size_bytes) for place, size_bytes in message.packets]
        bare = list(_without_headers(packets, message.bare_bytes))
        at_once_ns = group.at_once_ns(packets, _other_arrivals(arrivals, message.packets))
        bare_ns = group.at_once_ns(bare, _other_arrivals(arrivals, message.packets)) if bare else packets[0].now_ns
        if at_once_ns is not None and bare_ns is not None:
            found[message] = Counterfactual(at_once_ns, bare_ns)
    return found


def _other_arrivals(arrivals: Sequence[PacketArrival], packets: Sequence[PacketShare]) -> Iterator[PacketArrival]:
    """Yield the arrivals after the first of these packets, without them."""
    own = {packet.place for packet in packets}
    return (arrivals[place] for place in range(packets[0].place, len(arrivals)) if place not in own)


def _without_headers(packets: Sequence[PacketArrival], bare_bytes: int) -> Iterator[PacketArrival]:
    """Yield the packets shrunk to `bare_bytes` in all, without empty ones."""
    whole_bytes = sum(packet.size_bytes for packet in packets)
    so_far = given = 0
    for packet in packets:
        so_far += packet.size_bytes
        size_bytes = so_far * bare_bytes // whole_bytes - given
        given += size_bytes
        if size_bytes > 0:
            yield packet._replace(size_bytes=size_bytes)
