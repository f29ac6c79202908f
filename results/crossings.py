"""Which packets of the relay's log were a message's, link by link: told by direction, time and bytes.

The log does not say whose a packet is. A message's are those that come on a direction after it was published (or, on
a later link, after the link before let it go), until its bytes are together. Where two messages are on their way to
one direction at a time, nobody can tell, and nothing is said of either.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.compiled import Table
from emulator.realtime.arrivals import PACKET, in_order
from emulator.realtime.packet_log import DELIVERED, FULL, NO_COVERAGE
from emulator.system import System
from results.journeys import Message

# Of a packet, in bytes. With TCP come the time stamps that Linux sends.
TCP_HEADERS, UDP_HEADERS = 52, 28
FULL_PACKET = 1_500
SELECTIVE_ACKS = (64, 72, 80)  # without data: up to three blocks (RFC 2018)
MOST_MQTT_BYTES = 128  # of a message's header, most of it the topic


class Crossing(NamedTuple):
    """A message on one link: its packets' places in the log of the link's medium, those after the last that was
    delivered left out (`kept`: which part of all its bytes the others are). When the first of them came and had
    crossed, and when the last was due to have crossed, and had."""

    link: int
    packets: tuple[int, ...]
    kept: float
    arrival_ns: int
    first_departure_ns: int
    release_ns: int
    departure_ns: int


class LinkLog:
    """The packets of one link, by number; `places` says where each is in the medium's log."""

    def __init__(self, link: int, packets: Table, places: Table, datagrams: bool) -> None:
        self._link = link
        self._packets = packets
        self._places = places
        self._datagrams = datagrams

    def find(self, from_ns: int, until_ns: int, size_bytes: int) -> tuple[Crossing, int] | None:
        """A message of `size_bytes` that was sent at `from_ns` and was there at `until_ns`, and when the last of its
        packets came; None where the bytes do not fit, or none of them was delivered."""
        first = int(np.searchsorted(self._packets["arrival_ns"], from_ns))
        stop = int(np.searchsorted(self._packets["arrival_ns"], until_ns, side="right"))
        take = self._datagrams_of if self._datagrams else self._stream_of
        taken = take(first, stop, size_bytes)
        delivered = [place for place in taken if self._packets["outcome"][place] == DELIVERED]
        if not delivered:
            return None
        kept = taken[: taken.index(delivered[-1]) + 1]
        sizes, last = self._packets["size_bytes"], self._packets[delivered[-1]]
        crossing = Crossing(
            self._link,
            tuple(self._places[kept].tolist()),
            float(sizes[kept].sum() / sizes[taken].sum()),
            int(self._packets["arrival_ns"][taken[0]]),
            int(self._packets["departure_ns"][delivered[0]]),
            int(last["release_ns"]),
            int(last["departure_ns"]),
        )
        return crossing, int(self._packets["arrival_ns"][taken[-1]])

    def _datagrams_of(self, first: int, stop: int, size_bytes: int) -> list[int]:
        """Those until all bytes have come, or the time is over: some may have been lost before."""
        taken, got = [], 0
        for place in range(first, stop):
            got += int(self._packets["size_bytes"][place]) - UDP_HEADERS
            if got > size_bytes:
                return []
            if self._packets["outcome"][place] not in (FULL, NO_COVERAGE):
                taken.append(place)
            if got == size_bytes:
                break
        return taken

    def _stream_of(self, first: int, stop: int, size_bytes: int) -> list[int]:
        """Those with data until all bytes have come, with no more than MQTT adds. What found no room comes again."""
        taken: list[int] = []
        got, last_size, last_ns = 0, 0, -1
        for place in range(first, stop):
            packet = self._packets[place]
            size, now_ns = int(packet["size_bytes"]), int(packet["arrival_ns"])
            continues = last_size == FULL_PACKET and now_ns == last_ns  # a segment of the same frame
            if size <= TCP_HEADERS or packet["outcome"] != DELIVERED or (size in SELECTIVE_ACKS and not continues):
                continue
            beyond = got + size - TCP_HEADERS - size_bytes
            if got >= size_bytes and (last_size != FULL_PACKET or beyond > MOST_MQTT_BYTES):
                break
            if beyond > MOST_MQTT_BYTES:
                return []
            taken.append(place)
            got += size - TCP_HEADERS
            last_size, last_ns = size, now_ns
        return taken if got >= size_bytes else []


class Way(NamedTuple):
    """The links from the sender to the receiver; those from `resent` on, after the broker has had the whole message
    (none where there is no broker)."""

    links: tuple[int, ...]
    resent: int


class Told(NamedTuple):
    """A message on each link of its way; None where its packets were not found on one of them. `alone`: no other was
    on its way to one of these links at the same time."""

    crossings: tuple[Crossing, ...] | None
    alone: bool


def tell(messages: Sequence[tuple[Message, Way]], logs: Mapping[int, LinkLog]) -> list[Told]:
    """What became of each message on the links. `logs`: of all links of all ways."""
    claims: dict[int, list[tuple[int, int, int]]] = {}
    found: list[tuple[Crossing, ...] | None] = []
    for number, (message, way) in enumerate(messages):
        crossings: list[Crossing] = []
        from_ns = message.published_ns
        for hop, link in enumerate(way.links):
            answer = logs[link].find(from_ns, message.received_ns, message.size_bytes)
            if answer is None:
                claims.setdefault(link, []).append((from_ns, message.received_ns, number))
                break
            crossing, last_ns = answer
            claims.setdefault(link, []).append((from_ns, last_ns, number))
            crossings.append(crossing)
            from_ns = crossing.departure_ns if hop + 1 == way.resent else crossing.first_departure_ns
        found.append(tuple(crossings) if len(crossings) == len(way.links) else None)
    meeting = {number for each in claims.values() for number in _meeting(sorted(each))}
    return [Told(each, number not in meeting) for number, each in enumerate(found)]


def _meeting(claims: Iterable[tuple[int, int, int]]) -> Iterable[int]:
    """The messages of one link whose times, from one to another, have an instant in common."""
    latest_ns, latest = -1, -1
    for from_ns, until_ns, number in claims:
        if from_ns <= latest_ns:
            yield from (number, latest)
        if until_ns > latest_ns:
            latest_ns, latest = until_ns, number


Medium = tuple[int, ...]  # links that hang together: one by itself, or those of a cell


def media(system: System) -> dict[int, Medium]:
    """The medium of each link."""
    cells: dict[str, list[int]] = {}
    for number, link in enumerate(system.links):
        cells.setdefault(link.cell or f"{number}", []).append(number)
    return {number: tuple(members) for members in cells.values() for number in members}


def read_media(log: Path, wanted: Iterable[Medium]) -> dict[Medium, Table]:
    """The packets of each medium in the order in which they came, all in memory. Raises as `arrivals.rows` does."""
    parts: dict[Medium, list[Table]] = {medium: [np.zeros(0, PACKET)] for medium in wanted}
    for some in in_order(log):
        for medium, tables in parts.items():
            own = some[np.isin(some["link"], medium)]
            if len(own):
                tables.append(own)
    return {medium: np.concatenate(tables) for medium, tables in parts.items()}


def link_logs(packets: Mapping[Medium, Table], datagrams: bool) -> dict[int, LinkLog]:
    """The log of each link of these media."""
    logs = {}
    for medium, table in packets.items():
        for link in medium:
            places = np.flatnonzero(table["link"] == link)
            logs[link] = LinkLog(link, table[places], places, datagrams)
    return logs
