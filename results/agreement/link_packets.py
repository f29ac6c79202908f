"""The relay's log of packets, link by link."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table
from emulator.realtime.verification.log_reader import LOGGED_PACKET, in_order
from emulator.system import System

Medium = tuple[int, ...]  # links that hang together: one by itself, or those of a cell


class LinkLog(NamedTuple):
    """The packets of one link, by number; `places` says where each is in the medium's log."""

    packets: Table
    places: Table

    def first_from(self, now_ns: int) -> int:
        """The first packet that came at `now_ns` or later; as many as there are, where none did."""
        return int(np.searchsorted(self.packets["arrival_ns"], now_ns))


def media(system: System) -> dict[int, Medium]:
    """The medium of each link."""
    cells: dict[str, list[int]] = {}
    for number, link in enumerate(system.links):
        cells.setdefault(link.cell or f"{number}", []).append(number)
    return {number: tuple(members) for members in cells.values() for number in members}


def read_media(log: Path, wanted: Iterable[Medium]) -> dict[Medium, Table]:
    """The packets of each medium in the order in which they came, all in memory. Raises as `arrivals.rows` does."""
    parts: dict[Medium, list[Table]] = {medium: [np.zeros(0, LOGGED_PACKET)] for medium in wanted}
    for some in in_order(log):
        for medium, tables in parts.items():
            own = some[np.isin(some["link"], medium)]
            if len(own):
                tables.append(own)
    return {medium: np.concatenate(tables) for medium, tables in parts.items()}


def link_logs(packets: Mapping[Medium, Table]) -> dict[int, LinkLog]:
    """The log of each link of these media."""
    logs = {}
    for medium, table in packets.items():
        for link in medium:
            places = np.flatnonzero(table["link"] == link)
            logs[link] = LinkLog(table[places], places)
    return logs
