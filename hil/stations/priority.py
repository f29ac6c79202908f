"""Give threads that receive, send and keep time precedence over threads that compute, on the whole machine.

Without the right to do so nothing fails, but on a busy machine messages and starts are late.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STATION_PRIORITY = 1  # the lowest real-time priority: the relay precedes it


def raise_priority(process: int = 0) -> None:
    """Give the calling thread (0), or a single-threaded process, real-time priority if permitted."""
    with suppress(PermissionError):
        os.sched_setscheduler(process, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(STATION_PRIORITY))


@contextmanager
def normal_priority() -> Iterator[None]:
    """Give the calling thread normal priority inside the context, for a long computation."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    try:
        yield
    finally:
        raise_priority()
