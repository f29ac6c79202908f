"""Find each message's packets in the relay's log, link by link, from direction, time and bytes.

The log does not tell which message a packet belongs to. A message's packets are those that arrive in a direction after
the message was published (or, on a later link, after the link before delivered it), until its bytes are complete. Two
messages that overlap in time can be told apart if one TCP connection carries both, since its bytes keep the order of
the messages. Otherwise both count as ambiguous.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from emulator.realtime.mqtt_overhead import publication_bytes
from results.agreement.link_packets import LinkLog
from results.agreement.packet_matching import ExpectedMessage, LinkTransfer, PacketMatch, in_datagrams, in_stream
from results.agreement.task_timeline import TaskMessage

Hop = tuple[int, int]  # leg (0: to the broker, or the whole route without one; 1: from the broker), place in the leg


class MessageRoute(NamedTuple):
    """The links from sender to receiver. `from_broker`: index of the first link after the broker; -1 without one."""

    links: tuple[int, ...]
    from_broker: int


class MessageMatch(NamedTuple):
    """A message's transfer over each link of its route; None if its packets were not found on one of them. `alone`:
    no other message overlapped it in a way that makes its packets ambiguous."""

    transfers: tuple[LinkTransfer, ...] | None
    alone: bool


def match_messages(
    messages: Sequence[tuple[TaskMessage, MessageRoute]], logs: Mapping[int, LinkLog], broker: bool
) -> list[MessageMatch]:
    """Find the packets of each message. `logs`: of all links of all routes. With a `broker` messages go over TCP from
    station to broker and from broker to station, otherwise as datagrams from station to station."""
    routes = [_hops(message, route) for message, route in messages]
    sole = _sole_streams(routes)
    matches: dict[int, list[PacketMatch]] = {}
    transfers: list[dict[Hop, LinkTransfer]] = [{} for _ in messages]
    for hop in sorted({hop for hops in routes for hop in hops}):
        expected: dict[int, list[ExpectedMessage]] = {}
        for number, ((message, _), hops) in enumerate(zip(messages, routes, strict=True)):
            if hop in hops:
                size_bytes = publication_bytes(message.receiver, message.size_bytes) if broker else message.size_bytes
                from_ns = _earliest_ns(message, list(hops), hop, transfers[number])
                expected.setdefault(hops[hop].link, []).append(
                    ExpectedMessage(from_ns, message.received_ns, size_bytes, number)
                )
        for link, on_link in expected.items():
            leg, _ = hop
            in_order = sorted(on_link, key=lambda each: each.until_ns) if leg else sorted(on_link)
            found = list((in_stream if broker else in_datagrams)(link, logs[link], in_order, link in sole))
            matches.setdefault(link, []).extend(found)
            for each, _, transfer in found:
                if transfer is not None:
                    transfers[each.number][hop] = transfer
    ambiguous = {number for link, found in matches.items() for number in _ambiguous(found, link in sole)}
    return [
        MessageMatch(tuple(own.values()) if len(own) == len(route.links) else None, number not in ambiguous)
        for number, (own, (_, route)) in enumerate(zip(transfers, messages, strict=True))
    ]


class _StationLink(NamedTuple):
    """A link, and the station whose connection uses it."""

    link: int
    station: str


def _hops(message: TaskMessage, route: MessageRoute) -> dict[Hop, _StationLink]:
    """Return the links of a route by hop, in order."""
    split = len(route.links) if route.from_broker < 0 else route.from_broker
    to_broker = {(0, place): _StationLink(link, message.sender) for place, link in enumerate(route.links[:split])}
    return to_broker | {
        (1, place): _StationLink(link, message.receiver) for place, link in enumerate(route.links[split:])
    }


def _sole_streams(routes: Iterable[Mapping[Hop, _StationLink]]) -> set[int]:
    """Return the links that only one direction of one connection uses."""
    streams: dict[int, set[tuple[int, str]]] = {}
    for hops in routes:
        for (leg, _), (link, station) in hops.items():
            streams.setdefault(link, set()).add((leg, station))
    return {link for link, users in streams.items() if len(users) == 1}


def _earliest_ns(message: TaskMessage, hops: Sequence[Hop], hop: Hop, known: Mapping[Hop, LinkTransfer]) -> int:
    """Return when a message's first packet can arrive at a link: once the link before delivered its first packet, or,
    at the first link after the broker, all of them. If that is not known, when the message was published."""
    index = hops.index(hop)
    if index == 0 or hops[index - 1] not in known:
        return message.published_ns
    before = known[hops[index - 1]]
    _, place = hop
    return before.departure_ns if place == 0 else before.first_departure_ns


def _ambiguous(matches: Sequence[PacketMatch], sole: bool) -> Iterator[int]:
    """Yield the messages of a link that cannot be told from others: two that overlap, unless this is a sole stream;
    and any two of which one was not found before the other was received, as a retransmission may have been taken for
    its packets."""
    for one, other in _overlapping(matches, lambda each: each.expected.until_ns):
        if one.transfer is None or other.transfer is None:
            yield from (one.expected.number, other.expected.number)
    if not sole:
        for one, other in _overlapping(matches, lambda each: each.last_ns):
            yield from (one.expected.number, other.expected.number)


def _overlapping(
    matches: Sequence[PacketMatch], end_ns: Callable[[PacketMatch], int]
) -> Iterator[tuple[PacketMatch, PacketMatch]]:
    """Yield all pairs whose intervals, from `expected.from_ns` to `end_ns`, overlap."""
    open_ones: list[PacketMatch] = []
    for each in sorted(matches):
        open_ones = [other for other in open_ones if end_ns(other) >= each.expected.from_ns]
        yield from ((other, each) for other in open_ones)
        open_ones.append(each)
