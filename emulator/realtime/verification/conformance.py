"""Check a relay's log against the simulation: replay its arrivals over the simulation's links and cells.

The arrival times, the seed and the packets' numbers determine everything else: which packets are dropped or lost, and
when the others reach the other end. Each packet is offered to fresh links in the order of arrival, and its outcome and
times are compared with the log to the nanosecond.
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
from emulator.realtime.verification.log_reader import LOGGED_PACKET, in_order
from emulator.system import CellSpec, LinkSpec

TALLY = np.dtype(
    [
        *[(name, np.int64) for name in ("packets", "different_drops", "different_times", "worst_ns")],
        # the first packet that differs, with its outcome and times in the log and in the simulation
        *[(name, np.int64) for name in ("link", "number", "logged", "outcome")],
        *[(name, np.int64) for name in ("logged_start_ns", "logged_release_ns", "start_ns", "release_ns")],
    ]
)


class Agreement(NamedTuple):
    """Result of a comparison of a log's `packets` with the simulation. `different_drops`: packets with another outcome.
    `different_times`: packets with the same outcome that start or are released at another time, at most `worst_ns`
    away. `missing`: packets without a row, by the log's own numbers; packets after them may differ for that
    reason. `first`: text that describes the first difference, or empty."""

    packets: int
    missing: int
    different_drops: int
    different_times: int
    worst_ns: int
    first: str

    @property
    def complete(self) -> bool:
        """Whether every packet has a row and agrees with the simulation."""
        return self.missing == self.different_drops == self.different_times == 0


class ReplayTables(NamedTuple):
    """Links and cells of the replay. `logged`: for each message in the cells' tables, the packet's row in the log.
    `ended`: whether a link had an unfinished packet."""

    links: Links
    cells: Cells
    logged: Table  # LOGGED_PACKET
    ended: Table  # bool, shape (links,)
    tally: Table  # TALLY, shape (1,)


def replay(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, duration_ns: int, log: Path
) -> Agreement:
    """Compare a relay's log with a simulation of the same links, cells, seed and duration (of the cells' background).
    Raises ValueError if the file cannot be the log of such a relay, OSError if it cannot be read."""
    tables = Cells(cells, links, seed, 0, duration_ns)
    state = ReplayTables(
        Links(links, seed),
        tables,
        np.zeros(len(tables.tables.messages), LOGGED_PACKET),
        np.zeros(len(links), np.bool_),
        np.zeros(1, TALLY),
    )
    expected, latest_ns, last_ns = 0, 0, 0
    for packets in in_order(log):
        _check(log, packets, len(links), latest_ns)
        expected, latest_ns = int(packets["order"][-1]) + 1, int(packets["arrival_ns"][-1])
        last_ns = max(last_ns, int(packets["release_ns"].max()))
        done = 0
        while True:
            done = _machine_code().replay_packets(state.links.tables, state.cells.tables, *state[2:], packets, done)
            if done == len(packets):
                break
            state = _grown(state)
    while not _machine_code().run_to_end(state.links.tables, state.cells.tables, *state[2:], last_ns):
        state = _grown(state)
    return _agreement(state.tally[0], expected)


def _check(log: Path, packets: Table, links: int, latest_ns: int) -> None:
    if packets["link"].min() < 0 or packets["link"].max() >= links:
        raise ValueError(f"{log}: link: must be at least 0 and below {links}")
    if packets["size_bytes"].min() < 1:
        raise ValueError(f"{log}: size_bytes={packets['size_bytes'].min()}: must be at least 1")
    if (np.diff(packets["arrival_ns"], prepend=latest_ns) < 0).any():
        raise ValueError(f"{log}: arrival_ns: must not decrease by `order`, nor be below 0")


def _grown(state: ReplayTables) -> ReplayTables:
    """Return the tables with more room where there is none."""
    if state.links.tables.queues.entries[0]["value"] == 0:
        state.links.grow()
    if len(state.cells.tables.cells):
        state.cells.grow()
    logged = np.zeros(len(state.cells.tables.messages), LOGGED_PACKET)
    logged[: len(state.logged)] = state.logged
    return state._replace(logged=logged)


def _agreement(tally: np.void, expected: int) -> Agreement:
    counts = {name: int(tally[name]) for name in ("packets", "different_drops", "different_times", "worst_ns")}
    first = ""
    if counts["different_drops"] or counts["different_times"]:
        logged, simulated = OUTCOMES[tally["logged"]], OUTCOMES[tally["outcome"]]
        first = (
            f"link {tally['link']} packet {tally['number']}: logged {logged}, "
            f"start {tally['logged_start_ns']}, release {tally['logged_release_ns']} ns; "
            f"simulated {simulated}, start {tally['start_ns']}, release {tally['release_ns']} ns"
        )
    return Agreement(missing=expected - counts["packets"], first=first, **counts)


@in_place
def replay_packets(
    tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, packets: Table, first: int
) -> int:
    """Offer the packets from `first` on. Return the number of packets done: fewer than all if tables have no room."""
    for place in range(first, len(packets)):
        packet = packets[place]
        if len(cells.ue_of_link) > 0 and cells.ue_of_link[packet.link] != NO_UE:
            cell = cells.ues[cells.ue_of_link[packet.link]].cell
            if not run_cell(tables, cells, logged, ended, tally, cell, packet.arrival_ns) or not has_message_room(
                cells
            ):
                return place
            message = cells.messages[0].behind  # the free message that the packet takes if it is accepted
            answer = enter(tables, cells, packet.link, packet.arrival_ns, packet.size_bytes, packet.number, 0, 0)
            if answer == ENTERED:
                logged[message] = packet
            else:
                compare(packet, ended, tally, drop_outcome(answer), NEVER_NS, NEVER_NS)
            continue
        start_ns, _, release_ns, erased = enqueue(
            tables, packet.link, packet.arrival_ns, packet.size_bytes, packet.number
        )
        if start_ns == NO_ROOM_NS:
            return place
        if start_ns < 0:
            compare(packet, ended, tally, drop_outcome(start_ns), NEVER_NS, NEVER_NS)
        else:
            compare(packet, ended, tally, LOST if erased > 0.0 else DELIVERED, start_ns, release_ns)
    return len(packets)


@in_place
def run_cell(
    tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, cell: int, now_ns: int
) -> bool:
    """Run a cell's slots that start before `now_ns`; return False if tables have no room."""
    while True:
        place = take_done(cells)
        if place > 0:
            message = cells.messages[place]
            outcome = LOST if message.erased_bytes > 0 else DELIVERED
            compare(logged[place], ended, tally, outcome, message.start_ns, message.arrival_ns)
            free(cells, place)
        elif cells.cells[cell].next_ns >= now_ns:
            return True
        elif not has_message_room(cells):
            return False
        else:
            decide(tables, cells, cell, now_ns)


