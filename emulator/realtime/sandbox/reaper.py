"""Removes what the kernel keeps of a private world when it has ended, however it ended: its empty control groups.

Run by `emulator.realtime.sandbox` as a program, outside the world and detached (setsid), so that what kills the
supervisor and its world spares it. Its standard input is a pipe that the world holds open: the world's name is told
through it, then it closes.
"""

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

GIVE_UP_S = 10.0  # the kernel needs milliseconds to end a world's processes; the next emulation tries again


def main(beginnings: list[str]) -> None:
    """Remove the groups whose paths are one of `beginnings` and the world's name, once no process is in them."""
    world = sys.stdin.read()  # all of it: until the world has ended
    give_up = time.monotonic() + GIVE_UP_S
    for group in [Path(beginning + world) for beginning in beginnings if world]:
        while group.is_dir() and time.monotonic() < give_up:
            remove_unused(group)
            time.sleep(0.005)


def remove_unused(group: Path) -> None:
    """Remove a group and those in it, as far as no process is in them."""
    lock = os.open(group.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # As in `cpu_groups`: the kernel may have given the number to a new world, whose group has no process yet.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for folder in (*group.glob("*/"), group):
            with suppress(OSError):  # the kernel removes none that is in use
                folder.rmdir()
    finally:
        os.close(lock)


if __name__ == "__main__":
    main(sys.argv[1:])
