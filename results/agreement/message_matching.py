"""Which packets of the relay's log were a message's, link by link: told by direction, time and bytes.

The log does not say whose a packet is. A message's are those that come on a direction after it was published (or, on
a later link, after the link before let it go), until its bytes are together. Where one meets another that is not all
there yet, the two are told apart if one TCP connection carries both, for its bytes keep the order of the messages; if
not, nobody can tell, and nothing is said of either.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from emulator.realtime.mqtt_overhead import publication_bytes
from results.agreement.link_packets import LinkLog
from results.agreement.packet_matching import Claim, Crossing, Found, in_datagrams, in_stream
from results.agreement.task_timeline import Message


class Way(NamedTuple):
    """The links from the sender to the receiver; those from `resent` on, after the broker has had the whole message
    (none where there is no broker)."""

    links: tuple[int, ...]
    resent: int


class Told(NamedTuple):
    """A message on each link of its way; None where its packets were not found on one of them. `alone`: no other was
    on its way that could not be told from it."""

    crossings: tuple[Crossing, ...] | None
    alone: bool


def tell(messages: Sequence[tuple[Message, Way]], logs: Mapping[int, LinkLog], broker: bool) -> list[Told]:
    """What became of each message on the links. `logs`: of all links of all ways. With a `broker` messages go over
    TCP, from stations to it and from it to stations; otherwise as datagrams from station to station."""
    legs = [_legs(message, way) for message, way in messages]
    sole = _sole_streams(legs)
    found: dict[int, list[Found]] = {}
    crossings: list[dict[tuple[int, int], Crossing]] = [{} for _ in messages]
    for place in sorted({place for each in legs for place in each}):
        claims: dict[int, list[Claim]] = {}
        for number, ((message, _), each) in enumerate(zip(messages, legs, strict=True)):
            if place in each:
                size_bytes = publication_bytes(message.receiver, message.size_bytes) if broker else message.size_bytes
                from_ns = _asked_ns(message, list(each), place, crossings[number])
                claims.setdefault(each[place].link, []).append(Claim(from_ns, message.received_ns, size_bytes, number))
        for link, asked in claims.items():
            leg, _ = place
            in_order = sorted(asked, key=lambda claim: claim.until_ns) if leg else sorted(asked)
            answers = list((in_stream if broker else in_datagrams)(link, logs[link], in_order, link in sole))
            found.setdefault(link, []).extend(answers)
            for claim, _, crossing in answers:
                if crossing is not None:
                    crossings[claim.number][place] = crossing
    meeting = {number for link, each in found.items() for number in _meeting(each, link in sole)}
    return [
        Told(tuple(own.values()) if len(own) == len(way.links) else None, number not in meeting)
        for number, (own, (_, way)) in enumerate(zip(crossings, messages, strict=True))
    ]


class _Hop(NamedTuple):
    """A link, and the station at whose end the connection is that crosses it."""

    link: int
    station: str


def _legs(message: Message, way: Way) -> dict[tuple[int, int], _Hop]:
    """The links of a way, in its order, by the leg (0 to the broker, or all where there is none; 1 from it) and the
    number on it."""
    resent = len(way.links) if way.resent < 0 else way.resent
    there = {(0, hop): _Hop(link, message.sender) for hop, link in enumerate(way.links[:resent])}
    return there | {(1, hop): _Hop(link, message.receiver) for hop, link in enumerate(way.links[resent:])}


def _sole_streams(legs: Iterable[Mapping[tuple[int, int], _Hop]]) -> set[int]:
    """The links that the messages of one connection cross, in one direction of it, and no other."""
    streams: dict[int, set[tuple[int, str]]] = {}
    for each in legs:
        for (leg, _), (link, station) in each.items():
            streams.setdefault(link, set()).add((leg, station))
    return {link for link, users in streams.items() if len(users) == 1}


def _asked_ns(
    message: Message,
    places: Sequence[tuple[int, int]],
    place: tuple[int, int],
    known: Mapping[tuple[int, int], Crossing],
) -> int:
    """When a link may have seen the first of a message: after all of it had crossed the one before, where a broker
    sends it on; otherwise after the first packet had. Where that is not known, after it was published."""
    index = places.index(place)
    if index == 0 or places[index - 1] not in known:
        return message.published_ns
    before = known[places[index - 1]]
    _, hop = place
    return before.departure_ns if hop == 0 else before.first_departure_ns


def _meeting(found: Sequence[Found], sole: bool) -> Iterator[int]:
    """The messages of a link that others cannot be told from: they were on their way to it at one time, and it is no
    sole stream; or one of them was not found while the other was on its way to its receiver, so that what was found
    may have been a retransmission."""
    for one, other in _overlapping(found, lambda each: each.claim.until_ns):
        if one.crossing is None or other.crossing is None:
            yield from (one.claim.number, other.claim.number)
    if not sole:
        for one, other in _overlapping(found, lambda each: each.last_ns):
            yield from (one.claim.number, other.claim.number)


def _overlapping(found: Sequence[Found], end_ns: Callable[[Found], int]) -> Iterator[tuple[Found, Found]]:
    """All pairs whose times, from when the link was asked to an end, have an instant in common."""
    open_ones: list[Found] = []
    for each in sorted(found):
        open_ones = [other for other in open_ones if end_ns(other) >= each.claim.from_ns]
        yield from ((other, each) for other in open_ones)
        open_ones.append(each)
