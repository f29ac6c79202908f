"""Which threads of a station go first: those that hear, send and keep time before any that computes, here or in
another station of the machine. None of this is needed; without the right to it, a busy machine makes them late."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STATION_PRIORITY = 1  # of real-time threads the last: the relay goes first


def raise_priority(process: int = 0) -> None:
    """From now on the calling thread, or a process of one thread such as a broker's, runs before all ordinary ones,
    where we may ask for that."""
    with suppress(PermissionError):
        os.sched_setscheduler(process, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(STATION_PRIORITY))


@contextmanager
def normal_priority() -> Iterator[None]:
    """The calling thread is an ordinary one within: it computes for long."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    try:
        yield
    finally:
        raise_priority()
