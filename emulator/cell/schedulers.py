"""How the UEs that contend for a site's resource block groups in a slot share them.

Nobody gets more groups than what it has to send needs. Of equals, the one comes first that was chosen the
longest ago, and of those the first in the cell.
"""

from emulator.cell.tables import MAX_RATE, ROUND_ROBIN, CellTables
from emulator.core.compiled import Record, Table, in_place


@in_place
def share(cells: CellTables, index: int, site: int) -> None:
    """Give the groups of a site to those who contend for them: their `groups` of the cell's slot."""
    cell = cells.cells[index]
    ues = cells.ues[cell.first_ue : cell.stop_ue]
    if cell.scheduler == ROUND_ROBIN:
        share_equally(ues, site, cell.groups, cell.slot)
    else:
        share_to_the_best(ues, site, cell.groups, cell.slot, cell.scheduler == MAX_RATE)


@in_place
def share_equally(ues: Table, site: int, groups: int, slot: int) -> None:
    """Round robin: the same for everybody, and what some do not need for the others; the last groups, fewer than
    those who still need one, go around."""
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
            if not (ue.contends and ue.site == site and ue.groups < ue.needed and ue.turn < slot):
                continue
            if chosen < 0 or ue.turn < ues[chosen].turn:
                chosen = place
        ues[chosen].groups += 1
        ues[chosen].turn = slot


@in_place
def in_need(ues: Table, site: int) -> int:
    """How many have fewer groups than they need."""
    short = 0
    for ue in ues:
        short += ue.contends and ue.site == site and ue.groups < ue.needed
    return short


@in_place
def share_to_the_best(ues: Table, site: int, groups: int, slot: int, by_rate: bool) -> None:
    """As much as it needs to the best, then to the second best, and so on."""
    left = groups
    while left > 0:
        chosen = -1
        best = 0.0
        for place in range(len(ues)):
            ue = ues[place]
            if not (ue.contends and ue.site == site and ue.needed > 0 and ue.groups == 0):
                continue
            merit = float(ue.capacity_bits) if by_rate else proportional_merit(ue)
            if chosen < 0 or merit > best or (merit == best and ue.turn < ues[chosen].turn):
                chosen = place
                best = merit
        if chosen < 0:
            return
        ue = ues[chosen]
        ue.groups = min(ue.needed, left)
        ue.turn = slot
        left -= ue.groups


@in_place
def proportional_merit(ue: Record) -> float:
    """The rate that it could have over the rate that it had (Tse's algorithm: Viswanath, Tse, Laroia, IEEE
    Trans. Inf. Theory 48(6), 2002); whoever had nothing yet counts as having had one bit a slot."""
    return float(ue.capacity_bits) / max(float(ue.mean_bits), 1.0)


@in_place
def account(ues: Table, site: int, groups: int, window_slots: int) -> None:
    """What those who contended got enters their averages (the same source: t_k += (R_k - t_k) / t_c)."""
    for ue in ues:
        if ue.contends and ue.site == site:
            ue.mean_bits += (share_bits(ue, groups) - ue.mean_bits) / window_slots


@in_place
def share_bits(ue: Record, groups: int) -> int:
    """What a UE sends in the slot that is being shared."""
    if ue.groups >= ue.needed:
        return int(ue.wanted_bits)
    return int(ue.capacity_bits * ue.groups // groups)
