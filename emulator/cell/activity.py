"""When the UEs of a cell had something to send: kept for as long as a measurement of a link's rate reaches back."""

from emulator.cell.tables import NO_UE, CellTables
from emulator.core.compiled import entry_point, in_place
from emulator.core.fifo import FOREVER_NS, pop_entry, push_entry
from emulator.link import rate_bps
from emulator.link.tables import LinkTables


@in_place
def begin_busy(cells: CellTables, ue: int, now_ns: int) -> None:
    """Note that a UE has something to send from now on; forget times that are too long ago."""
    busy = cells.busy
    ends = busy.ends[ue]
    while ends.first != 0 and busy.entries[ends.first].value <= now_ns - cells.memory_ns[0]:
        pop_entry(busy, ue)
    if ends.first != 0 and busy.entries[ends.last].value >= now_ns:
        busy.entries[ends.last].value = FOREVER_NS
    else:
        push_entry(busy, ue, now_ns, FOREVER_NS)


@in_place
def end_busy(cells: CellTables, ue: int, sent_ns: int) -> None:
    """Note that a UE has nothing to send from `sent_ns` on."""
    cells.busy.entries[cells.busy.ends[ue].last].value = sent_ns


@in_place
def busy_ns(cells: CellTables, ue: int, start_ns: int, stop_ns: int) -> int:
    """Return for how long of a period a UE had something to send."""
    total_ns = 0
    row = cells.busy.ends[ue].first
    while row != 0:
        entry = cells.busy.entries[row]
        total_ns += max(0, min(entry.value, stop_ns) - max(entry.at_ns, start_ns))
        row = entry.next
    return int(total_ns)


@entry_point
def shared_rate_bps(links: LinkTables, cells: CellTables, index: int, now_ns: int, window_ns: int) -> float:
    """Return a link's measured rate (`Link.rate_bps`), in a cell divided by one more than the number of other UEs that
    had something to send in the same window, on average."""
    start_ns = max(0, now_ns - window_ns)
    others = others_active(links, cells, index, start_ns, now_ns) if now_ns > start_ns else 0.0
    return rate_bps(links, index, now_ns, window_ns) / (1.0 + others)


@in_place
def others_active(tables: LinkTables, cells: CellTables, index: int, start_ns: int, stop_ns: int) -> float:
    """Return how many other UEs of a link's cell, of those on its site at the end of a period, had something to send in
    it, on average; 0 for a link in no cell."""
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
    """Return the site that serves a UE."""
    user = cells.ues[ue]
    slot = now_ns // tables.links[user.link].slot_ns
    return int(cells.descriptions[user.first_description + slot % user.described_slots].serving)
