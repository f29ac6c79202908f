"""A sandbox for an emulation: network, process and mount namespaces that end with it.

The user's command only supervises and re-executes itself inside the sandbox. Nothing is therefore cleaned up by name,
two emulations with equal names run side by side, and whichever process is killed, and however, the kernel ends the
rest.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from emulator.realtime.sandbox.cpu_groups import CGROUP_ROOT, GROUP_PREFIX, VERSION_1
from emulator.realtime.sandbox.requirements import NAMESPACES, SHARED_MEMORY, require
from emulator.realtime.sandbox.terminal import terminal_returned

__all__ = ["inside", "outer_network", "require", "run_inside"]

INSIDE_VARIABLE = "AIRSPLIT_SANDBOX"  # in the environment of all processes inside: the sandbox's process namespace
OUTER_NETWORK_VARIABLE = "AIRSPLIT_OUTER_NETWORK"  # the command's descriptor of the network namespace outside
KILLED_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
PLAIN_PYTHON = (sys.executable, "-I", "-S")  # without packages: starts fast and needs little memory
INIT = str(Path(__file__).with_name("init.py"))
REAPER = str(Path(__file__).with_name("reaper.py"))
END_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def inside() -> bool:
    """Whether this process runs in a sandbox."""
    return os.environ.get(INSIDE_VARIABLE) == str(Path("/proc/self/ns/pid").readlink())


def outer_network() -> int:
    """Return a descriptor of the network namespace that the sandbox was made from, which has the machine's interfaces.
    For the sandbox's command, not for programs that it starts. Raises RuntimeError outside a sandbox."""
    if not inside():
        raise RuntimeError("outer_network() called outside a sandbox")
    descriptor = int(os.environ[OUTER_NETWORK_VARIABLE])
    os.set_inheritable(descriptor, False)
    return descriptor


def run_inside(command: Sequence[str]) -> int:
    """Run `command`, a program and its arguments, in a sandbox. Return its exit code when nothing of the sandbox is
    left: 128 + N if signal N ended the command; 130 or 143 if SIGINT or SIGTERM reached this process, which ends
    everything at once. Standard streams and the working directory are the caller's, `TMPDIR` is private and in memory,
    and the loopback interface is up.

    To be called by the main thread: the kernel ends the sandbox with the thread that made it.
    """
    handled = {number for number in END_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*handled, signal.SIGCHLD})
    try:
        return _run(command, handled)
    finally:
        while signal.sigtimedwait(handled, 0):  # discards repeated signals
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(command: Sequence[str], handled: set[signal.Signals]) -> int:
    """Run the command with its init process and the reaper. The sandbox ends when the write end of the lifeline pipe
    is closed, at the latest with this process; the reaper then removes what the kernel keeps."""
    lifeline, lifeline_end = os.pipe()
    reaper_input, name = os.pipe()
    network = os.open("/proc/self/ns/net", os.O_RDONLY)
    environment = {**os.environ, OUTER_NETWORK_VARIABLE: str(network)}
    init = [*PLAIN_PYTHON, INIT, str(lifeline), str(name), SHARED_MEMORY, INSIDE_VARIABLE, *command]
    reaper = [*PLAIN_PYTHON, REAPER, *(f"{root}/{GROUP_PREFIX}" for root in (CGROUP_ROOT, CGROUP_ROOT / VERSION_1))]
    with (
        terminal_returned(),
        subprocess.Popen(reaper, stdin=reaper_input, stdout=subprocess.DEVNULL, start_new_session=True),
        subprocess.Popen(
            [*KILLED_WITH_PARENT, *NAMESPACES, *init], pass_fds=[lifeline, name, network], env=environment
        ) as process,
    ):
        for passed_on in (lifeline, reaper_input, name, network):
            os.close(passed_on)
        try:
            return _await_end(process, handled)
        finally:
            os.close(lifeline_end)


def _await_end(process: subprocess.Popen[bytes], handled: set[signal.Signals]) -> int:
    while (code := process.poll()) is None:
        number = signal.sigwait({*handled, signal.SIGCHLD})
        if number in handled:
            return 128 + number
    return code if code >= 0 else 128 - code
