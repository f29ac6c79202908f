"""The init process of a sandbox: prepares it, starts the command in it, and ends it.

`emulator.realtime.sandbox` runs this file as a program without any packages. If this process ends, for whatever
reason, the kernel kills all others in the sandbox.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

KILLED = 137  # 128 + SIGKILL, the exit code that a shell would give


def prepare(memory: str) -> None:
    """Bring the loopback interface up, and mount private memory at `memory` for temporary files and shared arrays,
    which the kernel frees with the sandbox."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "airsplit", memory], check=True)


def end_with(lifeline: int) -> None:
    """End the sandbox when the other end of the pipe `lifeline` is closed."""
    os.read(lifeline, 1)
    os._exit(KILLED)


def main(lifeline: int, name: int, memory: str, inside_variable: str, command: list[str]) -> int:
    """Write the sandbox's name, the inode of its network namespace, to the pipe `name` and keep the pipe open. Run
    `command` with the process namespace in the environment variable `inside_variable` and with temporary files in
    `memory`, and adopt orphaned processes.

    Return the command's exit code, 128 + N if signal N ended it.
    """
    os.set_inheritable(lifeline, False)
    os.set_inheritable(name, False)
    threading.Thread(target=end_with, args=(lifeline,), daemon=True).start()
    os.write(name, str(Path("/proc/self/ns/net").stat().st_ino).encode())
    prepare(memory)
    environment = {**os.environ, "TMPDIR": memory, inside_variable: str(Path("/proc/self/ns/pid").readlink())}
    # This process keeps the supervisor's blocked signals; the command starts with none blocked.
    child = os.posix_spawnp(command[0], command, environment, setsigmask=[])
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]))
