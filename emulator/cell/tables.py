"""The state of all cells of a network as tables that compiled code works on."""

from collections.abc import Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table, in_place
from emulator.core.draws import uniform
from emulator.core.fifo import ENDS, FOREVER_NS, Queues, copied, empty_queues, with_more_room
from emulator.core.randomness import draw_key
from emulator.core.units import NS_PER_S
from emulator.link.tables import Pool
from emulator.system import CellSpec, LinkSpec

ROUND_ROBIN, PROPORTIONAL_FAIR, MAX_RATE = range(3)
SCHEDULERS = {"rr": ROUND_ROBIN, "pf": PROPORTIONAL_FAIR, "max-rate": MAX_RATE}
NO_UE = -1
LONGEST_GAP_NS = 2.0**62
NOBODY = -1  # waits for a message of the background
ROOM = 256  # messages at the start; doubled when they run out

CELL = np.dtype(
    [
        ("first_ue", np.int64),
        ("stop_ue", np.int64),
        ("slot_ns", np.int64),
        ("groups", np.int64),
        ("scheduler", np.int64),
        ("window_slots", np.int64),
        ("slot", np.int64),  # all before it are decided; endless, as those of traces
        ("next_ns", np.int64),  # nothing is to be decided before
        ("background_ns", np.int64),  # when the next message of the background comes
        ("waiting", np.int64),  # messages that somebody waits for
    ]
)
UE = np.dtype(
    [
        ("link", np.int64),
        ("cell", np.int64),
        ("first_site", np.int64),
        ("moves", np.bool_),  # its trace says which site serves in each slot
        ("first", np.int64),  # of the messages that are not all sent; 0: none
        ("last", np.int64),
        ("ending_ns", np.int64),  # the end of the last slot that completed a message, and how much it was
        ("ending_bytes", np.int64),
        ("mean_bits", np.float64),  # a slot; those in which it contended count
        ("turn", np.int64),  # the slot in which it last was chosen among equals
        # its background
        ("gap_ns", np.float64),  # mean; 0: none
        ("size_bytes", np.int64),
        ("key", np.int64),
        ("count", np.int64),
        ("come_ns", np.int64),  # the next one
        ("until_ns", np.int64),  # none comes from then on
        # the slot that is being shared
        ("contends", np.bool_),
        ("site", np.int64),
        ("capacity_bits", np.int64),
        ("wanted_bits", np.int64),
        ("needed", np.int64),  # groups
        ("groups", np.int64),
    ]
)
MESSAGE = np.dtype(
    [
        ("who", np.int64),
        ("order", np.int64),
        ("number", np.int64),
        ("ue", np.int64),
        ("asked_ns", np.int64),
        ("open_ns", np.int64),
        ("first_bits", np.int64),  # of a first grant that was not used yet; 0: it needs none
        ("size_bytes", np.int64),
        ("gone_bits", np.int64),
        ("start_ns", np.int64),  # -1: not yet
        ("release_ns", np.int64),
        ("arrival_ns", np.int64),
        ("fragment_lost", np.bool_),  # the one that is not all sent
        ("erased_bytes", np.int64),
        ("behind", np.int64),
    ]
)


class CellTables(NamedTuple):
    """Cells, their UEs one cell after the other, and the messages that wait in them. Message 0 is nobody's: as a
    link it means "none", its own `behind` leads to the unused ones, and its `size_bytes` counts them."""

    cells: Table  # CELL, shape (cells,)
    ues: Table  # UE, shape (links in cells,)
    ue_of_link: Table  # int64, shape (links,): NO_UE where it is in no cell; empty where there are no cells
    serving: Table  # int8, the traces' one after the other: the site of each slot
    messages: Table  # MESSAGE, shape (room,)
    done: Table  # ENDS, shape (1,): messages that somebody waits for, all sent and not yet taken
    busy: Queues  # one a UE: from when to when it had something to send, FOREVER_NS where it still has
    memory_ns: Table  # int64, shape (1,): what `busy` keeps


