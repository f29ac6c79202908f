"""Work inside another process's network namespace, without a process of its own for it."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x4000_0000  # linux/sched.h


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Within it, the calling thread is in the network namespace of a process: interfaces that it makes, sockets that
    it opens, processes that it starts and what it finds under /proc/sys/net are of that namespace.

    Raises OSError where there is no such process, or no right to enter (CAP_SYS_ADMIN).
    """
    other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with network_behind(other):
            yield
    finally:
        os.close(other)


@contextmanager
def network_behind(namespace: int) -> Iterator[None]:
    """As `network_of`, of an open descriptor of a network namespace. Raises OSError without the right to enter."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def own_network() -> int:
    """The inode of the calling thread's network namespace, which tells namespaces apart."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
