"""How the UEs that contend for a site's resource block groups in a slot share them.

A UE has what its trace says (`descriptions`): its block, all of its slot's capacity, is carried by some groups, each
with an integer weight. A UE that is given weight x of a block's weight w sends the whole bits of capacity times x / w.
No UE gets more groups than it needs for what it has to send. Of equals, the UE comes first that was chosen the longest
ago, and of those the first in the cell.
"""

from emulator.cell.best_first import share_to_the_best
from emulator.cell.descriptions import ALIKE
from emulator.cell.tables import ROUND_ROBIN, CellTables
from emulator.core.compiled import Record, Table, in_place
from emulator.link.tables import LinkTables


@in_place
def share_slot(tables: LinkTables, cells: CellTables, index: int) -> None:
    """Share the cell's slot: set the `share_bits` of each UE that has something to send, on the site that serves it."""
    cell = cells.cells[index]
    ues = cells.ues[cell.first_ue : cell.stop_ue]
    for ue in range(cell.first_ue, cell.stop_ue):
        assess_demand(tables, cells, ue, cell.slot)
    for place in range(len(ues)):
        if ues[place].contends and is_first_of_its_site(ues, place):
            members, carries = members_of_site(cells, ues, ues[place].site)
            if len(members) > 1 and carries:
                share(cells, cell, ues, members)
            else:
                ues[place].share_bits = ues[place].wanted_bits


@in_place
def assess_demand(tables: LinkTables, cells: CellTables, ue: int, slot: int) -> None:
    """Set where a UE contends in a slot, what it could send in it alone, and what it has to send of that."""
    user = cells.ues[ue]
    user.share_bits = user.wanted_bits = user.given = 0
    link = tables.links[user.link]
    user.contends = is_open(cells, ue, slot * link.slot_ns)
    if not user.contends:
        return
    inside = slot % link.slots
    edge = link.first_edge + inside
    user.capacity_bits = tables.cumulative_bits[edge + 1] - tables.cumulative_bits[edge]
    described = cells.descriptions[user.first_description + min(inside, user.described_slots - 1)]
    user.site, user.subband_cqi = described.serving, described.subband_cqi
    user.weights, user.block_weight = described.weights, described.block_weight
    if user.capacity_bits > 0:
        bits = waiting_bits(cells, ue, slot * link.slot_ns, user.capacity_bits)
        user.wanted_bits = min(bits, user.capacity_bits)


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
def members_of_site(cells: CellTables, ues: Table, site: int) -> tuple[Table, bool]:
    """Return the UEs that have something to send on a site, and whether it carries something of one of them."""
    count = 0
    carries = False
    for place in range(len(ues)):
        if ues[place].contends and ues[place].site == site:
            cells.members[count] = place
            count += 1
            carries = carries or ues[place].capacity_bits > 0
    return cells.members[:count], carries


@in_place
def share(cells: CellTables, cell: Record, ues: Table, members: Table) -> None:
    """Give the groups of a site to the UEs that contend for them, and update the averages of these (Viswanath, Tse,
    Laroia, IEEE Trans. Inf. Theory 48(6), 2002: t_k += (R_k - t_k) / t_c)."""
    for place in members:
        ue = ues[place]
        if cell.scheduler == ROUND_ROBIN and ue.weights != ALIKE:  # it does not look at the channel
            ue.weights, ue.block_weight = ALIKE, cell.groups
        ue.needed = ue.block_weight if ue.wanted_bits > 0 else 0
        if ue.wanted_bits < ue.capacity_bits:
            ue.needed = -(-ue.wanted_bits * ue.block_weight // ue.capacity_bits)
    if cell.scheduler == ROUND_ROBIN:
        share_equally(ues, members, cell.groups, cell.slot)
    else:
        share_to_the_best(cells, cell, ues, members)
    for place in members:
        ue = ues[place]
        if ue.given >= ue.needed:
            ue.share_bits = ue.wanted_bits
        elif ue.given > 0:
            ue.share_bits = ue.capacity_bits * ue.given // ue.block_weight
        ue.mean_bits += (ue.share_bits - ue.mean_bits) / cell.window_slots


@in_place
def share_equally(ues: Table, members: Table, groups: int, slot: int) -> None:
    """Round robin: equal parts, and groups that some UEs do not need to the others; the last groups, fewer than the
    UEs that still need one, go around."""
    left = groups
    short = in_need(ues, members)
    while left >= short > 0:
        each = left // short
        for place in members:
            ue = ues[place]
            given = min(each, ue.needed - ue.given)
            ue.given += given
            left -= given
        short = in_need(ues, members)
    for _ in range(left if short > 0 else 0):
        chosen = -1
        for place in members:
            ue = ues[place]
            if not (ue.given < ue.needed and ue.last_served_slot < slot):
                continue
            if chosen < 0 or ue.last_served_slot < ues[chosen].last_served_slot:
                chosen = place
        ues[chosen].given += 1
        ues[chosen].last_served_slot = slot


@in_place
def in_need(ues: Table, members: Table) -> int:
    """Return how many UEs have fewer groups than they need."""
    short = 0
    for place in members:
        short += ues[place].given < ues[place].needed
    return short