class Cells:
    """The cells of a network as tables; `tables` is replaced when they grow. When UEs had something to send is kept
    for `memory_ns`; their background comes until `until_ns`. Raises ValueError where links and cells do not fit."""

    def __init__(
        self, cells: Mapping[str, CellSpec], links: Sequence[LinkSpec], seed: int, memory_ns: int, until_ns: int
    ) -> None:
        check(cells, links)
        serving = Pool(np.int8)
        ue_of_link = np.full(len(links) if cells else 0, NO_UE)
        rows, members = np.zeros(len(cells), CELL), np.zeros(sum(link.cell != "" for link in links), UE)
        count = 0
        for number, (row, (name, cell)) in enumerate(zip(rows, cells.items(), strict=True)):
            row["first_ue"], row["groups"], row["window_slots"] = count, cell.groups, cell.window_slots
            row["scheduler"], row["next_ns"] = SCHEDULERS[cell.scheduler], FOREVER_NS
            for place, link in enumerate(links):
                if link.cell == name:
                    row["slot_ns"] = link.trace.slot_ns
                    ue_of_link[place] = count
                    _fill(members[count], number, place, link, serving, seed, until_ns)
                    count += 1
            row["stop_ue"] = count
            row["background_ns"] = members["come_ns"][row["first_ue"] : count].min(initial=FOREVER_NS)
            row["next_ns"] = row["background_ns"]
        self.tables = CellTables(
            rows,
            members,
            ue_of_link,
            serving.joined(),
            np.zeros(1, MESSAGE),
            np.zeros(1, ENDS),
            empty_queues(count),
            np.full(1, memory_ns),
        )
        if cells:
            self.add_messages(ROOM)

    def grow(self) -> None:
        """Make room for more messages where they, or what is kept of the past, have none."""
        busy = self.tables.busy
        if self.tables.messages[0]["size_bytes"] == 0:
            self.add_messages(len(self.tables.messages))
        if busy.entries[0]["value"] == 0:
            self.tables = self.tables._replace(busy=with_more_room(busy, len(busy.entries)))

    def fork(self) -> "Cells":
        """The same cells in the same state, from here on by themselves."""
        other, tables = copy(self), self.tables
        changing = {name: getattr(tables, name).copy() for name in ("cells", "ues", "messages", "done")}
        other.tables = tables._replace(**changing, busy=copied(tables.busy))
        return other

    def add_messages(self, more: int) -> None:
        """Make room for so many more messages."""
        old = self.tables.messages
        messages = np.concatenate((old, np.zeros(more, MESSAGE)))
        messages["behind"][len(old) :] = np.arange(len(old) + 1, len(messages) + 1)
        messages[-1]["behind"] = old["behind"][0]
        messages[0]["behind"] = len(old)
        messages[0]["size_bytes"] += more
        self.tables = self.tables._replace(messages=messages)


def check(cells: Mapping[str, CellSpec], links: Sequence[LinkSpec]) -> None:
    """Raise ValueError, naming cell or link, where they do not fit together."""
    for name, cell in cells.items():
        members = [link for link in links if link.cell == name]
        if cell.groups < 1 or cell.window_slots < 1:
            raise ValueError(f"cells.{name}: groups and window_slots must be at least 1")
        if len({link.trace.slot_ns for link in members}) > 1:
            raise ValueError(f"cells.{name}: the traces of all its links must have slots of one length")
        most_bits = max((int(link.trace.capacity_bits.max()) for link in members), default=0)
        if most_bits * cell.groups >= 2**63:
            raise ValueError(f"cells.{name}: capacity_bits={most_bits}: must stay below 2^63 / groups")
        for link in members:
            if link.trace.carries and link.trace.capacity_bits.max() < cell.groups:
                raise ValueError(f"links.{link.source}-{link.target}.trace: must have a slot with a bit for each group")
    for link in links:
        path = f"links.{link.source}-{link.target}"
        if link.cell and link.cell not in cells:
            raise ValueError(f"{path}.cell={link.cell}: must be one of {', '.join(cells) or 'no cells'}")
        if link.cell and link.trace.release != "slot":
            raise ValueError(f"{path}.trace: must have the slot rule, for it is in a cell")
        if link.background is not None and not (link.cell and link.background.size_bytes >= 1):
            raise ValueError(f"{path}.background: must have messages of at least 1 byte, on a link that is in a cell")


def _fill(ue: np.void, cell: int, place: int, link: LinkSpec, serving: Pool, seed: int, until_ns: int) -> None:
    site = np.asarray(link.trace.columns.get("serving", ()), np.int8)
    ue["link"], ue["cell"], ue["turn"] = place, cell, -1
    ue["first_site"], ue["moves"] = serving.place((id(link.trace),), site), len(site) > 0
    ue["come_ns"], ue["until_ns"] = FOREVER_NS, until_ns
    if link.background is not None and link.background.rate_per_s > 0:
        ue["gap_ns"] = NS_PER_S / link.background.rate_per_s
        ue["size_bytes"] = link.background.size_bytes
        ue["key"] = draw_key(seed, f"{link.source}-{link.target}", "background")
        first_ns = gap_ns(ue["key"], 0, ue["gap_ns"])
        ue["come_ns"] = first_ns if first_ns < until_ns else FOREVER_NS


@in_place
def gap_ns(key: int, number: int, mean_ns: float) -> int:
    """The time before the message `number` of a Poisson process."""
    return int(min(-np.log1p(-uniform(key, number, 0, 0)) * mean_ns, LONGEST_GAP_NS))


@in_place
def has_message_room(cells: CellTables | None) -> bool:
    """Whether one more message can enter a cell, if there is one."""
    if cells is None:
        return True
    return bool(cells.messages[0].size_bytes > 0 and cells.busy.entries[0].value > 0)
