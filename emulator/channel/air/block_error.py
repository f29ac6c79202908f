"""Block error probability at a signal-to-noise ratio: logistic curves through tabulated 10 % points.

The tables are for additive white Gaussian noise; `effective_sinr` maps a frequency-selective channel to it.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from emulator.channel.air.modulation import mcs_table
from emulator.channel.standard_tables import table
from emulator.core.arrays import Floats
from emulator.core.compiled import entry_point


class ErrorCurve(NamedTuple):
    """Error probability of a code block: 1 / (1 + exp(`slope_per_db` (SNR - `middle_db`)))."""

    middle_db: float
    slope_per_db: float


@cache
def ten_percent_points_db(mcs_table_number: int) -> Floats:
    """Return the SNR at a code block error rate of 0.1, by MCS and code block size, shape (MCSs, sizes).

    A missing value has the same gap to Shannon's SNR, 10 log10(2^efficiency - 1), as the nearest MCS with a value at
    this size (the lower of two at equal distance).
    """
    rows = table("bler")["tables"][str(mcs_table_number)]
    efficiency = mcs_table(mcs_table_number).efficiency
    shannon_db = 10 * np.log10(2**efficiency - 1)
    given = np.array(rows["snr_db"], dtype=np.float64)
    points_db = np.full((len(efficiency), given.shape[1]), np.nan)
    points_db[rows["first_mcs"] : rows["first_mcs"] + len(given)] = given
    for column in points_db.T:
        known = np.flatnonzero(~np.isnan(column))
        for mcs in np.flatnonzero(np.isnan(column)):
            nearest = known[np.argmin(np.abs(known - mcs))]
            column[mcs] = shannon_db[mcs] + column[nearest] - shannon_db[nearest]
    return points_db


@cache
def error_curve(mcs_table_number: int, mcs: int, code_block_bits: int, implementation_loss_db: float) -> ErrorCurve:
    """Return the error curve of a code block. Its 10 % point is interpolated in the logarithm of the size, held beyond
    the table's sizes, and moved up by the implementation loss; its slope grows with the square root of the size."""
    rule = table("bler")
    sizes = np.log2(rule["code_block_bits"])
    tenth_db = np.interp(np.log2(code_block_bits), sizes, ten_percent_points_db(mcs_table_number)[mcs])
    slope = rule["slope_per_db"] * math.sqrt(code_block_bits / rule["slope_bits"])
    rate = rule["error_rate"]
    return ErrorCurve(float(tenth_db) + implementation_loss_db - math.log((1 - rate) / rate) / slope, slope)


@entry_point
def block_error(sinr_db: float, middle_db: float, slope_per_db: float, code_blocks: float) -> float:
    """Return the error probability of a transport block, 1 - (1 - p)^C: it fails if any code block does."""
    steps = slope_per_db * (sinr_db - middle_db)
    if steps > 700.0:
        return 0.0
    # log(1 - p) = -log(1 + exp(-steps)), with the larger exponential factored out
    log_passes = -math.log1p(math.exp(-steps)) if steps > 0 else steps - math.log1p(math.exp(steps))
    return -math.expm1(code_blocks * log_passes)


def least_sinr_db(error: float, each: ErrorCurve, code_blocks: int) -> float:
    """Return the SINR at which a transport block fails with probability `error`: the inverse of `block_error`."""
    fails = -math.expm1(math.log1p(-error) / code_blocks)
    return each.middle_db + math.log((1 - fails) / fails) / each.slope_per_db


@cache
def betas(mcs_table_number: int) -> Floats:
    """Return the beta of `effective_sinr` by MCS, shape (MCSs,)."""
    return np.array(table("eesm")["beta"][str(mcs_table_number)], dtype=np.float64)


@entry_point
def effective_sinr(sinr: Floats, shares: Floats, beta: float) -> float:
    """Return the exponential effective SINR, -beta ln(sum of shares x exp(-sinr / beta)): the SINR of white noise with
    the same error rate. `sinr`, linear, and `shares`, of sum 1 and 0 outside the block, have shape (groups,)."""
    least = math.inf
    for group in range(len(sinr)):
        if shares[group] > 0.0:
            least = min(least, float(sinr[group]))
    total, rate = 0.0, 1.0 / beta
    for group in range(len(sinr)):
        if shares[group] > 0.0:
            total += shares[group] * math.exp((least - sinr[group]) * rate)
    return least - beta * math.log(total)
