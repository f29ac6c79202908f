"""First-in-first-out queues through the rows of one table, for compiled code: linked lists with a free list.

A table holds the rows of many queues; its dtype has a field `next`. Row 0 is a sentinel: it ends every list. A `STORE`
record counts the rows in use: rows from `used` on were never taken, and `free` heads the list of those given back.
"""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import reserved, reserved_copy
from emulator.core.compiled import Record, Table, entry_point, in_place

FOREVER_NS = 2**63 - 1
ENDS = np.dtype([("first", np.int64), ("last", np.int64)])
STORE = np.dtype([("free", np.int64), ("used", np.int64)])
ENTRY = np.dtype([("at_ns", np.int64), ("value", np.int64), ("next", np.int64)])
ENTRIES = 4_194_304  # address space only


class Fifos(NamedTuple):
    """Queues of entries (`at_ns`, `value`), all in one table."""

    ends: Table  # ENDS, shape (queues,)
    entries: Table  # ENTRY, shape (ENTRIES,)
    store: Table  # STORE, shape (1,)


def new_store() -> Table:
    """Return the store of a table of which no row is in use but the sentinel."""
    return np.array([(0, 1)], STORE)


def empty_fifos(count: int) -> Fifos:
    """Return `count` queues without entries."""
    return Fifos(np.zeros(count, ENDS), reserved(ENTRIES, ENTRY), new_store())


def copied(fifos: Fifos) -> Fifos:
    """Return the same queues in tables of their own."""
    used = int(fifos.store["used"][0])
    return Fifos(fifos.ends.copy(), reserved_copy(fifos.entries, used), fifos.store.copy())


@entry_point
def has_room(table: Table, store: Record) -> bool:
    """Return whether the table has an unused row."""
    return bool(store.free != 0 or store.used < len(table))


@in_place
def next_row(table: Table, store: Record) -> int:
    """Return the row that `take` takes next."""
    return int(store.free if store.free != 0 else store.used)


@in_place
def take(table: Table, store: Record) -> int:
    """Take an unused row; `has_room` must be true."""
    row = next_row(table, store)
    if store.free != 0:
        store.free = table[row].next
    else:
        store.used += 1
    return row


@in_place
def give_back(table: Table, store: Record, row: int) -> None:
    """Return a row to the free list."""
    table[row].next = store.free
    store.free = row


@in_place
def append(table: Table, ends: Record, row: int) -> None:
    """Put a row at the end of a queue, whose `first` and `last` are fields of `ends`."""
    table[row].next = 0
    if ends.first == 0:
        ends.first = row
    else:
        table[ends.last].next = row
    ends.last = row


@entry_point
def remove_first(table: Table, ends: Record) -> int:
    """Take the first row out of a queue; 0 if the queue is empty."""
    row = ends.first
    if row != 0:
        ends.first = table[row].next
    return int(row)


@entry_point
def push_entry(fifos: Fifos, queue: int, at_ns: int, value: int) -> None:
    """Append an entry to a queue; the table must have room."""
    row = take(fifos.entries, fifos.store[0])
    entry = fifos.entries[row]
    entry.at_ns, entry.value = at_ns, value
    append(fifos.entries, fifos.ends[queue], row)


@entry_point
def pop_entry(fifos: Fifos, queue: int) -> int:
    """Remove the first entry of a queue that has one; return its value."""
    row = remove_first(fifos.entries, fifos.ends[queue])
    give_back(fifos.entries, fifos.store[0], row)
    return int(fifos.entries[row].value)


@entry_point
def has_passed(fifos: Fifos, queue: int, now_ns: int) -> bool:
    """Return whether the queue has a first entry with a time up to `now_ns`."""
    first = fifos.ends[queue].first
    return bool(first != 0 and fifos.entries[first].at_ns <= now_ns)
