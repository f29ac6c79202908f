"""Tables of modulation and coding schemes (MCS) and of channel quality indicators (CQI)."""

from functools import cache
from typing import NamedTuple

import numpy as np

from emulator.channel.standard_tables import table
from emulator.core.arrays import Floats, Ints


class SchemeTable(NamedTuple):
    """Modulation order and code rate x 2048 (some rates are odd multiples of 1/2048), shape (rows,) each."""

    order: Ints
    rate_2048: Ints

    @property
    def efficiency(self) -> Floats:
        """Bits per resource element, shape (rows,)."""
        found: Floats = self.order * self.rate_2048 / 2048
        return found


def mcs_table(number: int) -> SchemeTable:
    """Return MCS 0 upwards of TS 38.214 Table 5.1.3.1-`number`, without the reserved rows."""
    return _formats("mcs", number)


def cqi_table(number: int) -> SchemeTable:
    """Return CQI 1 to 15, in rows 0 to 14, of CQI table `number` of TS 38.214 5.2.2.1."""
    return _formats("cqi", number)


def cqi_error_target(number: int) -> float:
    """Return the target block error rate of a CQI table (TS 38.214 5.2.2.1)."""
    return float(table("cqi")["tables"][str(number)]["block_error_target"])


def mcs_of_cqi(number: int) -> list[tuple[int, int]]:
    """Return, for CQI 1 to 15, an (MCS table, MCS) with the same modulation and code rate, from the MCS table of the
    same number if possible, else from the first that has one. Error curves are tabulated by MCS only."""
    wanted = cqi_table(number)
    found = []
    for order, rate in zip(wanted.order, wanted.rate_2048, strict=True):
        places = [
            (each, int(row))
            for each in (number, 1, 2, 3)
            for row in np.flatnonzero((mcs_table(each).order == order) & (mcs_table(each).rate_2048 == rate))
        ]
        found.append(places[0])
    return found


@cache
def _formats(name: str, number: int) -> SchemeTable:
    tables = table(name)["tables"]
    if str(number) not in tables:
        raise ValueError(f"{name}_table={number}: must be one of {', '.join(tables)}")
    rows = tables[str(number)]
    rate = np.array(rows["code_rate_1024"]) * 2
    return SchemeTable(np.array(rows["modulation_order"], dtype=np.int64), rate.astype(np.int64))
