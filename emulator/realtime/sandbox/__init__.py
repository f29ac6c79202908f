"""A private world for an emulation: network, process and mount namespaces that die with it.

The command that a user starts is a supervisor; what it does is done by a copy of it inside. So nothing is ever
cleaned by name, two emulations with equal names run side by side, and whichever of the processes is killed, and
however, the kernel takes the rest down.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.realtime.sandbox.cpu_groups import PREFIX, ROOT, VERSION_1
from emulator.realtime.sandbox.requirements import NAMESPACES, SHARED_MEMORY, require
from emulator.realtime.sandbox.terminal import terminal_returned

__all__ = ["inside", "outside", "require", "run_inside"]

MARK = "AIRSPLIT_WORLD"  # names the process namespace of the world, in the environment of all inside
OUTSIDE = "AIRSPLIT_OUTSIDE"  # there too: the command's descriptor of the network namespace outside
TIED = ("setpriv", "--pdeathsig", "KILL")  # to this process: killed with it
PLAIN_PYTHON = (sys.executable, "-I", "-S")  # no packages: it starts at once and weighs little
FIRST_PROCESS = str(Path(__file__).with_name("init.py"))
LAST_PROCESS = str(Path(__file__).with_name("reaper.py"))
ENDINGS = (signal.SIGINT, signal.SIGTERM)


def inside() -> bool:
    """Whether this process runs in a private world."""
    return os.environ.get(MARK) == str(Path("/proc/self/ns/pid").readlink())


def outside() -> int:
    """A descriptor of the network namespace that the world was made from, where the machine's interfaces are: for the
    command of a world alone, not for programs that it starts. Raises RuntimeError elsewhere."""
    if not inside():
        raise RuntimeError("the network outside is known inside a private world only")
    descriptor = int(os.environ[OUTSIDE])
    os.set_inheritable(descriptor, False)
    return descriptor


def run_inside(command: Sequence[str]) -> int:
    """Run `command`, a program and its arguments, in a private world, and return its exit code when nothing of that
    world is left: 128 + N if signal N ended the command; 130 or 143 if SIGINT or SIGTERM reached this process, which
    ends everything at once. Standard streams and the working directory are the caller's, `TMPDIR` is the world's own
    and in memory, and the loopback interface is up.

    To be called by the main thread: the kernel ties the world's life to the thread that made it.
    """
    heeded = {number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*heeded, signal.SIGCHLD})
    try:
        return _run(command, heeded)
    finally:
        while signal.sigtimedwait(heeded, 0):  # the same wish to end, said twice
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(command: Sequence[str], heeded: set[signal.Signals]) -> int:
    """The world ends when nobody holds the lifeline's writing end any more: at the latest with this process. What
    the kernel keeps of it is removed by a process that ends after it."""
    lifeline, held = os.pipe()
    told, name = os.pipe()
    network = os.open("/proc/self/ns/net", os.O_RDONLY)
    environment = {**os.environ, OUTSIDE: str(network)}
    first = [*TIED, *NAMESPACES, *PLAIN_PYTHON, FIRST_PROCESS, str(lifeline), str(name), SHARED_MEMORY, MARK, *command]
    last = [*PLAIN_PYTHON, LAST_PROCESS, *(f"{root}/{PREFIX}" for root in (ROOT, ROOT / VERSION_1))]
    with (
        terminal_returned(),
        subprocess.Popen(last, stdin=told, stdout=subprocess.DEVNULL, start_new_session=True),
        subprocess.Popen(first, pass_fds=[lifeline, name, network], env=environment) as process,
    ):
        for passed_on in (lifeline, told, name, network):
            os.close(passed_on)
        try:
            return _await_end(process, heeded)
        finally:
            os.close(held)


def _await_end(process: subprocess.Popen[bytes], heeded: set[signal.Signals]) -> int:
    while (code := process.poll()) is None:
        number = signal.sigwait({*heeded, signal.SIGCHLD})
        if number in heeded:
            return 128 + number
    return code if code >= 0 else 128 - code
