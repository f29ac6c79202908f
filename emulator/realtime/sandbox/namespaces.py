"""Enter the network namespace of another process for a while."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x4000_0000  # linux/sched.h


@contextmanager
def network_of(pid: int) -> Iterator[None]:
    """Move the calling thread into the network namespace of a process: interfaces and sockets that it makes, processes
    that it starts and its view of /proc/sys/net are then those of that namespace.

    Raises OSError if there is no such process, or without the right to enter (CAP_SYS_ADMIN).
    """
    other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with network_of_descriptor(other):
            yield
    finally:
        os.close(other)


@contextmanager
def network_of_descriptor(namespace: int) -> Iterator[None]:
    """Do the same as `network_of` for an open descriptor of a network namespace."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def own_network_inode() -> int:
    """Return the inode of the calling thread's network namespace, which identifies it."""
    return Path("/proc/thread-self/ns/net").stat().st_ino


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
