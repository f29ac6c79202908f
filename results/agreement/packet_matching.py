"""What was to come on a link, found among its packets: segments of a TCP stream, or datagrams."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from emulator.realtime.packet_log import DELIVERED, FULL, NO_COVERAGE
from emulator.realtime.verification.counterfactual import PacketShare
from results.agreement.link_packets import LinkLog

# Of a packet, in bytes. With TCP come the time stamps that Linux sends.
TCP_HEADERS, UDP_HEADERS = 52, 28
FULL_PACKET = 1_500
SELECTIVE_ACKS = (64, 72, 80)  # without data: up to three blocks (RFC 2018)


class Crossing(NamedTuple):
    """A message on one link: its packets, those after the last that was delivered left out (`kept`: which part of all
    its bytes the others are). Of the time before the first packet came, `held_ns` are those in which another message
    of the same connection was still on its way over the link. When the first packet came and had crossed, and when
    the last was due to have crossed, and had."""

    link: int
    packets: tuple[PacketShare, ...]
    kept: float
    held_ns: int
    arrival_ns: int
    first_departure_ns: int
    release_ns: int
    departure_ns: int


class Claim(NamedTuple):
    """A message, by its number: a link was asked for it at `from_ns`, at the earliest, and all its `size_bytes`, with
    MQTT's, were at the receiver at `until_ns`."""

    from_ns: int
    until_ns: int
    size_bytes: int
    number: int


class Found(NamedTuple):
    """What is known of a claim: until when packets of it came, and the crossing; None where it was not found."""

    claim: Claim
    last_ns: int
    crossing: Crossing | None


def in_datagrams(link: int, log: LinkLog, claims: Iterable[Claim], _: bool) -> Iterator[Found]:
    """The datagrams of each claim: until all bytes have come, or the time is over, for some may have been lost on a
    link before. What found no room is no packet of it."""
    packets, places = log
    for claim in claims:
        got, taken = 0, []
        for place in range(log.first_from(claim.from_ns), len(packets)):
            if got >= claim.size_bytes or packets["arrival_ns"][place] > claim.until_ns:
                break
            got += int(packets["size_bytes"][place]) - UDP_HEADERS
            if packets["outcome"][place] not in (FULL, NO_COVERAGE):
                taken.append(place)
        delivered = [place for place in taken if packets["outcome"][place] == DELIVERED]
        if not delivered or got > claim.size_bytes:
            yield Found(claim, claim.until_ns, None)
            continue
        sizes = packets["size_bytes"]
        last = delivered[-1]
        kept = [place for place in taken if place <= last]
        shares = tuple(PacketShare(int(places[place]), int(sizes[place])) for place in kept)
        part = float(sizes[kept].sum() / sizes[taken].sum())
        crossing = _crossing(link, log, 0, shares, part, taken[0], delivered[0], last)
        yield Found(claim, int(packets["arrival_ns"][taken[-1]]), crossing)


def in_stream(link: int, log: LinkLog, claims: Iterable[Claim], sole: bool) -> Iterator[Found]:
    """The segments of each claim, in the order of the stream. Where claims meet, one begins with the byte after the
    last of the one before, if this is the link's `sole` stream."""
    cursor = _Cursor(link, log)
    cluster: list[Found] = []
    busy_ns = left_ns = -1
    for claim in claims:
        if claim.from_ns > busy_ns:
            yield from cursor.confirmed(cluster)
            cluster = []
        if not cluster or not sole:
            cursor.begin(claim.from_ns)
        found = cursor.take(claim, left_ns if sole else -1)
        busy_ns = max(busy_ns, found.last_ns)
        left_ns = -1 if found.crossing is None else max(left_ns, found.crossing.departure_ns)
        cluster.append(found)
    yield from cursor.confirmed(cluster)


class _Cursor:
    """A place in the bytes of the stream on a link: the next packet, and how much of it is taken."""

    def __init__(self, link: int, log: LinkLog) -> None:
        self._link = link
        self._log = log
        self._next = 0
        self._used_bytes = 0
        self._last = -1  # the last packet with data

    def begin(self, now_ns: int) -> None:
        """Forget the past: what comes is new from `now_ns` on."""
        self._next, self._used_bytes, self._last = self._log.first_from(now_ns), 0, -1

    def confirmed(self, cluster: list[Found]) -> list[Found]:
        """Claims that followed one on the other: none of them is known unless all are, up to the end of a packet."""
        if self._used_bytes == 0 and all(each.crossing is not None for each in cluster):
            return cluster
        return [each._replace(last_ns=each.claim.until_ns, crossing=None) for each in cluster]

    def take(self, claim: Claim, left_ns: int) -> Found:
        """The next bytes are the claim's; those before them had left the link at `left_ns`."""
        packets, places = self._log
        taken: list[tuple[int, int]] = []
        left_bytes = claim.size_bytes
        while left_bytes > 0:
            if self._next == len(packets) or packets["arrival_ns"][self._next] > claim.until_ns:
                return Found(claim, claim.until_ns, None)
            data_bytes = self._data_bytes(left_bytes)
            if data_bytes > 0:
                own_bytes = min(data_bytes - self._used_bytes, left_bytes)
                taken.append((self._next, own_bytes))
                left_bytes -= own_bytes
                self._used_bytes += own_bytes
                self._last = self._next
            if self._used_bytes == data_bytes:
                self._next, self._used_bytes = self._next + 1, 0
        (first, _), (last, _) = taken[0], taken[-1]
        arrival_ns = int(packets["arrival_ns"][first])
        held_ns = max(0, min(left_ns, arrival_ns) - claim.from_ns)
        shares = tuple(PacketShare(int(places[place]), own_bytes + TCP_HEADERS) for place, own_bytes in taken)
        crossing = _crossing(self._link, self._log, held_ns, shares, 1.0, first, first, last)
        return Found(claim, int(packets["arrival_ns"][last]), crossing)

    def _data_bytes(self, wanted_bytes: int) -> int:
        """What the next packet has of the stream, of which `wanted_bytes` are looked for. What found no room comes
        again, and what is as large as a selective acknowledgement is one, unless it ends a frame or the message."""
        packets = self._log.packets
        packet, last = packets[self._next], packets[self._last]
        size_bytes = int(packet["size_bytes"])
        ends_frame = (
            self._last >= 0 and last["size_bytes"] == FULL_PACKET and last["arrival_ns"] == packet["arrival_ns"]
        )
        is_answer = size_bytes in SELECTIVE_ACKS and not ends_frame and size_bytes - TCP_HEADERS != wanted_bytes
        if packet["outcome"] != DELIVERED or (is_answer and self._used_bytes == 0):
            return 0
        return max(0, size_bytes - TCP_HEADERS)


def _crossing(
    link: int, log: LinkLog, held_ns: int, shares: tuple[PacketShare, ...], kept: float,
    first: int, first_delivered: int, last: int,
) -> Crossing:  # fmt: skip
    packets = log.packets
    return Crossing(
        link, shares, kept, held_ns, int(packets["arrival_ns"][first]),
        int(packets["departure_ns"][first_delivered]), int(packets["release_ns"][last]),
        int(packets["departure_ns"][last]),
    )  # fmt: skip
