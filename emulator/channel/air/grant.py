"""Choice of a grant from a measured channel: rank, number of resource block groups, which groups, and CQI.

A UE divides its power among the resource blocks that it is granted: above its power limit, more blocks have less power
each. So every width of a grant, a part of the best group or the best groups, and every rank is compared by the largest
transport block that meets the target error rate. Compiled code, without state.
"""

from typing import NamedTuple

from emulator.channel.air.block_error import effective_sinr
from emulator.channel.air.blocks import BlockTable, CqiThresholds
from emulator.core.arrays import Floats, Ints
from emulator.core.compiled import in_place


class Grant(NamedTuple):
    """`rank`; `width`, a row of the block table; `cqi`, the highest that the SINR allows in the grant, 0 if none; and
    the differential CQI of each group, two bits a group from the lowest on (`subband_cqi`)."""

    rank: int
    width: int
    cqi: int
    subband_cqi: int


@in_place
def power_gain(blocks: BlockTable, width: int, limit_prbs: float) -> float:
    """Return how much more power a resource block has in a grant than with all of them granted; `limit_prbs`: resource
    blocks that a UE can send at the power that power control demands."""
    return float(max(blocks.prbs[-1], limit_prbs) / max(blocks.prbs[width], limit_prbs))


@in_place
def best_grant(
    blocks: BlockTable,
    thresholds: CqiThresholds,
    group_prbs: Floats,
    sinr: Floats,
    limit_prbs: float,
    symbols: int,
    order: Ints,
    shares: Floats,
) -> Grant:
    """Return the grant with the largest block; of equals, the widest, then the one with the highest rank. If no block
    meets the target error rate: one layer in the narrowest grant, where the SINR is highest. Without limit all groups
    are granted. `sinr`: linear, with all resource blocks granted, shape (ranks, groups). Write the groups' shares of
    the grant to `shares`, shape (groups,); `order`, shape (groups,), is scratch space."""
    full = len(blocks.prbs) - 1
    narrowest = full
    if limit_prbs < blocks.prbs[full]:
        narrowest = 0
        _sort_groups(sinr[0], group_prbs, order)
    most_bits, rank, width = 0, 1, narrowest
    for each in range(full, narrowest - 1, -1):
        _set_shares(blocks, group_prbs, each, order, shares)
        gain = power_gain(blocks, each, limit_prbs)
        for layers in range(len(sinr), 0, -1):  # many layers are usually best, and then rule out fewer at once
            bits = _block_bits(blocks, each, layers, symbols, sinr[layers - 1], shares, gain, most_bits)
            if bits > most_bits:
                most_bits, rank, width = bits, layers, each
    _set_shares(blocks, group_prbs, width, order, shares)
    gain = power_gain(blocks, width, limit_prbs)
    cqi = _highest_cqi(thresholds, sinr[rank - 1], shares, gain)
    return Grant(rank, width, cqi, _subband_cqi(thresholds, sinr[rank - 1], gain, cqi))


@in_place
def _block_bits(
    blocks: BlockTable,
    width: int,
    rank: int,
    symbols: int,
    sinr: Floats,
    shares: Floats,
    gain: float,
    least_bits: int,
) -> int:
    """Return the bits of the block with the highest MCS that meets the target error rate at `gain` times this SINR and
    has more than `least_bits`; 0 if none has."""
    bits, least = blocks.bits[width, rank - 1, symbols], blocks.least[width, rank - 1, symbols]
    mean = _mean(sinr, shares) * gain
    for mcs in range(len(bits) - 1, -1, -1):
        if bits[mcs] <= least_bits or mean < least[mcs]:
            continue
        if gain * effective_sinr(sinr, shares, blocks.beta[mcs] / gain) >= least[mcs]:
            return int(bits[mcs])
    return 0


@in_place
def _sort_groups(sinr: Floats, group_prbs: Floats, order: Ints) -> None:
    """Order the groups from the best to the worst; the last one, if it is smaller, is used in the widest grant only."""
    last = len(order) - 1
    count = last if group_prbs[last] < group_prbs[0] else last + 1
    order[last] = last
    for group in range(count):
        place = group
        while place > 0 and sinr[order[place - 1]] < sinr[group]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = group


@in_place
def _set_shares(blocks: BlockTable, group_prbs: Floats, width: int, order: Ints, shares: Floats) -> None:
    for place in range(len(shares)):
        if width == len(blocks.prbs) - 1:
            shares[place] = group_prbs[place] / blocks.prbs[width]
        else:
            group = order[place]
            shares[group] = 1 / blocks.groups[width] if place < blocks.groups[width] else 0.0


@in_place
def _highest_cqi(thresholds: CqiThresholds, sinr: Floats, shares: Floats, gain: float) -> int:
    """Return the highest CQI whose error target is met at `gain` times this SINR (TS 38.214 5.2.2.1), 0 if none."""
    mean = _mean(sinr, shares) * gain
    for cqi in range(len(thresholds.least) - 1, 0, -1):
        least = thresholds.least[cqi]
        if mean >= least and gain * effective_sinr(sinr, shares, thresholds.beta[cqi] / gain) >= least:
            return cqi
    return 0


@in_place
def _mean(sinr: Floats, shares: Floats) -> float:
    """Return the mean SINR, which is cheaper than the effective SINR and never below it."""
    mean = 0.0
    for group in range(len(sinr)):
        mean += shares[group] * sinr[group]
    return mean


@in_place
def _subband_cqi(thresholds: CqiThresholds, sinr: Floats, gain: float, cqi: int) -> int:
    """Return the differential CQI of each group (TS 38.214 Table 5.2.2.1-1): 0 as the CQI, 1 and 2 for one and for more
    above, 3 for below."""
    found = 0
    highest = len(thresholds.least) - 1
    for group in range(len(sinr)):
        level = sinr[group] * gain
        code = 0
        if cqi + 1 <= highest and level >= thresholds.least[cqi + 1]:
            code = 2 if cqi + 2 <= highest and level >= thresholds.least[cqi + 2] else 1
        elif cqi > 0 and level < thresholds.least[cqi]:
            code = 3
        found |= code << (2 * group)
    return found
