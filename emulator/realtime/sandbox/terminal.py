"""Who the terminal belongs to: Ctrl-C ends an emulation, but at a prompt inside it only what was typed there."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def take_terminal() -> None:
    """Make this process, and what it starts from here on, the terminal's foreground: Ctrl-C no longer reaches its
    supervisor, nor what was started before. Ctrl-Z is without effect: real packets cannot wait. Without a terminal,
    nothing happens."""
    if _foreground() is not None:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        _give_to(os.getpgrp())


@contextmanager
def terminal_returned() -> Iterator[None]:
    """Take the terminal back in the end, if it was this process's before."""
    before = _foreground()
    try:
        yield
    finally:
        if before == os.getpgrp():
            _give_to(before)


def _foreground() -> int | None:
    """The process group that has the terminal, if there is one; it is 0 for a group of an outer namespace."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno())
    except (OSError, ValueError):  # no terminal, not this process's own, or a closed standard input
        return None


def _give_to(group: int) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # or the kernel would stop who asks
    try:
        os.tcsetpgrp(sys.stdin.fileno(), group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
