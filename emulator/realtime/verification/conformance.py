"""Whether the relay did what the simulation does: its arrivals, fed to the simulation's own links and cells.

The relay stamps each packet as it comes. From these stamps, the seed and the packets' numbers everything else
follows: who finds no room, who is lost, when the others reach the other end. Each packet is offered again, in the
order in which they came, and what became of it is compared to the nanosecond.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.cell.slots import ENTERED, decide, enter, take_done
from emulator.cell.tables import NO_UE, Cells, CellTables, has_message_room
from emulator.cell.transmission import free
from emulator.core.compiled import Record, Table, bound, in_place
from emulator.link import enqueue
from emulator.link.tables import FULL_NS, NO_ROOM_NS, Links, LinkTables
from emulator.realtime.packet_log import DELIVERED, FULL, LOST, NEVER_NS, NO_COVERAGE, OUTCOMES, REFUSED, UNFINISHED
from emulator.realtime.verification.log_reader import PACKET, in_order
from emulator.system import CellSpec, LinkSpec

FOUND = np.dtype(
    [
        *[(name, np.int64) for name in ("packets", "different_drops", "different_times", "worst_ns")],
        # the first packet that differs, and what it would have been
        *[(name, np.int64) for name in ("link", "number", "logged", "outcome")],
        *[(name, np.int64) for name in ("logged_start_ns", "logged_release_ns", "start_ns", "release_ns")],
    ]
)


class Agreement(NamedTuple):
    """How many packets of a log were compared, and how many of them the simulation drops where the relay did not (or
    the other way round, or for another reason), or starts or releases at another time: at most `worst_ns` away.
    `missing`: came, by the log's count, and have no row, so that what came after them cannot be known to agree.
    `first`: the first difference in words, empty where there is none."""

    packets: int
    missing: int
    different_drops: int
    different_times: int
    worst_ns: int
    first: str

    @property
    def complete(self) -> bool:
        """Whether every packet is there, and the simulation does the same with each."""
        return self.missing == self.different_drops == self.different_times == 0


class Replay(NamedTuple):
    """Fresh links and cells, and what is known of the packets that are in cells: `kept` has a row for each message of
    the cells' tables, `ended` says which links have had an unfinished packet."""

    links: Links
    cells: Cells
    kept: Table
    ended: Table
    found: Table


def replay(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, duration_ns: int, log: Path
) -> Agreement:
    """Compare the log of a relay that was given these links, cells, seed and duration (until which the cells have
    their background). Raises ValueError where the log is none of such a relay, and OSError where there is none."""
    tables = Cells(cells, links, seed, 0, duration_ns)
    state = Replay(
        Links(links, seed),
        tables,
        np.zeros(len(tables.tables.messages), PACKET),
        np.zeros(len(links), np.bool_),
        np.zeros(1, FOUND),
    )
    expected, latest_ns, last_ns = 0, 0, 0
    for packets in in_order(log):
        _check(log, packets, len(links), latest_ns)
        expected, latest_ns = int(packets["order"][-1]) + 1, int(packets["arrival_ns"][-1])
        last_ns = max(last_ns, int(packets["release_ns"].max()))
        done = 0
        while True:
            done = _machine_code().feed(state.links.tables, state.cells.tables, *state[2:], packets, done)
            if done == len(packets):
                break
            state = _grown(state)
    while not _machine_code().finish(state.links.tables, state.cells.tables, *state[2:], last_ns):
        state = _grown(state)
    return _agreement(state.found[0], expected)


def _check(log: Path, packets: Table, links: int, latest_ns: int) -> None:
    if packets["link"].min() < 0 or packets["link"].max() >= links:
        raise ValueError(f"{log}: link: must be at least 0 and below {links}")
    if packets["size_bytes"].min() < 1:
        raise ValueError(f"{log}: size_bytes={packets['size_bytes'].min()}: must be at least 1")
    if (np.diff(packets["arrival_ns"], prepend=latest_ns) < 0).any():
        raise ValueError(f"{log}: arrival_ns: must not decrease by `order`, nor be below 0")


def _grown(state: Replay) -> Replay:
    """The same with more room where there is none."""
    if state.links.tables.queues.entries[0]["value"] == 0:
        state.links.grow()
    if len(state.cells.tables.cells):
        state.cells.grow()
    kept = np.zeros(len(state.cells.tables.messages), PACKET)
    kept[: len(state.kept)] = state.kept
    return state._replace(kept=kept)


def _agreement(found: np.void, expected: int) -> Agreement:
    counts = {name: int(found[name]) for name in ("packets", "different_drops", "different_times", "worst_ns")}
    first = ""
    if counts["different_drops"] or counts["different_times"]:
        logged, own = OUTCOMES[found["logged"]], OUTCOMES[found["outcome"]]
        first = (
            f"link {found['link']} packet {found['number']}: logged {logged}, "
            f"start {found['logged_start_ns']}, release {found['logged_release_ns']} ns; "
            f"simulated {own}, start {found['start_ns']}, release {found['release_ns']} ns"
        )
    return Agreement(missing=expected - counts["packets"], first=first, **counts)


