"""The reaper of a sandbox: removes the empty control groups that the kernel keeps after the sandbox has ended.

`emulator.realtime.sandbox` runs this file as a program outside the sandbox and detached (setsid), so that it survives
when the supervisor and its process group are killed. Its standard input is a pipe that the sandbox holds open: it
carries the sandbox's name and closes at the end.
"""

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

TIMEOUT_S = 10.0  # the kernel needs milliseconds to end the processes; the next emulation tries again


def main(path_prefixes: list[str]) -> None:
    """Remove the control groups at `path_prefixes` plus the sandbox's name when no process is in them."""
    name = sys.stdin.read()  # returns when the sandbox has ended
    give_up = time.monotonic() + TIMEOUT_S
    for group in [Path(prefix + name) for prefix in path_prefixes if name]:
        while group.is_dir() and time.monotonic() < give_up:
            remove_unused(group)
            time.sleep(0.005)


def remove_unused(group: Path) -> None:
    """Remove a group and its subgroups that have no process."""
    lock = os.open(group.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # As in `cpu_groups`: the kernel may have given the inode to a new sandbox, whose group has no process yet.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in (*group.glob("*/"), group):
            with suppress(OSError):  # the kernel refuses to remove a group in use
                folder.rmdir()
    finally:
        os.close(lock)


if __name__ == "__main__":
    main(sys.argv[1:])
