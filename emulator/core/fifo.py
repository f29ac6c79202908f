"""First-in-first-out queues that compiled code fills and empties: linked lists through one shared table."""

from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table, in_place

ENDS = np.dtype([("first", np.int64), ("last", np.int64)])
ENTRY = np.dtype([("at_ns", np.int64), ("value", np.int64), ("behind", np.int64)])
ROOM = 256  # entries at the start; doubled when they run out
FOREVER_NS = 2**63 - 1


class Queues(NamedTuple):
    """Entries (`at_ns`, `value`) in the order in which they came. Entry 0 is nobody's: as a link it means
    "none", its own `behind` leads to the unused entries, and its `value` counts them."""

    ends: Table  # ENDS, shape (queues,)
    entries: Table  # ENTRY, shape (room,)


def empty_queues(count: int) -> Queues:
    """`count` queues without entries."""
    return with_more_room(Queues(np.zeros(count, ENDS), np.zeros(1, ENTRY)), ROOM - 1)


def with_more_room(queues: Queues, more: int) -> Queues:
    """The same queues, with `more` unused entries added."""
    old = queues.entries
    entries = np.concatenate((old, np.zeros(more, ENTRY)))
    entries["behind"][len(old) :] = np.arange(len(old) + 1, len(entries) + 1)
    entries[-1]["behind"] = old["behind"][0]
    entries[0]["behind"] = len(old)
    entries[0]["value"] += more
    return Queues(queues.ends, entries)


def copied(queues: Queues) -> Queues:
    """The same entries, in tables of their own."""
    return Queues(queues.ends.copy(), queues.entries.copy())


@in_place
def unused(queues: Queues) -> int:
    """How many more entries fit."""
    return int(queues.entries[0].value)


@in_place
def append(queues: Queues, queue: int, at_ns: int, value: int) -> None:
    """Put an entry at the queue's end; there must be an unused one."""
    entries, ends = queues.entries, queues.ends[queue]
    new = entries[0].behind
    entries[0].behind = entries[new].behind
    entries[0].value -= 1
    entries[new].at_ns = at_ns
    entries[new].value = value
    entries[new].behind = 0
    if ends.first == 0:
        ends.first = new
    else:
        entries[ends.last].behind = new
    ends.last = new


@in_place
def pop(queues: Queues, queue: int) -> int:
    """Take the first entry from a queue that has one; its value."""
    entries, ends = queues.entries, queues.ends[queue]
    old = ends.first
    ends.first = entries[old].behind
    entries[old].behind = entries[0].behind
    entries[0].behind = old
    value = entries[old].value
    entries[0].value += 1
    return int(value)


@in_place
def has_passed(queues: Queues, queue: int, now_ns: int) -> bool:
    """Whether the queue has a first entry, and its time has come."""
    first = queues.ends[queue].first
    return bool(first != 0 and queues.entries[first].at_ns <= now_ns)
