"""What a carrier's blocks are: bits and error curve by symbols and MCS, and what each CQI promises."""

from functools import cache
from typing import NamedTuple

import numpy as np

from emulator.channel.air.block_error import betas, curve, least_sinr_db
from emulator.channel.air.modulation import Formats, cqi_error_target, cqi_table, mcs_of_cqi, mcs_table
from emulator.channel.air.transport_block import resource_elements, segments, tbs_bits
from emulator.channel.numerology import SUBCARRIERS, SYMBOLS, prbs
from emulator.channel.radio import Adaptation, Carrier, SettingError
from emulator.core.arrays import Floats, Ints

REFERENCE_SYMBOLS = 12
"""Data symbols of the resource that a CQI speaks of: TS 38.214 5.2.2.5."""


class Blocks(NamedTuple):
    """Transport blocks over all of a carrier's resource blocks, shape (0 to 14 symbols, MCSs): `bits`, 0 where
    no data fits; the error curve of their `code_blocks`; `least_db`, where they reach the target error rate.
    `beta` of the effective SINR has shape (MCSs,)."""

    bits: Ints
    code_blocks: Floats
    middle_db: Floats
    slope_per_db: Floats
    least_db: Floats
    beta: Floats


class Indicators(NamedTuple):
    """CQI 0 to 15, shape (16,) each: the least effective SINR, in dB and linear, at which a block of the CQI's
    scheme reaches the table's error rate, and its `beta`. CQI 0 is below them all."""

    least_db: Floats
    least: Floats
    beta: Floats


@cache
def blocks_of(carrier: Carrier, adaptation: Adaptation) -> Blocks:
    """The blocks of a carrier under the adaptation's MCS table, implementation loss and target."""
    formats = mcs_table(adaptation.mcs_table)
    shape = (SYMBOLS + 1, len(formats.order))
    found = Blocks(
        np.zeros(shape, dtype=np.int64), np.ones(shape), np.zeros(shape), np.ones(shape), np.full(shape, np.inf),
        betas(adaptation.mcs_table),
    )  # fmt: skip
    for symbols in range(shape[0]):
        for mcs in range(shape[1]):
            bits, code_blocks, block_bits = _sizes(carrier, symbols, formats, mcs)
            if bits == 0:
                continue
            each = curve(adaptation.mcs_table, mcs, block_bits, adaptation.implementation_loss_db)
            least_db = least_sinr_db(adaptation.bler_target, each, code_blocks)
            for column, value in zip(found, (bits, code_blocks, *each, least_db), strict=False):
                column[symbols, mcs] = value
    for column in found:
        column.setflags(write=False)  # the same for all who ask
    return found


@cache
def indicators_of(carrier: Carrier, adaptation: Adaptation) -> Indicators:
    """What each CQI promises on a carrier: an error rate of its table's target on the reference resource.

    Raises ValueError when reference symbols and overhead leave that no element for data.
    """
    number = adaptation.cqi_table
    formats, target = cqi_table(number), cqi_error_target(number)
    least_db, beta = [-np.inf], [1.0]
    for index, (table, mcs) in enumerate(mcs_of_cqi(number)):
        bits, code_blocks, block_bits = _sizes(carrier, REFERENCE_SYMBOLS, formats, index)
        if bits == 0:
            elements = REFERENCE_SYMBOLS * SUBCARRIERS
            rule = f"must leave, beside overhead_re={carrier.overhead_re}, some of {elements} elements for data"
            raise SettingError("carrier.dmrs_re", carrier.dmrs_re, rule)
        each = curve(table, mcs, block_bits, adaptation.implementation_loss_db)
        least_db.append(least_sinr_db(target, each, code_blocks))
        beta.append(betas(table)[mcs])
    found = Indicators(np.array(least_db), 10 ** (np.array(least_db) / 10), np.array(beta))
    for column in found:
        column.setflags(write=False)
    return found


def _sizes(carrier: Carrier, symbols: int, formats: Formats, row: int) -> tuple[int, int, int]:
    """(bits, code blocks, bits of each) of a block over the whole carrier."""
    elements = resource_elements(prbs(carrier), symbols, carrier.dmrs_re, carrier.overhead_re)
    rate = int(formats.rate_2048[row])
    bits = tbs_bits(elements, int(formats.order[row]), rate, carrier.layers)
    return bits, *segments(bits, rate)
