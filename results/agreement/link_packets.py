"""Read the relay's packet log, link by link."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table
from emulator.realtime.verification.log_reader import LOGGED_PACKET, in_order
from emulator.system import System

GroupKey = tuple[int, ...]  # the links that share capacity: those of a cell, or a link outside any cell


class LinkLog(NamedTuple):
    """The packets of one link, by number; `places` are their rows in the log of the link's group."""

    packets: Table
    places: Table

    def first_from(self, now_ns: int) -> int:
        """Return the index of the first packet that arrived at `now_ns` or later; the number of packets if none did."""
        return int(np.searchsorted(self.packets["arrival_ns"], now_ns))


def link_groups(system: System) -> dict[int, GroupKey]:
    """Return the group of each link."""
    cells: dict[str, list[int]] = {}
    for number, link in enumerate(system.links):
        cells.setdefault(link.cell or f"{number}", []).append(number)
    return {number: tuple(members) for members in cells.values() for number in members}


def read_groups(log: Path, wanted: Iterable[GroupKey]) -> dict[GroupKey, Table]:
    """Read the packets of each group into memory, in order of arrival. Raises ValueError for a damaged log."""
    parts: dict[GroupKey, list[Table]] = {group: [np.zeros(0, LOGGED_PACKET)] for group in wanted}
    for batch in in_order(log):
        for group, tables in parts.items():
            own = batch[np.isin(batch["link"], group)]
            if len(own):
                tables.append(own)
    return {group: np.concatenate(tables) for group, tables in parts.items()}


def link_logs(packets: Mapping[GroupKey, Table]) -> dict[int, LinkLog]:
    """Return the log of each link of these groups."""
    logs = {}
    for group, table in packets.items():
        for link in group:
            places = np.flatnonzero(table["link"] == link)
            logs[link] = LinkLog(table[places], places)
    return logs
