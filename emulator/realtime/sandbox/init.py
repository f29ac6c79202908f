"""The first process of a private world: readies it, starts the command in it, and ends it.

Run by `emulator.realtime.sandbox` as a program, with the interpreter's own modules alone. Whatever ends this process
ends the world: the kernel kills all others in it.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

KILLED = 137  # 128 + SIGKILL, as shells say it


def ready(memory: str) -> None:
    """Bring the loopback interface up, and mount memory of the world's own at `memory`, for temporary files and shared
    arrays: nobody has to remove them, they end with the world."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "airsplit", memory], check=True)


def end_with(lifeline: int) -> None:
    """End the world when nobody holds the other end of the pipe `lifeline` any more."""
    os.read(lifeline, 1)
    os._exit(KILLED)


def main(lifeline: int, name: int, memory: str, mark: str, command: list[str]) -> int:
    """Tell the pipe `name` the world's name, the inode of its network namespace, and hold it open. Run `command`,
    whose environment has its process namespace as `mark` and its temporary files in `memory`, and be parent to its
    orphans.

    Returns the command's exit code, 128 + N if signal N ended it.
    """
    os.set_inheritable(lifeline, False)
    os.set_inheritable(name, False)
    threading.Thread(target=end_with, args=(lifeline,), daemon=True).start()
    os.write(name, str(Path("/proc/self/ns/net").stat().st_ino).encode())
    ready(memory)
    environment = {**os.environ, "TMPDIR": memory, mark: str(Path("/proc/self/ns/pid").readlink())}
    # This process keeps the supervisor's blocked signals; the command starts with none blocked.
    copy = os.posix_spawnp(command[0], command, environment, setsigmask=[])
    while True:
        ended, status = os.wait()
        if ended == copy:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
