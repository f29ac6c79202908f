"""The event list of compiled code: a binary heap by time and, at one instant, by the order of scheduling.

The caller keeps the number of events, and sees that the table has room for one more.
"""

import numpy as np

from emulator.core.compiled import Record, Table, entry_point, in_place

EVENT = np.dtype([("at_ns", np.int64), ("order", np.int64), ("task", np.int64)])


@in_place
def is_before(one: Record, other: Record) -> bool:
    """Return whether one event comes before another."""
    return bool(one.at_ns < other.at_ns or (one.at_ns == other.at_ns and one.order < other.order))


@entry_point
def push(heap: Table, count: int, at_ns: int, order: int, task: int) -> None:
    """Add an event to a heap of `count`."""
    row = count
    event = heap[row]
    event.at_ns, event.order, event.task = at_ns, order, task
    while row > 0 and is_before(heap[row], heap[(row - 1) // 2]):
        swap(heap, row, (row - 1) // 2)
        row = (row - 1) // 2


@entry_point
def pop(heap: Table, count: int) -> tuple[int, int, int]:
    """Remove the first event from a heap of `count` >= 1; return its time, order and task."""
    at_ns, order, task = heap[0].at_ns, heap[0].order, heap[0].task
    last = count - 1
    swap(heap, 0, last)
    row = 0
    while True:
        child = 2 * row + 1
        if child + 1 < last and is_before(heap[child + 1], heap[child]):
            child += 1
        if child >= last or is_before(heap[row], heap[child]):
            return at_ns, order, task
        swap(heap, row, child)
        row = child


@in_place
def swap(heap: Table, one: int, other: int) -> None:
    """Exchange two events."""
    a, b = heap[one], heap[other]
    a.at_ns, b.at_ns = b.at_ns, a.at_ns
    a.order, b.order = b.order, a.order
    a.task, b.task = b.task, a.task