@in_place
def run_to_end(tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, last_ns: int) -> bool:
    """Run all cells until `last_ns` and compare the packets that are still queued then as unfinished. Return False if
    tables have no room."""
    for cell in range(len(cells.cells)):
        if not run_cell(tables, cells, logged, ended, tally, cell, last_ns):
            return False
    for ue in range(len(cells.ues)):
        place = cells.ues[ue].first
        while place != 0:
            if cells.messages[place].who == 0:
                compare(logged[place], ended, tally, UNFINISHED, NEVER_NS, NEVER_NS)
            place = cells.messages[place].behind
    return True


@in_place
def drop_outcome(answer: int) -> int:
    """Return the outcome of a packet that a link did not accept."""
    return FULL if answer == FULL_NS else NO_COVERAGE


@in_place
def compare(packet: Record, ended: Table, tally: Table, outcome: int, start_ns: int, release_ns: int) -> None:
    """Count a logged packet and its differences from the simulation.

    A refused packet agrees if it was delivered. An unfinished packet agrees if it would have been delivered or lost
    later; then no later packet of its link may have left.
    """
    count = tally[0]
    count.packets += 1
    agrees = outcome == (DELIVERED if packet.outcome == REFUSED else packet.outcome)
    if packet.outcome == UNFINISHED:
        agrees = outcome not in (FULL, NO_COVERAGE)
        ended[packet.link] = True
    elif ended[packet.link] and outcome != FULL:
        agrees = False
    worst_ns = 0
    undecided = packet.outcome == UNFINISHED and packet.release_ns == NEVER_NS
    if agrees and not undecided:
        worst_ns = max(abs(packet.start_ns - start_ns), abs(packet.release_ns - release_ns))
    if agrees and worst_ns == 0:
        return
    if count.different_drops + count.different_times == 0:
        count.link, count.number, count.logged, count.outcome = packet.link, packet.number, packet.outcome, outcome
        count.logged_start_ns, count.logged_release_ns = packet.start_ns, packet.release_ns
        count.start_ns, count.release_ns = start_ns, release_ns
    if agrees:
        count.different_times += 1
        count.worst_ns = max(count.worst_ns, worst_ns)
    else:
        count.different_drops += 1


class _Code(NamedTuple):
    replay_packets: Callable[[LinkTables, CellTables, Table, Table, Table, Table, int], int]
    run_to_end: Callable[[LinkTables, CellTables, Table, Table, Table, int], bool]


@cache
def _machine_code() -> _Code:
    tables, cells = Links((), 0).tables, Cells({}, (), 0, 0, 0).tables
    packets, ended, tally = np.zeros(0, LOGGED_PACKET), np.zeros(0, np.bool_), np.zeros(0, TALLY)
    return _Code(
        bound(replay_packets, tables, cells, packets, ended, tally, packets, 0),
        bound(run_to_end, tables, cells, packets, ended, tally, 0),
    )
