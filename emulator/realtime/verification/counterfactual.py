"""What a link would have done with a message's packets had they come otherwise: the links of the run, asked again.

All that the relay's log says came before a message's first packet goes through the same links in the same state; a
copy of them then takes the message's packets all at once, while the others come as they did.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

from emulator.cell import Cell
from emulator.link import Link
from emulator.system import CellSpec, LinkSpec


class Arrival(NamedTuple):
    """A packet that came: on which of the links asked, as that link's which, when, and how large."""

    link: int
    number: int
    now_ns: int
    size_bytes: int


class Medium(Protocol):
    """Links that hang together: one by itself, or all of a cell."""

    def accept(self, arrival: Arrival) -> None:
        """A packet comes, as it did in the run."""

    def together_ns(self, packets: Sequence[Arrival], later: Iterator[Arrival]) -> int | None:
        """When the last of these packets would have crossed, had all of them come when the first does, in this order,
        and then those of `later` as they did; None where one of them finds no room. Changes nothing."""


class AloneLink:
    """A link outside any cell, number 0."""

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self._link = Link(spec, seed)

    def accept(self, arrival: Arrival) -> None:
        """See `Medium`."""
        self._link.enqueue(arrival.now_ns, arrival.size_bytes, arrival.number)

    def together_ns(self, packets: Sequence[Arrival], later: Iterator[Arrival]) -> int | None:
        """See `Medium`. What comes later changes nothing here."""
        link, last_ns = self._link.fork(), 0
        for packet in packets:
            delivery = link.enqueue(packets[0].now_ns, packet.size_bytes, packet.number)
            if delivery is None:
                return None
            last_ns = max(last_ns, delivery.arrival_ns)
        return last_ns


class SharedCell:
    """The links of a cell, numbered as given; its background comes until `until_ns`."""

    def __init__(self, spec: CellSpec, links: Sequence[LinkSpec], seed: int, until_ns: int) -> None:
        self._cell = Cell(spec, links, seed, until_ns)

    def accept(self, arrival: Arrival) -> None:
        """See `Medium`."""
        self._cell.advance(arrival.now_ns)
        _enter(self._cell, arrival)

    def together_ns(self, packets: Sequence[Arrival], later: Iterator[Arrival]) -> int | None:
        """See `Medium`."""
        cell, now_ns = self._cell.fork(), packets[0].now_ns
        cell.advance(now_ns)
        if not all(_enter(cell, packet._replace(now_ns=now_ns)) for packet in packets):
            return None
        waiting = {(packet.link, packet.number) for packet in packets}
        last_ns = 0
        while waiting:
            arrival = next(later, None)
            for link, number, delivery in cell.advance(cell.next_ns + 1 if arrival is None else arrival.now_ns):
                if (link, number) in waiting:
                    waiting.remove((link, number))
                    last_ns = max(last_ns, delivery.arrival_ns)
            if arrival is not None:
                _enter(cell, arrival)
        return last_ns


def _enter(cell: Cell, arrival: Arrival) -> bool:
    return cell.enqueue(arrival.now_ns, arrival.link, arrival.size_bytes, arrival.number)


class Share(NamedTuple):
    """What is a message's of a packet: the packet's place among all arrivals, and how large it would be without what
    another message has of it."""

    place: int
    size_bytes: int


class Asked(NamedTuple):
    """One message: its packets, and how many bytes it has without headers."""

    packets: tuple[Share, ...]
    bare_bytes: int


class Answer(NamedTuple):
    """When the last packet would have crossed had all come when the first did (`together_ns`), and had they, besides,
    held nothing but the message (`bare_ns`)."""

    together_ns: int
    bare_ns: int


def what_if(medium: Medium, arrivals: Sequence[Arrival], messages: Collection[Asked]) -> dict[Asked, Answer]:
    """The answer for each message whose packets would all have found room.

    `arrivals`: all of the run on the medium, in the order in which they came. Without headers, packets shrink alike,
    and what is then empty does not come; draws are those of the packets that came."""
    found: dict[Asked, Answer] = {}
    begun = 0
    for message in sorted(messages):
        first = message.packets[0].place
        for place in range(begun, first):
            medium.accept(arrivals[place])
        begun = first
        packets = [arrivals[place]._replace(size_bytes=size_bytes) for place, size_bytes in message.packets]
        bare = list(_bare(packets, message.bare_bytes))
        together_ns = medium.together_ns(packets, _others(arrivals, message.packets))
        bare_ns = medium.together_ns(bare, _others(arrivals, message.packets)) if bare else packets[0].now_ns
        if together_ns is not None and bare_ns is not None:
            found[message] = Answer(together_ns, bare_ns)
    return found


def _others(arrivals: Sequence[Arrival], packets: Sequence[Share]) -> Iterator[Arrival]:
    """What came after the first of these packets, without them."""
    left_out = {packet.place for packet in packets}
    return (arrivals[place] for place in range(packets[0].place, len(arrivals)) if place not in left_out)


def _bare(packets: Sequence[Arrival], bare_bytes: int) -> Iterator[Arrival]:
    """The packets shrunk to `bare_bytes` in all, without those that are then empty."""
    whole_bytes = sum(packet.size_bytes for packet in packets)
    so_far = given = 0
    for packet in packets:
        so_far += packet.size_bytes
        size_bytes = so_far * bare_bytes // whole_bytes - given
        given += size_bytes
        if size_bytes > 0:
            yield packet._replace(size_bytes=size_bytes)