@in_place
def feed(
    tables: LinkTables, cells: CellTables, kept: Table, ended: Table, found: Table, packets: Table, first: int
) -> int:
    """Offer the packets from `first` on: how many of all are then done, fewer than all where tables have no room."""
    for place in range(first, len(packets)):
        packet = packets[place]
        if len(cells.ue_of_link) > 0 and cells.ue_of_link[packet.link] != NO_UE:
            cell = cells.ues[cells.ue_of_link[packet.link]].cell
            if not pass_time(tables, cells, kept, ended, found, cell, packet.arrival_ns) or not has_message_room(cells):
                return place
            message = cells.messages[0].behind  # the unused one that this packet gets, if it enters
            answer = enter(tables, cells, packet.link, packet.arrival_ns, packet.size_bytes, packet.number, 0, 0)
            if answer == ENTERED:
                kept[message] = packet
            else:
                compare(packet, ended, found, dropped(answer), NEVER_NS, NEVER_NS)
            continue
        start_ns, _, release_ns, erased = enqueue(
            tables, packet.link, packet.arrival_ns, packet.size_bytes, packet.number
        )
        if start_ns == NO_ROOM_NS:
            return place
        if start_ns < 0:
            compare(packet, ended, found, dropped(start_ns), NEVER_NS, NEVER_NS)
        else:
            compare(packet, ended, found, LOST if erased > 0.0 else DELIVERED, start_ns, release_ns)
    return len(packets)


@in_place
def pass_time(
    tables: LinkTables, cells: CellTables, kept: Table, ended: Table, found: Table, cell: int, now_ns: int
) -> bool:
    """Decide a cell's slots that start before an instant; False where tables have no room."""
    while True:
        place = take_done(cells)
        if place > 0:
            message = cells.messages[place]
            outcome = LOST if message.erased_bytes > 0 else DELIVERED
            compare(kept[place], ended, found, outcome, message.start_ns, message.arrival_ns)
            free(cells, place)
        elif cells.cells[cell].next_ns >= now_ns:
            return True
        elif not has_message_room(cells):
            return False
        else:
            decide(tables, cells, cell, now_ns)


@in_place
def finish(tables: LinkTables, cells: CellTables, kept: Table, ended: Table, found: Table, last_ns: int) -> bool:
    """Decide all that leaves by `last_ns`, and count those that do not; False where tables have no room."""
    for cell in range(len(cells.cells)):
        if not pass_time(tables, cells, kept, ended, found, cell, last_ns):
            return False
    for ue in range(len(cells.ues)):
        place = cells.ues[ue].first
        while place != 0:
            if cells.messages[place].who == 0:
                compare(kept[place], ended, found, UNFINISHED, NEVER_NS, NEVER_NS)
            place = cells.messages[place].behind
    return True


@in_place
def dropped(answer: int) -> int:
    """Why a link did not take a packet."""
    return FULL if answer == FULL_NS else NO_COVERAGE


@in_place
def compare(packet: Record, ended: Table, found: Table, outcome: int, start_ns: int, release_ns: int) -> None:
    """Count a packet and what differs. What the other end refused came to it by the schedule. An unfinished one may
    have been delivered or lost later, had the run lasted; then none of its link that came after it has left."""
    count = found[0]
    count.packets += 1
    alike = outcome == (DELIVERED if packet.outcome == REFUSED else packet.outcome)
    if packet.outcome == UNFINISHED:
        alike = outcome not in (FULL, NO_COVERAGE)
        ended[packet.link] = True
    elif ended[packet.link] and outcome != FULL:
        alike = False
    worst_ns = 0
    undecided = packet.outcome == UNFINISHED and packet.release_ns == NEVER_NS
    if alike and not undecided:
        worst_ns = max(abs(packet.start_ns - start_ns), abs(packet.release_ns - release_ns))
    if alike and worst_ns == 0:
        return
    if count.different_drops + count.different_times == 0:
        count.link, count.number, count.logged, count.outcome = packet.link, packet.number, packet.outcome, outcome
        count.logged_start_ns, count.logged_release_ns = packet.start_ns, packet.release_ns
        count.start_ns, count.release_ns = start_ns, release_ns
    if alike:
        count.different_times += 1
        count.worst_ns = max(count.worst_ns, worst_ns)
    else:
        count.different_drops += 1


class _Code(NamedTuple):
    feed: Callable[[LinkTables, CellTables, Table, Table, Table, Table, int], int]
    finish: Callable[[LinkTables, CellTables, Table, Table, Table, int], bool]


@cache
def _machine_code() -> _Code:
    tables, cells = Links((), 0).tables, Cells({}, (), 0, 0, 0).tables
    packets, ended, found = np.zeros(0, PACKET), np.zeros(0, np.bool_), np.zeros(0, FOUND)
    return _Code(
        bound(feed, tables, cells, packets, ended, found, packets, 0),
        bound(finish, tables, cells, packets, ended, found, 0),
    )
