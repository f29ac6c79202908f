"""What a trace says of a slot besides its capacity: the serving site, the width of a grant, the CQI of each group."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from emulator.channel.air.modulation import cqi_table
from emulator.core.arrays import Columns, Ints
from emulator.core.compiled import Table
from emulator.trace import Trace

DESCRIPTION = np.dtype(
    [
        ("subband_cqi", np.int64),  # two bits a group, that of group 0 in the lowest: the differential CQI
        ("block_weight", np.int32),  # of the groups that carry the slot's capacity
        ("serving", np.int8),  # site
        ("weights", np.int8),  # row of `group_weights`; ALIKE: the UE sends the same in each group
    ],
    align=True,  # a shared slot is a cache miss for each UE and table: no row lies in two lines
)
COLUMNS = ("serving", "grant_groups", "cqi", "subband_cqi")
DIFFERENCES = (0, 1, 2, -1)  # by differential sub-band CQI (TS 38.214 Table 5.2.2.1-1)
CQI_TABLES, CQIS = 3, 16
MOST_SUBBANDS = 32
ALIKE = 0


@cache
def group_weights() -> Ints:
    """Return the weight of a group by differential sub-band CQI, shape (16 + 3 x 16, 4): bits per resource element x
    2048 at the group's CQI, which is kept within 1 to 15 (TS 38.214 5.2.2.1). Row 16 x CQI table + wideband CQI; in
    the first 16 rows all weights are 1."""
    weights = np.ones((1 + CQI_TABLES, CQIS, len(DIFFERENCES)), np.int64)
    cqi = np.clip(np.arange(CQIS)[:, None] + DIFFERENCES, 1, CQIS - 1)
    for number in range(1, 1 + CQI_TABLES):
        formats = cqi_table(number)
        weights[number] = (formats.order * formats.rate_2048)[cqi - 1]
    return weights.reshape(-1, len(DIFFERENCES))


def rows_of_table(number: int) -> Ints:
    """Return the rows of `group_weights` of a CQI table; number 0 has all groups alike."""
    return group_weights()[number * CQIS : (number + 1) * CQIS]


def cqi_table_of(trace: Trace) -> int:
    """Return the number of the CQI table of a trace, 0 if it has no sub-band CQIs. Raises ValueError if it has some and
    does not name their table."""
    if not {"cqi", "subband_cqi"} <= trace.columns.keys():
        return 0
    match trace.metadata:
        case {"radio": {"adaptation": {"cqi_table": 1 | 2 | 3 as number}}}:
            return int(number)
    raise ValueError("metadata: must name the CQI table of subband_cqi (radio.adaptation.cqi_table: 1, 2 or 3)")


def is_described(trace: Trace) -> bool:
    """Return whether a trace says more of its slots than what leaves in them."""
    return any(name in trace.columns for name in COLUMNS)


def descriptions(trace: Trace, groups: int) -> Iterator[Table]:
    """Yield a row a slot, in pieces; one row in all for a trace that is not described. Without its column, the site is
    0, the block has all groups, and these are alike. The groups of a narrower block are alike too: the UE chose
    them."""
    number = cqi_table_of(trace)
    for piece in trace.pieces() if is_described(trace) else (trace.slice(0, 1).columns,):
        rows = np.zeros(len(piece["capacity_bits"]), DESCRIPTION)
        rows["serving"] = piece.get("serving", 0)
        rows["block_weight"] = np.clip(np.asarray(piece.get("grant_groups", groups), np.int64), 1, groups)
        if number > 0:
            differ = rows["block_weight"] == groups
            rows["subband_cqi"] = piece["subband_cqi"]
            rows["weights"] = (number * CQIS + np.clip(piece["cqi"], 0, CQIS - 1)) * differ
            rows["block_weight"][differ] = _sums_of_weights(rows[differ], groups)
        yield rows


def _sums_of_weights(rows: Table, groups: int) -> Ints:
    total = np.zeros(len(rows), np.int64)
    for group in range(groups):
        total += group_weights()[rows["weights"], rows["subband_cqi"] >> 2 * group & 3]
    return total


def check_descriptions(trace: Trace, groups: int) -> None:
    """Raise ValueError, with row and value, if a slot with capacity has a value that breaks a rule of a cell with so
    many groups."""
    if cqi_table_of(trace) > 0 and groups > MOST_SUBBANDS:
        raise ValueError(f"subband_cqi: holds {MOST_SUBBANDS} groups, and its cell has {groups}")
    row = 0
    for piece in trace.pieces():
        _check_range(piece, "grant_groups", 1, groups, row)
        _check_range(piece, "cqi", 0, CQIS - 1, row)
        row += len(piece["capacity_bits"])


def _check_range(piece: Columns, name: str, least: int, most: int, first_row: int) -> None:
    if name in piece:
        wrong = (piece["capacity_bits"] > 0) & ~((piece[name] >= least) & (piece[name] <= most))
        if wrong.any():
            row = int(wrong.argmax())
            value = f"row {first_row + row}: {name}={piece[name][row]}"
            raise ValueError(f"{value}: must be {least} to {most} in this cell")
