"""Tables of a carrier: bits and error curves of transport blocks, and SINR thresholds of CQIs."""

from functools import cache
from typing import NamedTuple

import numpy as np

from emulator.channel.air.block_error import betas, error_curve, least_sinr_db
from emulator.channel.air.modulation import SchemeTable, cqi_error_target, cqi_table, mcs_of_cqi, mcs_table
from emulator.channel.air.transport_block import resource_elements, segments, tbs_bits
from emulator.channel.numerology import SUBCARRIERS, SYMBOLS, group_prbs, prbs
from emulator.channel.radio import Adaptation, Carrier, SettingError
from emulator.core.arrays import Floats, Ints

REFERENCE_SYMBOLS = 12
"""Data symbols of the CQI reference resource: TS 38.214 5.2.2.5."""


class BlockTable(NamedTuple):
    """Transport blocks of a carrier, shape (widths, ranks, 0 to 14 symbols, MCSs): `bits`, 0 if no data fits; number
    and error curve of the code blocks; `least_db` and `least`, the SINR at the target error rate. Of each width, shape
    (widths,): its resource block `groups` and its resource blocks (`prbs`). `beta` of the effective SINR has shape
    (MCSs,)."""

    bits: Ints
    code_blocks: Floats
    middle_db: Floats
    slope_per_db: Floats
    least_db: Floats
    least: Floats
    groups: Ints
    prbs: Floats
    beta: Floats


class CqiThresholds(NamedTuple):
    """For CQI 0 to 15, shape (16,): the lowest effective SINR, in dB and linear, at which a block of one layer over the
    whole carrier with the CQI's modulation and code rate meets the table's error target; and `beta`.
    CQI 0 has no lower limit."""

    least_db: Floats
    least: Floats
    beta: Floats


def all_widths(carrier: Carrier) -> tuple[int, ...]:
    """Return the resource blocks of the grants that a power-limited UE may have: powers of 2 within a group, so that
    the narrowest grant is as narrow whatever the carrier's bandwidth, then 1 group to all of them."""
    sizes = group_prbs(carrier)
    within = (2**power for power in range(int(sizes[0] - 1).bit_length()))
    return (*within, *(int(sizes[0]) * groups for groups in range(1, len(sizes))), int(sizes.sum()))


@cache
def block_table(
    carrier: Carrier, adaptation: Adaptation, ranks: int = 1, widths: tuple[int, ...] | None = None
) -> BlockTable:
    """Return the blocks of a carrier for the adaptation's MCS table, implementation loss and target error rate: for
    ranks 1 to `ranks`, and for grants of each number of resource blocks in `widths`, ascending up to all of them; by
    default only all."""
    formats, sizes = mcs_table(adaptation.mcs_table), group_prbs(carrier)
    width_prbs = (int(sizes.sum()),) if widths is None else widths
    groups = [-(-width // int(sizes[0])) for width in width_prbs]
    shape = (len(groups), ranks, SYMBOLS + 1, len(formats.order))
    found = BlockTable(
        np.zeros(shape, dtype=np.int64), np.ones(shape), np.zeros(shape), np.ones(shape), np.full(shape, np.inf),
        np.full(shape, np.inf),
        np.array(groups), np.array(width_prbs, dtype=np.float64), betas(adaptation.mcs_table),
    )  # fmt: skip
    for place in np.ndindex(shape):
        width, rank, symbols, mcs = place
        bits, code_blocks, block_bits = _sizes(carrier, width_prbs[width], rank + 1, symbols, formats, mcs)
        if bits == 0:
            continue
        each = error_curve(adaptation.mcs_table, mcs, block_bits, adaptation.implementation_loss_db)
        least_db = least_sinr_db(adaptation.bler_target, each, code_blocks)
        for column, value in zip(found, (bits, code_blocks, *each, least_db, 10 ** (least_db / 10)), strict=False):
            column[place] = value
    for column in found:
        column.setflags(write=False)  # cached, so shared by all callers
    return found


@cache
def cqi_thresholds(carrier: Carrier, adaptation: Adaptation) -> CqiThresholds:
    """Return the SINRs at which each CQI meets its table's error target on the reference resource.

    Raises ValueError if reference symbols and overhead leave no resource element for data.
    """
    number = adaptation.cqi_table
    formats, target = cqi_table(number), cqi_error_target(number)
    least_db, beta = [-np.inf], [1.0]
    for index, (table, mcs) in enumerate(mcs_of_cqi(number)):
        bits, code_blocks, block_bits = _sizes(carrier, prbs(carrier), 1, REFERENCE_SYMBOLS, formats, index)
        if bits == 0:
            elements = REFERENCE_SYMBOLS * SUBCARRIERS
            rule = f"must leave, beside overhead_re={carrier.overhead_re}, some of {elements} elements for data"
            raise SettingError("carrier.dmrs_re", carrier.dmrs_re, rule)
        each = error_curve(table, mcs, block_bits, adaptation.implementation_loss_db)
        least_db.append(least_sinr_db(target, each, code_blocks))
        beta.append(betas(table)[mcs])
    found = CqiThresholds(np.array(least_db), 10 ** (np.array(least_db) / 10), np.array(beta))
    for column in found:
        column.setflags(write=False)
    return found


def _sizes(
    carrier: Carrier, granted_prbs: int, layers: int, symbols: int, formats: SchemeTable, row: int
) -> tuple[int, int, int]:
    """Return (bits, code blocks, bits of a code block) of a transport block in a grant."""
    elements = resource_elements(granted_prbs, symbols, carrier.dmrs_re, carrier.overhead_re)
    rate = int(formats.rate_2048[row])
    bits = tbs_bits(elements, int(formats.order[row]), rate, layers)
    return bits, *segments(bits, rate)
