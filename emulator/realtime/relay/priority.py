"""Scheduling of the relay's threads: real-time priority and precise timers, as far as the process may have them."""

import ctypes
import os
from contextlib import suppress
from threading import get_native_id

from emulator.realtime.relay.system_calls import CLOCK_MONOTONIC

LOG_NICENESS = -15  # ahead of ordinary programs, which would otherwise make the log too slow
REALTIME_PRIORITY = 10  # of 1 to 99: ahead of ordinary programs, behind urgent work of the kernel
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # sys/timerfd.h
_PR_SET_TIMERSLACK = 29  # linux/prctl.h


def set_realtime_priority() -> str:
    """Give the calling thread precise timers and, if permitted, real-time priority, which threads that it starts do
    not inherit. Return a description of its scheduling."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        # wakes as promptly as SCHED_FIFO, and two relays on a machine take turns
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(REALTIME_PRIORITY))
        return f"SCHED_RR {REALTIME_PRIORITY}"
    except PermissionError:
        return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def set_log_priority() -> None:
    """Run the calling thread ahead of ordinary programs, if permitted."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), LOG_NICENESS)


def new_timer() -> int:
    """Return the descriptor of a new timer of CLOCK_MONOTONIC. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(CLOCK_MONOTONIC, _TFD_FLAGS)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return timer
