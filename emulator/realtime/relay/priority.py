"""Being woken in time: what a process may ask of the kernel, as far as it is allowed."""

import ctypes
import os
from contextlib import suppress
from threading import get_native_id

LOG_NICENESS = -15  # before ordinary programs, which otherwise make the log too slow
PRIORITY = 10  # of 1 to 99: before all ordinary programs, behind what the kernel itself must do in time
_CLOCK_MONOTONIC = 1
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # sys/timerfd.h
_PR_SET_TIMERSLACK = 29  # linux/prctl.h


def take_precedence() -> str:
    """Have the kernel wake the calling thread without delay, before all others where it is allowed to; threads that it
    starts are ordinary ones. Says how it is scheduled then."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        # as prompt as SCHED_FIFO, and two relays on a machine take turns
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
        return f"SCHED_RR {PRIORITY}"
    except PermissionError:
        return f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def precede_ordinary_programs() -> None:
    """Have the kernel prefer the calling thread, where that is allowed."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), LOG_NICENESS)


def new_timer() -> int:
    """The descriptor of a timer of CLOCK_MONOTONIC. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    return timer
