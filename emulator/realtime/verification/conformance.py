"""Check a relay's log against the simulation: replay its arrivals over the simulation's links and cells.

The arrival times, the seed and the packets' numbers determine everything else: which packets are dropped or lost, and
when the others reach the other end. Each packet is offered to fresh links in the order of arrival, and its outcome and
times are compared with the log to the nanosecond.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emulator.cell.slots import ENTERED, enter, is_in_cell, release_message, run_slots
from emulator.cell.tables import Cells, CellTables
from emulator.core.arrays import reserved
from emulator.core.compiled import Bound, Record, Table, entry_point, in_place
from emulator.core.fifo import next_row
from emulator.link import enqueue
from emulator.link import tables as link_tables
from emulator.link.tables import Links, LinkTables
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


def replay(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], seed: int, duration_ns: int, log: Path
) -> Agreement:
    """Compare a relay's log with a simulation of the same links, cells, seed and duration (of the cells' background).
    Raises ValueError if the file cannot be the log of such a relay, OSError if it cannot be read."""
    link_state, cell_state = Links(links, seed).tables, Cells(cells, links, seed, 0, duration_ns).tables
    logged = reserved(len(cell_state.messages), LOGGED_PACKET)  # the row in the log of each message in a cell
    ended, tally = np.zeros(len(links), np.bool_), np.zeros(1, TALLY)  # `ended`: the link has an unfinished packet
    expected, latest_ns, last_ns = 0, 0, 0
    for packets in in_order(log):
        _check(log, packets, len(links), latest_ns)
        expected, latest_ns = int(packets["order"][-1]) + 1, int(packets["arrival_ns"][-1])
        last_ns = max(last_ns, int(packets["release_ns"].max()))
        _replay_packets(link_state, cell_state, logged, ended, tally, packets)
    _run_to_end(link_state, cell_state, logged, ended, tally, last_ns)
    return _agreement(tally[0], expected)


def _check(log: Path, packets: Table, links: int, latest_ns: int) -> None:
    if packets["link"].min() < 0 or packets["link"].max() >= links:
        raise ValueError(f"{log}: link: must be at least 0 and below {links}")
    if packets["size_bytes"].min() < 1:
        raise ValueError(f"{log}: size_bytes={packets['size_bytes'].min()}: must be at least 1")
    if (np.diff(packets["arrival_ns"], prepend=latest_ns) < 0).any():
        raise ValueError(f"{log}: arrival_ns: must not decrease by `order`, nor be below 0")


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


@entry_point
def replay_packets(
    tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, packets: Table
) -> None:
    """Offer packets to their links in order, and compare those whose outcome is then known."""
    for place in range(len(packets)):
        packet = packets[place]
        sure_bytes = packet.size_bytes if packet.acknowledged else 0
        if is_in_cell(cells, packet.link):
            cell = cells.ues[cells.ue_of_link[packet.link]].cell
            run_cell(tables, cells, logged, ended, tally, cell, packet.arrival_ns)
            new = next_row(cells.messages, cells.store[0])
            answer = enter(
                tables,
                cells,
                packet.link,
                packet.arrival_ns,
                packet.size_bytes,
                sure_bytes,
                packet.number,
                0,
                0,
            )
            if answer == ENTERED:
                logged[new] = packet
            else:
                compare(packet, ended, tally, drop_outcome(answer), NEVER_NS, NEVER_NS)
            continue
        start_ns, _, release_ns, erased = enqueue(
            tables, packet.link, packet.arrival_ns, packet.size_bytes, sure_bytes, packet.number
        )
        if start_ns < 0:
            compare(packet, ended, tally, drop_outcome(start_ns), NEVER_NS, NEVER_NS)
        else:
            compare(packet, ended, tally, LOST if erased > 0.0 else DELIVERED, start_ns, release_ns)


@in_place
def run_cell(
    tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, cell: int, now_ns: int
) -> None:
    """Run a cell's slots that start before `now_ns`, and compare the packets sent in them."""
    row = run_slots(tables, cells, cell, now_ns)
    while row != 0:
        message = cells.messages[row]
        outcome = LOST if message.erased_bytes > 0 else DELIVERED
        compare(logged[row], ended, tally, outcome, message.start_ns, message.arrival_ns)
        release_message(cells, row)
        row = run_slots(tables, cells, cell, now_ns)


@entry_point
def run_to_end(tables: LinkTables, cells: CellTables, logged: Table, ended: Table, tally: Table, last_ns: int) -> None:
    """Run all cells until `last_ns` and compare the packets that are still queued then as unfinished."""
    for cell in range(len(cells.cells)):
        run_cell(tables, cells, logged, ended, tally, cell, last_ns)
    for ue in range(len(cells.ues)):
        row = cells.ues[ue].first
        while row != 0:
            if cells.messages[row].owner == 0:
                compare(logged[row], ended, tally, UNFINISHED, NEVER_NS, NEVER_NS)
            row = cells.messages[row].next


@in_place
def drop_outcome(answer: int) -> int:
    """Return the outcome of a packet that a link did not accept."""
    return FULL if answer == link_tables.FULL else NO_COVERAGE


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


_replay_packets, _run_to_end = Bound(replay_packets), Bound(run_to_end)
