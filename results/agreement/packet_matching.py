"""Find a message's packets on one link: segments of a TCP stream, or datagrams."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from emulator.realtime.packet_log import DELIVERED, FULL, NO_COVERAGE
from emulator.realtime.verification.counterfactual import PacketShare
from results.agreement.link_packets import LinkLog

# Bytes of a packet. TCP headers include the time stamps that Linux sends.
TCP_HEADERS, UDP_HEADERS = 52, 28
FULL_PACKET = 1_500
SELECTIVE_ACKS = (64, 72, 80)  # sizes without data: one to three blocks (RFC 2018)


class LinkTransfer(NamedTuple):
    """A message's transfer over one link.

    `packets`: its packets, up to the last one that was delivered. `kept`: their share of the bytes of all its packets.
    `held_ns`: the part of the time before the first packet arrived in which the link still carried another message of
    the same connection. `arrival_ns`, `first_departure_ns`: when the first packet arrived, and left the link.
    `release_ns`, `departure_ns`: when the last packet was scheduled to leave the link, and left it.
    """

    link: int
    packets: tuple[PacketShare, ...]
    kept: float
    held_ns: int
    arrival_ns: int
    first_departure_ns: int
    release_ns: int
    departure_ns: int


class ExpectedMessage(NamedTuple):
    """A message to find on a link: its packets arrive from `from_ns` on, and all `size_bytes`, MQTT's header included,
    are at the receiver at `until_ns`. `number` identifies the message."""

    from_ns: int
    until_ns: int
    size_bytes: int
    number: int


class PacketMatch(NamedTuple):
    """The result for an expected message: when its last packet arrived, and its transfer (None if not found)."""

    expected: ExpectedMessage
    last_ns: int
    transfer: LinkTransfer | None


def in_datagrams(link: int, log: LinkLog, expected: Iterable[ExpectedMessage], _: bool) -> Iterator[PacketMatch]:
    """Find the datagrams of each message: until its bytes are complete or its time is over, since a link before may
    have lost some. Packets that a full queue dropped count towards the bytes only."""
    packets, places = log
    for message in expected:
        seen_bytes, taken = 0, []
        for place in range(log.first_from(message.from_ns), len(packets)):
            if seen_bytes >= message.size_bytes or packets["arrival_ns"][place] > message.until_ns:
                break
            seen_bytes += int(packets["size_bytes"][place]) - UDP_HEADERS
            if packets["outcome"][place] not in (FULL, NO_COVERAGE):
                taken.append(place)
        delivered = [place for place in taken if packets["outcome"][place] == DELIVERED]
        if not delivered or seen_bytes > message.size_bytes:
            yield PacketMatch(message, message.until_ns, None)
            continue
        sizes = packets["size_bytes"]
        last = delivered[-1]
        kept = [place for place in taken if place <= last]
        shares = tuple(PacketShare(int(places[place]), int(sizes[place])) for place in kept)
        kept_share = float(sizes[kept].sum() / sizes[taken].sum())
        transfer = _link_transfer(link, log, 0, shares, kept_share, taken[0], delivered[0], last)
        yield PacketMatch(message, int(packets["arrival_ns"][taken[-1]]), transfer)


def in_stream(link: int, log: LinkLog, expected: Iterable[ExpectedMessage], sole: bool) -> Iterator[PacketMatch]:
    """Find the segments of each message, in the order of the stream. If this is the link's `sole` stream, a message
    that overlaps the one before starts with the byte after its last."""
    cursor = _StreamCursor(link, log)
    cluster: list[PacketMatch] = []
    busy_ns = left_ns = -1
    for message in expected:
        if message.from_ns > busy_ns:
            yield from cursor.confirmed(cluster)
            cluster = []
        if not cluster or not sole:
            cursor.seek(message.from_ns)
        match = cursor.take(message, left_ns if sole else -1)
        busy_ns = max(busy_ns, match.last_ns)
        left_ns = -1 if match.transfer is None else max(left_ns, match.transfer.departure_ns)
        cluster.append(match)
    yield from cursor.confirmed(cluster)


class _StreamCursor:
    """A position in the byte stream of a link: the next packet, and the number of its bytes already taken."""

    def __init__(self, link: int, log: LinkLog) -> None:
        self._link = link
        self._log = log
        self._next = 0
        self._used_bytes = 0
        self._last = -1  # the last packet with data

    def seek(self, now_ns: int) -> None:
        """Continue with the first packet that arrived at `now_ns` or later."""
        self._next, self._used_bytes, self._last = self._log.first_from(now_ns), 0, -1

    def confirmed(self, cluster: list[PacketMatch]) -> list[PacketMatch]:
        """Return the matches of consecutive messages. Unless all were found and end with a packet, none counts as
        found."""
        if self._used_bytes == 0 and all(each.transfer is not None for each in cluster):
            return cluster
        return [each._replace(last_ns=each.expected.until_ns, transfer=None) for each in cluster]

    def take(self, message: ExpectedMessage, left_ns: int) -> PacketMatch:
        """Take the message's bytes; the bytes before them left the link at `left_ns`."""
        packets, places = self._log
        taken: list[tuple[int, int]] = []
        left_bytes = message.size_bytes
        while left_bytes > 0:
            if self._next == len(packets) or packets["arrival_ns"][self._next] > message.until_ns:
                return PacketMatch(message, message.until_ns, None)
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
        held_ns = max(0, min(left_ns, arrival_ns) - message.from_ns)
        shares = tuple(PacketShare(int(places[place]), own_bytes + TCP_HEADERS) for place, own_bytes in taken)
        transfer = _link_transfer(self._link, self._log, held_ns, shares, 1.0, first, first, last)
        return PacketMatch(message, int(packets["arrival_ns"][last]), transfer)

    def _data_bytes(self, wanted_bytes: int) -> int:
        """Return the stream's bytes in the next packet; `wanted_bytes` of the message are still to be found.

        A dropped packet has none, since it is sent again. A packet of the size of a selective acknowledgement has
        none, unless it completes a frame or the message.
        """
        packets = self._log.packets
        packet, last = packets[self._next], packets[self._last]
        size_bytes = int(packet["size_bytes"])
        ends_frame = (
            self._last >= 0 and last["size_bytes"] == FULL_PACKET and last["arrival_ns"] == packet["arrival_ns"]
        )
        is_ack = size_bytes in SELECTIVE_ACKS and not ends_frame and size_bytes - TCP_HEADERS != wanted_bytes
        if packet["outcome"] != DELIVERED or (is_ack and self._used_bytes == 0):
            return 0
        return max(0, size_bytes - TCP_HEADERS)


def _link_transfer(
    link: int, log: LinkLog, held_ns: int, shares: tuple[PacketShare, ...], kept: float,
    first: int, first_delivered: int, last: int,
) -> LinkTransfer:  # fmt: skip
    packets = log.packets
    return LinkTransfer(
        link, shares, kept, held_ns, int(packets["arrival_ns"][first]),
        int(packets["departure_ns"][first_delivered]), int(packets["release_ns"][last]),
        int(packets["departure_ns"][last]),
    )  # fmt: skip
