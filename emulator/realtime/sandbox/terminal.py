"""Ownership of the terminal: Ctrl-C ends an emulation, but at its prompt only the command that was typed there."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def take_terminal() -> None:
    """Make this process and its later children the terminal's foreground: Ctrl-C no longer reaches the supervisor or
    earlier children. Ctrl-Z is ignored, because real packets cannot wait. Does nothing without a terminal."""
    if _foreground() is not None:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        _give_to(os.getpgrp())


@contextmanager
def terminal_returned() -> Iterator[None]:
    """At exit, take the terminal back if it was this process's before."""
    before = _foreground()
    try:
        yield
    finally:
        if before == os.getpgrp():
            _give_to(before)


def _foreground() -> int | None:
    """Return the foreground process group, 0 if it belongs to an outer namespace, None without a terminal."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno())
    except (OSError, ValueError):  # no terminal, the terminal of another session, or a closed standard input
        return None


def _give_to(group: int) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # otherwise the kernel stops this process
    try:
        os.tcsetpgrp(sys.stdin.fileno(), group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
