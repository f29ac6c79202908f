"""The state of all cells of a network as tables for compiled code."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from emulator.cell.descriptions import (
    DESCRIPTION,
    check_descriptions,
    cqi_table_of,
    descriptions,
    group_weights,
    is_described,
    rows_of_table,
)
from emulator.core.arrays import reserved, reserved_copy
from emulator.core.compiled import Table, entry_point
from emulator.core.draws import uniform
from emulator.core.fifo import ENDS, FOREVER_NS, Fifos, copied, empty_fifos, new_store
from emulator.core.randomness import draw_key
from emulator.core.units import NS_PER_S
from emulator.link.tables import MESSAGE, Pool
from emulator.system import CellSpec, LinkSpec

ROUND_ROBIN, PROPORTIONAL_FAIR, MAX_RATE = range(3)
SCHEDULERS = {"rr": ROUND_ROBIN, "pf": PROPORTIONAL_FAIR, "max-rate": MAX_RATE}
NO_UE = -1
BACKGROUND = -1  # the owner of cross-traffic
LONGEST_GAP = 2.0**62  # ns
MESSAGES = 1_048_576  # address space only

CELL = np.dtype(
    [
        ("first_ue", np.int64),
        ("stop_ue", np.int64),
        ("slot_ns", np.int64),
        ("groups", np.int64),
        ("scheduler", np.int64),
        ("window_slots", np.int64),
        ("slot", np.int64),  # all slots before are decided; counted on over the wraps, as those of traces
        ("next_ns", np.int64),  # no slot has to be decided before
        ("background_ns", np.int64),  # the next arrival of cross-traffic
        ("waiting", np.int64),  # messages with an owner
    ]
)
UE = np.dtype(
    [
        ("link", np.int64),
        ("cell", np.int64),
        ("first_description", np.int64),
        ("described_slots", np.int64),
        ("first", np.int64),  # the queue of its messages
        ("last", np.int64),
        ("ending_ns", np.int64),  # the end of the last slot that completed a message, and the bytes completed in it
        ("ending_bytes", np.int64),
        ("mean_bits", np.float64),  # a slot, over those in which it contended
        ("last_served_slot", np.int64),  # in which it was chosen among equals
        # its cross-traffic
        ("gap_ns", np.float64),  # mean; 0: none
        ("size_bytes", np.int64),
        ("key", np.int64),
        ("count", np.int64),
        ("next_arrival_ns", np.int64),
        ("until_ns", np.int64),
        # the slot that is being shared
        ("contends", np.bool_),
        ("site", np.int64),
        ("weights", np.int64),  # see DESCRIPTION
        ("subband_cqi", np.int64),
        ("capacity_bits", np.int64),
        ("wanted_bits", np.int64),
        # weights of groups: of those that carry its capacity, those that it needs, those given to it
        ("block_weight", np.int64),
        ("needed", np.int64),
        ("given", np.int64),
        ("share_bits", np.int64),  # that it sends
    ]
)


class CellTables(NamedTuple):
    """Cells, their UEs one cell after the other, and the messages in them."""

    cells: Table  # CELL, shape (cells,)
    ues: Table  # UE, shape (links in cells,)
    ue_of_link: Table  # int64, shape (links,): NO_UE for a link in no cell; empty if there are no cells
    descriptions: Table  # DESCRIPTION, one trace after the other
    weights: Table  # `group_weights`
    messages: Table  # MESSAGE, shape (MESSAGES,)
    store: Table  # STORE, shape (1,): of the messages
    sent: Table  # ENDS, shape (cells,): messages with an owner whose last bit is sent, not yet taken
    busy: Fifos  # one a UE: (from, to) of each time with something to send; FOREVER_NS if it still has
    memory_ns: Table  # int64, shape (1,): how long `busy` is kept
    # of the slot that is being shared
    members: Table  # int64, shape (most UEs of a cell,): the UEs on one site, by place in the cell
    merits: Table  # float64, shape (most groups of a cell, most UEs of a cell): 0 if a member does not need a group


class Cells:
    """The cells of a network as tables. Busy times of UEs are kept for `memory_ns`; cross-traffic arrives until
    `until_ns`. Raises ValueError if links and cells do not fit together."""

    def __init__(
        self, cells: Mapping[str, CellSpec], links: Sequence[LinkSpec], seed: int, memory_ns: int, until_ns: int
    ) -> None:
        check(cells, links)
        members_of = links_by_cell(links)
        pool = Pool(DESCRIPTION)
        ue_of_link = np.full(len(links) if cells else 0, NO_UE)
        rows, members = np.zeros(len(cells), CELL), np.zeros(sum(link.cell != "" for link in links), UE)
        count = 0
        for number, (row, (name, cell)) in enumerate(zip(rows, cells.items(), strict=True)):
            row["first_ue"], row["groups"], row["window_slots"] = count, cell.groups, cell.window_slots
            row["scheduler"] = SCHEDULERS[cell.scheduler]
            for place in members_of[name]:
                row["slot_ns"] = links[place].trace.slot_ns
                ue_of_link[place] = count
                _fill(members[count], number, place, links[place], cell.groups, pool, until_ns)
                count += 1
            row["stop_ue"] = count
        most_ues = max((len(members_of[name]) for name in cells), default=0)
        self.names = tuple(cells)
        self.tables = CellTables(
            rows,
            members,
            ue_of_link,
            pool.joined(),
            group_weights(),
            reserved(MESSAGES if cells else 1, MESSAGE),
            new_store(),
            np.zeros(len(cells), ENDS),
            empty_fifos(count),
            np.full(1, memory_ns),
            np.zeros(most_ues, np.int64),
            np.zeros((max((cell.groups for cell in cells.values()), default=0), most_ues)),
        )
        self.reseed(links, seed)

    def reseed(self, links: Sequence[LinkSpec], seed: int) -> None:
        """Draw the cross-traffic of cells in which nothing has happened yet under a seed."""
        cells, ues = self.tables.cells, self.tables.ues
        for index in np.flatnonzero(ues["gap_ns"] > 0):
            ue, link = ues[index], links[ues["link"][index]]
            ue["key"] = draw_key(seed, f"{link.source}-{link.target}", "background")
            first_ns = gap_ns(ue["key"], 0, ue["gap_ns"])
            ue["next_arrival_ns"] = first_ns if first_ns < ue["until_ns"] else FOREVER_NS
        for cell in cells:
            arrivals_ns = ues["next_arrival_ns"][cell["first_ue"] : cell["stop_ue"]]
            cell["next_ns"] = cell["background_ns"] = arrivals_ns.min(initial=FOREVER_NS)

    def fork(self) -> "Cells":
        """Return the same cells in the same state, in tables of their own."""
        other, tables = copy(self), self.tables
        changing = {name: getattr(tables, name).copy() for name in ("cells", "ues", "store", "sent")}
        messages = reserved_copy(tables.messages, int(tables.store["used"][0]))
        other.tables = tables._replace(**changing, messages=messages, busy=copied(tables.busy))
        return other


def links_by_cell(links: Sequence[LinkSpec]) -> dict[str, list[int]]:
    """Return the indices of the links of each cell, in order; of any other name, none."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, link in enumerate(links):
        places[link.cell].append(place)
    return places


