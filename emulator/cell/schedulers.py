"""How the UEs that contend for a site's resource block groups in a slot share them.

No UE gets more groups than it needs for what it has to send. Of equals, the UE comes first that was chosen the longest
ago, and of those the first in the cell.
"""

from emulator.cell.tables import MAX_RATE, ROUND_ROBIN, CellTables
from emulator.core.compiled import Record, Table, in_place
from emulator.link.tables import LinkTables


@in_place
def share_slot(tables: LinkTables, cells: CellTables, index: int) -> None:
    """Share the cell's slot: set `groups` of each UE that has something to send, each on the site that serves it."""
    cell = cells.cells[index]
    ues = cells.ues[cell.first_ue : cell.stop_ue]
    for ue in range(cell.first_ue, cell.stop_ue):
        assess_demand(tables, cells, ue, cell.slot, cell.groups)
    for place in range(len(ues)):
        if ues[place].contends and is_first_of_its_site(ues, place):
            site = ues[place].site
            if is_contended(ues, site):
                share(ues, site, cell)
                update_averages(ues, site, cell.groups, cell.window_slots)
            else:
                ues[place].groups = ues[place].needed


@in_place
def assess_demand(tables: LinkTables, cells: CellTables, ue: int, slot: int, groups: int) -> None:
    """Set what a UE could send in a slot, and the groups that it needs for that."""
    user = cells.ues[ue]
    user.groups = user.needed = user.wanted_bits = 0
    link = tables.links[user.link]
    user.contends = is_open(cells, ue, slot * link.slot_ns)
    if not user.contends:
        return
    inside = slot % link.slots
    edge = link.first_edge + inside
    user.capacity_bits = tables.cumulative_bits[edge + 1] - tables.cumulative_bits[edge]
    user.site = cells.serving[user.first_site + inside] if user.moves else 0
    if user.capacity_bits > 0:
        bits = waiting_bits(cells, ue, slot * link.slot_ns, user.capacity_bits)
        user.wanted_bits = min(bits, user.capacity_bits)
        user.needed = -(-user.wanted_bits * groups // user.capacity_bits)


@in_place
def is_open(cells: CellTables, ue: int, start_ns: int) -> bool:
    """Return whether a UE has something to send in the slot that starts at `start_ns`."""
    first = cells.ues[ue].first
    return bool(first != 0 and cells.messages[first].open_ns <= start_ns)


@in_place
def waiting_bits(cells: CellTables, ue: int, start_ns: int, enough: int) -> int:
    """Return what a UE may send in the slot that starts at `start_ns`, counted up to at least `enough`."""
    row = cells.ues[ue].first
    bits = 0
    while row != 0 and bits < enough:
        message = cells.messages[row]
        left = message.size_bytes * 8 - message.sent_bits
        if message.open_ns > start_ns:
            return bits
        if message.first_bits > 0:
            return int(bits + min(left, message.first_bits))
        bits += left
        row = message.next
    return int(bits)


@in_place
def is_first_of_its_site(ues: Table, place: int) -> bool:
    """Return whether no UE before it in the cell contends for the same site."""
    for before in range(place):  # noqa: SIM110  (compiled code knows no generators)
        if ues[before].contends and ues[before].site == ues[place].site:
            return False
    return True


@in_place
def is_contended(ues: Table, site: int) -> bool:
    """Return whether several UEs have something to send on a site, and it carries something of one of them."""
    count = 0
    carries = False
    for ue in ues:
        if ue.contends and ue.site == site:
            count += 1
            carries = carries or ue.capacity_bits > 0
    return count > 1 and carries


@in_place
def share(ues: Table, site: int, cell: Record) -> None:
    """Give the groups of a site to the UEs that contend for them."""
    if cell.scheduler == ROUND_ROBIN:
        share_equally(ues, site, cell.groups, cell.slot)
    else:
        share_to_the_best(ues, site, cell.groups, cell.slot, cell.scheduler == MAX_RATE)


@in_place
def share_equally(ues: Table, site: int, groups: int, slot: int) -> None:
    """Round robin: equal parts, and groups that some UEs do not need to the others; the last groups, fewer than the
    UEs that still need one, go around."""
    left = groups
    short = in_need(ues, site)
    while left >= short > 0:
        each = left // short
        for ue in ues:
            if ue.contends and ue.site == site:
                given = min(each, ue.needed - ue.groups)
                ue.groups += given
                left -= given
        short = in_need(ues, site)
    for _ in range(left if short > 0 else 0):
        chosen = -1
        for place in range(len(ues)):
            ue = ues[place]
            if not (ue.contends and ue.site == site and ue.groups < ue.needed and ue.last_served_slot < slot):
                continue
            if chosen < 0 or ue.last_served_slot < ues[chosen].last_served_slot:
                chosen = place
        ues[chosen].groups += 1
        ues[chosen].last_served_slot = slot


@in_place
def in_need(ues: Table, site: int) -> int:
    """Return how many UEs have fewer groups than they need."""
    short = 0
    for ue in ues:
        short += ue.contends and ue.site == site and ue.groups < ue.needed
    return short


@in_place
def share_to_the_best(ues: Table, site: int, groups: int, slot: int, by_rate: bool) -> None:
    """Give the best UE all groups that it needs, then the second best, and so on."""
    left = groups
    while left > 0:
        chosen = -1
        best = 0.0
        for place in range(len(ues)):
            ue = ues[place]
            if not (ue.contends and ue.site == site and ue.needed > 0 and ue.groups == 0):
                continue
            merit = float(ue.capacity_bits) if by_rate else proportional_merit(ue)
            is_longer_ago = chosen >= 0 and ue.last_served_slot < ues[chosen].last_served_slot
            if chosen < 0 or merit > best or (merit == best and is_longer_ago):
                chosen = place
                best = merit
        if chosen < 0:
            return
        ue = ues[chosen]
        ue.groups = min(ue.needed, left)
        ue.last_served_slot = slot
        left -= ue.groups


@in_place
def proportional_merit(ue: Record) -> float:
    """Return the rate that a UE could have over the rate that it had (Tse's algorithm: Viswanath, Tse, Laroia, IEEE
    Trans. Inf. Theory 48(6), 2002); a UE that had nothing counts as having had one bit a slot."""
    return float(ue.capacity_bits) / max(float(ue.mean_bits), 1.0)


@in_place
def update_averages(ues: Table, site: int, groups: int, window_slots: int) -> None:
    """Update the averages of the UEs that contended with their shares (same source: t_k += (R_k - t_k) / t_c)."""
    for ue in ues:
        if ue.contends and ue.site == site:
            ue.mean_bits += (share_bits(ue, groups) - ue.mean_bits) / window_slots


@in_place
def share_bits(ue: Record, groups: int) -> int:
    """Return what a UE sends in the slot that is being shared."""
    if ue.groups >= ue.needed:
        return int(ue.wanted_bits)
    return int(ue.capacity_bits * ue.groups // groups)
