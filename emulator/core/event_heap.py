"""What is to happen, in order of time and, at one instant, of scheduling: a binary heap in a table.

The caller keeps the count of the entries and sees to it that the table has room for one more.
"""

import numpy as np

from emulator.core.compiled import Record, Table, in_place

APPOINTMENT = np.dtype([("at_ns", np.int64), ("order", np.int64), ("what", np.int64)])


@in_place
def is_before(one: Record, other: Record) -> bool:
    """Whether one appointment comes before another."""
    return bool(one.at_ns < other.at_ns or (one.at_ns == other.at_ns and one.order < other.order))


@in_place
def add(calendar: Table, count: int, at_ns: int, order: int, what: int) -> None:
    """Put an appointment into a calendar of `count`."""
    place = count
    calendar[place].at_ns = at_ns
    calendar[place].order = order
    calendar[place].what = what
    while place > 0 and is_before(calendar[place], calendar[(place - 1) // 2]):
        swap(calendar, place, (place - 1) // 2)
        place = (place - 1) // 2


@in_place
def take(calendar: Table, count: int) -> tuple[int, int]:
    """Remove the first appointment from a calendar of `count` >= 1: its time, and what it is."""
    at_ns, what = calendar[0].at_ns, calendar[0].what
    last = count - 1
    swap(calendar, 0, last)
    place = 0
    while True:
        child = 2 * place + 1
        if child + 1 < last and is_before(calendar[child + 1], calendar[child]):
            child += 1
        if child >= last or is_before(calendar[place], calendar[child]):
            return at_ns, what
        swap(calendar, place, child)
        place = child


@in_place
def swap(calendar: Table, one: int, other: int) -> None:
    """Exchange two appointments."""
    a, b = calendar[one], calendar[other]
    a.at_ns, b.at_ns = b.at_ns, a.at_ns
    a.order, b.order = b.order, a.order
    a.what, b.what = b.what, a.what
