"""Numbers that stand for a missing value without saying so."""

import numpy as np

from emulator.core.arrays import Floats

USUAL = (2**31 - 1, -(2**31), 2**32 - 1, 2**31, 2**63 - 1, 65_535, 32_767, -32_768, 99_999, 9_999, 999, -999, -9_999)
FAR = 3  # times the next value


def placeholder_notes(name: str, values: Floats) -> list[str]:
    """Return a line for each usual placeholder among the values that lies far beyond all others. Values: as written,
    shape (rows,), NaN if missing."""
    notes = []
    for usual in USUAL:
        count = int((values == usual).sum())
        others = np.abs(values[(values != usual) & ~np.isnan(values) & ~np.isin(values, USUAL)])
        if count and len(others) and abs(usual) > FAR * others.max():
            notes.append(
                f"column {name} has the value {usual:d} in {count} rows, far beyond all others: if it means that the "
                f"value is missing, give missing.{name}={usual:d}"
            )
    return notes
