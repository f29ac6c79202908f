"""When the UEs of a cell had something to send: what is remembered of it, and what others hear."""

from emulator.cell.tables import NO_UE, CellTables
from emulator.core.compiled import in_place
from emulator.core.fifo import FOREVER_NS, append, pop
from emulator.link.tables import LinkTables


@in_place
def begin_busy(cells: CellTables, ue: int, now_ns: int) -> None:
    """A UE has something to send from now on; forget what is too long ago."""
    busy = cells.busy
    while busy.ends[ue].first != 0 and busy.entries[busy.ends[ue].first].value <= now_ns - cells.memory_ns[0]:
        pop(busy, ue)
    ends = busy.ends[ue]
    if ends.first != 0 and busy.entries[ends.last].value >= now_ns:
        busy.entries[ends.last].value = FOREVER_NS
    else:
        append(busy, ue, now_ns, FOREVER_NS)


@in_place
def busy_ns(cells: CellTables, ue: int, start_ns: int, stop_ns: int) -> int:
    """For how long of a stretch of time a UE had something to send."""
    total_ns = 0
    place = cells.busy.ends[ue].first
    while place != 0:
        entry = cells.busy.entries[place]
        total_ns += max(0, min(entry.value, stop_ns) - max(entry.at_ns, start_ns))
        place = entry.behind
    return int(total_ns)


@in_place
def others_active(tables: LinkTables, cells: CellTables, index: int, start_ns: int, stop_ns: int) -> float:
    """How many other UEs of a link's cell, of those on its site at the end of a stretch of time, had something to
    send in it, on average; 0 for a link in no cell."""
    if len(cells.cells) == 0 or cells.ue_of_link[index] == NO_UE:
        return 0.0
    own = cells.ue_of_link[index]
    cell = cells.cells[cells.ues[own].cell]
    total_ns = 0
    for ue in range(cell.first_ue, cell.stop_ue):
        if ue != own and site_of(tables, cells, ue, stop_ns) == site_of(tables, cells, own, stop_ns):
            total_ns += busy_ns(cells, ue, start_ns, stop_ns)
    return total_ns / (stop_ns - start_ns)


@in_place
def site_of(tables: LinkTables, cells: CellTables, ue: int, now_ns: int) -> int:
    """The site that serves a UE."""
    user = cells.ues[ue]
    link = tables.links[user.link]
    return int(cells.serving[user.first_site + now_ns // link.slot_ns % link.slots]) if user.moves else 0
