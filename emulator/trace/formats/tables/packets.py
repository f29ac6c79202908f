"""Packets with sizes become the rates of equal intervals."""

import numpy as np

from emulator.core.arrays import Floats, Ints

BIN_S = 0.1
BINS_LIMIT = 86_400_000


def packet_rates(stamps_ms: Floats, bits: Floats, bin_ms: float) -> tuple[Ints, Floats]:
    """Add up the packets of each interval of `bin_ms`, from the first packet on. Return the start of each interval in
    ms and its rate in bit/s, shape (intervals,) both; an interval without packets has rate 0.

    Raises ValueError if there are more than `BINS_LIMIT` intervals."""
    since_us = np.rint((stamps_ms - stamps_ms.min()) * 1e3).astype(np.int64)
    number = since_us // round(bin_ms * 1e3)
    count = int(number.max()) + 1
    if count > BINS_LIMIT:
        raise ValueError(f"intervals={count} of {bin_ms:g} ms: must be at most {BINS_LIMIT}; give a greater step_s")
    starts_ms = np.rint(stamps_ms.min() + np.arange(count) * bin_ms).astype(np.int64)
    return starts_ms, np.bincount(number, bits, count) / (bin_ms / 1e3)
