"""A running counter of data becomes rates between its rows.

The rate from a row to the next is their difference over the time between them. A fall of the counter is one of three
things. If it does not go below the row before the last, the last row was misread, too high. If the counter is back
where it was after at most `GLITCH_ROWS` rows, those were misread. Rows that were misread are left out, and the
difference over them counts. Otherwise the counter began anew: the time across the fall has no rate of its own, so
the rate before holds.
"""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Flags, Floats

GLITCH_ROWS = 3


class CounterRates(NamedTuple):
    """`amount_per_ms`: rate from each kept row to the next, NaN where it is not known, shape (kept rows,); the last
    row only ends the one before it. `kept`: rows that were not misread, shape (rows,). `resets`: how often the counter
    began anew."""

    amount_per_ms: Floats
    kept: Flags
    resets: int


def counter_rates(stamps_ms: Floats, counts: Floats) -> CounterRates:
    """Return the rates of a counter, shape (rows,) both, stamps not decreasing."""
    kept = ~misread(counts)
    steps_ms, grown = np.diff(stamps_ms[kept]), np.diff(counts[kept])
    known = (grown >= 0) & (steps_ms > 0)
    rates = np.divide(grown, steps_ms, out=np.full(len(grown), np.nan), where=known)
    return CounterRates(np.append(rates, np.nan), kept, int((grown < 0).sum()))


def misread(counts: Floats) -> Flags:
    """Return which rows were misread, shape (rows,): one before a fall that does not go below the row before it, and
    those of a fall that the counter took back within `GLITCH_ROWS` rows."""
    wrong = np.zeros(len(counts), np.bool_)
    before, seen = -1, 0  # of the rows below `seen` the last that was not misread, -1 if there is none
    for fall in (np.flatnonzero(np.diff(counts) < 0) + 1).tolist():
        if wrong[fall - 1]:
            continue
        before = next((row for row in range(fall - 2, seen - 1, -1) if not wrong[row]), before)
        seen = fall - 1
        if before >= 0 and counts[fall] >= counts[before]:
            wrong[fall - 1] = True
            continue
        back = np.flatnonzero(counts[fall + 1 : fall + 1 + GLITCH_ROWS] >= counts[fall - 1])
        if len(back):
            wrong[fall : fall + 1 + back[0]] = True
    return wrong
