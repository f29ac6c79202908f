"""The few functions of the C library that the compiled loop calls."""

from emulator.core.compiled import Table, c_function, in_place
from emulator.core.units import NS_PER_S

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1  # sys/timerfd.h
_read = c_function("read", "intp", "int32", "uintp", "intp")
_write = c_function("write", "intp", "int32", "uintp", "intp")
_writev = c_function("writev", "intp", "int32", "uintp", "int32")
_clock_gettime = c_function("clock_gettime", "int32", "int32", "uintp")
_epoll_wait = c_function("epoll_wait", "int32", "int32", "uintp", "int32", "int32")
_timerfd_settime = c_function("timerfd_settime", "int32", "int32", "int32", "uintp", "uintp")
_errno_location = c_function("__errno_location", "int32*")

WORDS = 6  # that `now_ns`, `set_timer` and `write_two` need to say things in


@in_place
def error() -> int:
    """Why the last call failed: a number of errno.h."""
    return int(_errno_location()[0])


@in_place
def now_ns(words: Table) -> int:
    """CLOCK_MONOTONIC."""
    _clock_gettime(_CLOCK_MONOTONIC, words.ctypes.data)
    return int(words[0] * NS_PER_S + words[1])


@in_place
def read(descriptor: int, address: int, most_bytes: int) -> int:
    """How many bytes were read to an address; -1: see `error`."""
    return int(_read(descriptor, address, most_bytes))


@in_place
def write(descriptor: int, address: int, size_bytes: int) -> int:
    """How many bytes at an address were written; -1: see `error`."""
    return int(_write(descriptor, address, size_bytes))


@in_place
def write_two(words: Table, descriptor: int, one: int, one_bytes: int, other: int, other_bytes: int) -> int:
    """`write` for bytes at two addresses, as one."""
    words[2], words[3] = one, one_bytes
    words[4], words[5] = other, other_bytes
    return int(_writev(descriptor, words[2:].ctypes.data, 2))


@in_place
def set_timer(words: Table, timer: int, at_ns: int) -> None:
    """Have a timer's descriptor be ready at an instant of CLOCK_MONOTONIC, and not before."""
    words[0] = words[1] = 0  # once
    words[2], words[3] = divmod(at_ns, NS_PER_S)
    _timerfd_settime(timer, _TFD_TIMER_ABSTIME, words.ctypes.data, 0)


@in_place
def ready(poll: int, events: Table) -> int:
    """How many of the descriptors that an epoll instance watches are ready now, and which; -1: see `error`."""
    return int(_epoll_wait(poll, events.ctypes.data, len(events), 0))


@in_place
def wait(poll: int, events: Table) -> int:
    """`ready`, as soon as any is."""
    return int(_epoll_wait(poll, events.ctypes.data, len(events), -1))
