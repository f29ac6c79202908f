"""Proportional fair and greatest rate: each group to the UE with the greatest merit in it.

The merit of a group for a UE is the rate that it could have in the slot if all groups were like this one; proportional
fair divides it by the rate that the UE had (Tse's algorithm: Viswanath, Tse, Laroia, IEEE Trans. Inf. Theory 48(6),
2002; by group: Kushner, Whiting, IEEE Trans. Wireless Commun. 3(4), 2004). A UE that had nothing counts as having had
one bit a slot.
"""

from emulator.cell.descriptions import ALIKE
from emulator.cell.tables import MAX_RATE, CellTables
from emulator.core.compiled import Record, Table, in_place

NOBODY = -1
LEAST_MERIT = 2.0**-200  # below any


@in_place
def share_to_the_best(cells: CellTables, cell: Record, ues: Table, members: Table) -> None:
    """Give the groups of a slot, in their order, to the UEs in `members` until none is left or needed."""
    merits = cells.merits
    for number in range(len(members)):
        ue = ues[members[number]]
        merit = merit_of_weight(ue, cell) if ue.needed > 0 else 0.0
        set_merits(merits, number, cell.groups, merit, cells.weights[ue.weights], ue.subband_cqi)
    for group in range(cell.groups):
        chosen = best_member(merits[group], ues, members)
        if chosen == NOBODY:
            break
        ue = ues[members[chosen]]
        ue.given += cells.weights[ue.weights, ue.subband_cqi >> 2 * group & 3]
        if ue.given >= ue.needed:
            set_merits(merits, chosen, cell.groups, 0.0, cells.weights[ALIKE], 0)
    for place in members:
        if ues[place].given > 0:
            ues[place].last_served_slot = cell.slot


@in_place
def merit_of_weight(ue: Record, cell: Record) -> float:
    """Return a UE's merit in a group of weight 1."""
    merit = float(ue.capacity_bits)
    if cell.scheduler != MAX_RATE:
        merit /= max(float(ue.mean_bits), 1.0)
    return float(merit * (cell.groups / ue.block_weight))


@in_place
def set_merits(merits: Table, number: int, groups: int, merit: float, weights: Table, subband_cqi: int) -> None:
    """Set a member's merit in each group from that of weight 1; 0: it needs no group."""
    for group in range(groups):
        merits[group, number] = merit * weights[subband_cqi >> 2 * group & 3]


@in_place
def best_member(merits: Table, ues: Table, members: Table) -> int:
    """Return the number of the member with the greatest merit in a group, NOBODY if none needs it."""
    best = NOBODY
    greatest = LEAST_MERIT
    for number in range(len(members)):
        if merits[number] < greatest:
            continue
        if merits[number] > greatest or is_longer_ago(ues[members[number]], ues[members[best]]):
            best = number
            greatest = merits[number]
    return best


@in_place
def is_longer_ago(ue: Record, other: Record) -> bool:
    """Return whether a UE was chosen longer ago than another."""
    return bool(ue.last_served_slot < other.last_served_slot)
