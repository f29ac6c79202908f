"""System calls of the compiled loop, through the C library."""

from emulator.core.compiled import Table, c_function, in_place
from emulator.core.units import NS_PER_S

CLOCK_MONOTONIC = 1  # linux/time.h
NO_TIMEOUT = -1
_TFD_TIMER_ABSTIME = 1  # sys/timerfd.h
_read = c_function("read", "intp", "int32", "uintp", "intp")
_write = c_function("write", "intp", "int32", "uintp", "intp")
_writev = c_function("writev", "intp", "int32", "uintp", "int32")
_clock_gettime = c_function("clock_gettime", "int32", "int32", "uintp")
_epoll_wait = c_function("epoll_wait", "int32", "int32", "uintp", "int32", "int32")
_timerfd_settime = c_function("timerfd_settime", "int32", "int32", "int32", "uintp", "uintp")
_errno_location = c_function("__errno_location", "int32*")

SCRATCH_WORDS = 6  # memory for the C structures that `now_ns`, `set_timer` and `write_two` pass


@in_place
def error() -> int:
    """Return errno of the last call that failed."""
    return int(_errno_location()[0])


@in_place
def now_ns(scratch: Table) -> int:
    """Return CLOCK_MONOTONIC."""
    _clock_gettime(CLOCK_MONOTONIC, scratch.ctypes.data)
    return int(scratch[0] * NS_PER_S + scratch[1])


@in_place
def read(descriptor: int, address: int, max_bytes: int) -> int:
    """Read into memory at `address`; return the number of bytes, or -1 (see `error`)."""
    return int(_read(descriptor, address, max_bytes))


@in_place
def write(descriptor: int, address: int, size_bytes: int) -> int:
    """Write memory at `address`; return the number of bytes, or -1 (see `error`)."""
    return int(_write(descriptor, address, size_bytes))


@in_place
def write_two(
    scratch: Table, descriptor: int, address: int, size_bytes: int, second_address: int, second_bytes: int
) -> int:
    """Write memory at two addresses in one call, as `write`."""
    scratch[2], scratch[3] = address, size_bytes
    scratch[4], scratch[5] = second_address, second_bytes
    return int(_writev(descriptor, scratch[2:].ctypes.data, 2))


@in_place
def set_timer(scratch: Table, timer: int, expiry_ns: int) -> None:
    """Set a timer to expire once, at `expiry_ns` of CLOCK_MONOTONIC."""
    scratch[0] = scratch[1] = 0  # no interval
    scratch[2], scratch[3] = divmod(expiry_ns, NS_PER_S)
    _timerfd_settime(timer, _TFD_TIMER_ABSTIME, scratch.ctypes.data, 0)


@in_place
def wait_for_events(poll: int, events: Table, timeout_ms: int) -> int:
    """Store the ready descriptors of an epoll instance in `events`; return their number, or -1 (see `error`). If none
    is ready, wait for one up to `timeout_ms`, or without limit if that is NO_TIMEOUT."""
    return int(_epoll_wait(poll, events.ctypes.data, len(events), timeout_ms))
