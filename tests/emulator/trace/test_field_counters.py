"""Which rows of a counter were misread, against the rule in its own words."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.trace.formats.tables.counters import GLITCH_ROWS, misread


def misread_by_the_rule(counts: list[int]) -> list[bool]:
    """Return the rows that were misread: all rows before a fall are looked at."""
    wrong = [False] * len(counts)
    for fall in range(1, len(counts)):
        if counts[fall] >= counts[fall - 1] or wrong[fall - 1]:
            continue
        earlier = [counts[row] for row in range(fall - 1) if not wrong[row]]
        back = [row for row in range(fall + 1, len(counts)) if counts[row] >= counts[fall - 1]]
        if earlier and counts[fall] >= earlier[-1]:
            wrong[fall - 1] = True
        elif back and back[0] <= fall + GLITCH_ROWS:
            wrong[fall : back[0]] = [True] * (back[0] - fall)
    return wrong


@settings(max_examples=500, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=40))
def test_rows_are_misread_by_the_rule(counts: list[int]) -> None:
    assert misread(np.array(counts, np.float64)).tolist() == misread_by_the_rule(counts)


def test_counter_that_falls_all_the_time_after_a_low_first_row() -> None:
    counts = np.append(0.0, np.arange(300_000.0, 0.0, -1.0))
    wrong = misread(counts)
    assert not wrong[0] and wrong[1:-1].all() and not wrong[-1]