def check(cells: Mapping[str, CellSpec], links: Sequence[LinkSpec]) -> None:
    """Raise ValueError, naming cell or link, if they do not fit together."""
    members_of = links_by_cell(links)
    for name, cell in cells.items():
        members = [links[place] for place in members_of[name]]
        if cell.groups < 1 or cell.window_slots < 1:
            raise ValueError(f"cells.{name}: groups and window_slots must be at least 1")
        if len({link.trace.slot_ns for link in members}) > 1:
            raise ValueError(f"cells.{name}: the traces of all its links must have slots of one length")
        for link in members:
            _check_member(name, cell, link)
    for link in links:
        path = f"links.{link.source}-{link.target}"
        if link.cell and link.cell not in cells:
            raise ValueError(f"{path}.cell={link.cell}: must be one of {', '.join(cells) or 'no cells'}")
        if link.cell and link.trace.release != "slot":
            raise ValueError(f"{path}.trace: must have the slot rule, for it is in a cell")
        if link.background is not None and not (link.cell and link.background.size_bytes >= 1):
            raise ValueError(f"{path}.background: must have messages of at least 1 byte, on a link that is in a cell")


def _check_member(name: str, cell: CellSpec, link: LinkSpec) -> None:
    path = f"links.{link.source}-{link.target}.trace"
    try:
        check_descriptions(link.trace, cell.groups)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    weights = rows_of_table(cqi_table_of(link.trace))
    most_bits = max(int(part.capacity_bits.max()) for part in link.trace.parts())
    heaviest = cell.groups * int(weights.max())
    if most_bits * heaviest >= 2**63:
        raise ValueError(f"cells.{name}: capacity_bits={most_bits}: must stay below 2^63 / {heaviest}")
    spread = int(np.ceil((weights.max(axis=1) / weights.min(axis=1)).max()))
    if link.trace.carries and most_bits < cell.groups * spread:
        raise ValueError(f"{path}: must have a slot with a bit for each group")


def _fill(ue: np.void, cell: int, place: int, link: LinkSpec, groups: int, pool: Pool, until_ns: int) -> None:
    ue["link"], ue["cell"], ue["last_served_slot"] = place, cell, -1
    trace, is_own = link.trace, is_described(link.trace)
    ue["described_slots"] = len(trace) if is_own else 1
    key = (id(trace), groups) if is_own else (groups,)
    ue["first_description"] = pool.place(key, int(ue["described_slots"]), lambda: descriptions(trace, groups))
    ue["next_arrival_ns"], ue["until_ns"] = FOREVER_NS, until_ns
    if link.background is not None and link.background.rate_per_s > 0:
        ue["gap_ns"] = NS_PER_S / link.background.rate_per_s
        ue["size_bytes"] = link.background.size_bytes


@entry_point
def gap_ns(key: int, number: int, mean_ns: float) -> int:
    """Return the time before message `number` of a Poisson process."""
    return int(min(-np.log1p(-uniform(key, number, 0, 0)) * mean_ns, LONGEST_GAP))
