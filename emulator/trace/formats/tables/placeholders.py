"""Numbers that stand for a missing value without saying so."""

from collections.abc import Mapping

import numpy as np

from emulator.core.arrays import Floats

USUAL = (2**31 - 1, -(2**31), 2**32 - 1, 2**31, 2**63 - 1, 65_535, 32_767, -32_768, 99_999, 9_999, 999, -999, -9_999)
FAR = 3  # times the next value
REPORTED: Mapping[str, tuple[float, float]] = {
    # Ranges that UEs report: TS 38.133, 10.1.6, 10.1.11, 10.1.16; TS 38.214, 5.1.3.1, 5.2.2.1.
    "rsrp_dbm": (-156, -31),
    "rsrq_db": (-43, 20),
    "sinr_db": (-23, 40),
    "cqi": (0, 15),
    "mcs": (0, 31),
    "rank": (1, 8),
}


def placeholder_notes(name: str, values: Floats) -> list[str]:
    """Return a line for each usual placeholder among the values that lies far beyond all others, and one for the most
    frequent other value that no UE reports. Values: as written, shape (rows,), NaN if missing."""
    notes = []
    told = np.zeros(len(values), np.bool_)
    for usual in USUAL:
        count = int((values == usual).sum())
        others = np.abs(values[(values != usual) & ~np.isnan(values) & ~np.isin(values, USUAL)])
        if count and len(others) and abs(usual) > FAR * others.max():
            told |= values == usual
            notes.append(
                f"column {name} has the value {usual:d} in {count} rows, far beyond all others: if it means that the "
                f"value is missing, give missing.{name}={usual:d}"
            )
    low, high = REPORTED.get(name, (-np.inf, np.inf))
    outside, counts = np.unique(values[((values < low) | (values > high)) & ~told], return_counts=True)
    if len(outside):
        most = outside[np.argmax(counts)]
        notes.append(
            f"column {name} has values outside {low:g} to {high:g} in {counts.sum()} rows, most often {most:g}: if it "
            f"means that the value is missing, give missing.{name}={most:g}"
        )
    return notes
