"""Kill an emulation and look for leftovers: processes, namespaces, interfaces, control groups, files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from emulator.realtime.sandbox.cpu_groups import CGROUP_ROOT, GROUP_PREFIX, VERSION_1

COMMAND = (sys.executable, "-m", "airsplit", "emulate", "--quiet")
NETWORK_TIMEOUT_S = 300.0  # includes compilation at the first time
NAMESPACE_KINDS = ("net", "pid")
CLEANUP_TIMEOUT_S = 5.0  # a killed supervisor does not wait for the clean-up


class Kill(NamedTuple):
    """The process of an emulation that receives a signal, and the exit code as `subprocess` reports it."""

    process: Literal["supervisor", "copy"]
    number: signal.Signals
    code: int


KILLS = (
    Kill("supervisor", signal.SIGINT, 130),
    Kill("supervisor", signal.SIGTERM, 143),
    Kill("supervisor", signal.SIGKILL, -signal.SIGKILL),
    Kill("copy", signal.SIGKILL, 128 + signal.SIGKILL),
)


class Footprint(NamedTuple):
    """What an emulation occupies on the machine while it runs."""

    processes: frozenset[psutil.Process]
    namespaces: frozenset[str]
    """Network and process namespaces that are not this process's, such as `net:[4026531840]`."""
    interfaces: frozenset[str]
    routed: int
    """Number of network namespaces with routes, which a host has when it is up."""

    @property
    def networks(self) -> set[str]:
        """The inodes of its network namespaces."""
        return {each.removeprefix("net:[").removesuffix("]") for each in self.namespaces if each.startswith("net")}


class KillResult(NamedTuple):
    """The footprint before the kill, the exit code, and the leftovers: none if all is well."""

    before: Footprint
    code: int
    left: tuple[str, ...]


def kill_emulation(kill: Kill, arguments: Sequence[str], folder: Path, after_s: float) -> KillResult:
    """Start an emulation with arguments of `airsplit emulate`, and kill it `after_s` seconds after its network was
    first seen up. Its temporary files and its output go to `folder`.

    Raises RuntimeError if it ended by itself or its network did not come up: then nothing was tested.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    with (
        ExitStack() as namespaces,
        (folder / "output").open("w") as output,
        subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temporary)},
        ) as supervisor,
    ):
        try:
            _await_network(supervisor)
            time.sleep(after_s)
            before = footprint(supervisor.pid)
            if supervisor.poll() is not None or before.routed < 2:
                raise RuntimeError(
                    f"the emulation ended before it was killed, within {after_s:g} s: {folder / 'output'}"
                )
            namespaces.enter_context(_reserved(before))
            (supervisor if kill.process == "supervisor" else _command_inside(supervisor.pid)).send_signal(kill.number)
            code = supervisor.wait(30)
        finally:
            supervisor.kill()
        give_up = time.monotonic() + CLEANUP_TIMEOUT_S
        while (left := leftovers(before, temporary)) and time.monotonic() < give_up:
            time.sleep(0.05)
        return KillResult(before, code, tuple(left))


def footprint(supervisor: int) -> Footprint:
    """Return what the descendants of a supervisor occupy now."""
    processes = psutil.Process(supervisor).children(recursive=True)
    own = _namespaces(os.getpid())
    namespaces, interfaces, routed = set(), set(), set()
    for process in processes:
        namespaces |= (others := _namespaces(process.pid) - own)
        with suppress(OSError):  # the process has ended
            for network in (each for each in others if each.startswith("net")):
                interfaces |= {line.split(":")[0].strip() for line in _lines(f"/proc/{process.pid}/net/dev")[2:]}
                routed |= {network} if len(_lines(f"/proc/{process.pid}/net/route")) > 1 else set()
    return Footprint(frozenset(processes), frozenset(namespaces), frozenset(interfaces - {"lo"}), len(routed))


def leftovers(before: Footprint, temporary: Path) -> list[str]:
    """Describe what is left of an emulation that has ended."""
    left = [f"process {each.pid}" for each in before.processes if each.is_running()]
    left += [f"process {pid} in {space}" for pid in psutil.pids() for space in _namespaces(pid) & before.namespaces]
    links = {line.split(":")[1].strip().split("@")[0] for line in _output_of("ip", "-oneline", "link").splitlines()}
    left += [f"interface {each}" for each in sorted(before.interfaces & links)]
    for group in (each for root in (CGROUP_ROOT, CGROUP_ROOT / VERSION_1) for each in root.glob(f"{GROUP_PREFIX}*")):
        left += [f"control group {group}"] if group.name.removeprefix(GROUP_PREFIX) in before.networks else []
    left += [f"temporary file {each}" for each in temporary.iterdir()]
    left += [f"mount {line}" for line in _lines("/proc/self/mounts") if line.startswith("airsplit")]
    return left


@contextmanager
def _reserved(before: Footprint) -> Iterator[None]:
    """Keep the namespaces of an emulation open, so that the kernel gives their inodes to no other emulation."""
    with ExitStack() as held:
        for process in before.processes:
            with suppress(OSError):  # the process has ended; others share its namespaces
                for kind in NAMESPACE_KINDS:
                    held.callback(os.close, os.open(f"/proc/{process.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
        yield


def _await_network(supervisor: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + NETWORK_TIMEOUT_S
    while footprint(supervisor.pid).routed < 2:
        if supervisor.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError("the emulation's network did not come up; see its output")
        time.sleep(0.05)


def _command_inside(supervisor: int) -> psutil.Process:
    """Return the command inside the sandbox: a child of the init process."""
    below = psutil.Process(supervisor).children(recursive=True)
    (init,) = (each for each in below if _pid_inside(each.pid) == 1)
    return next(each for each in below if each.ppid() == init.pid and each.cmdline()[: len(COMMAND)] == [*COMMAND])


def _pid_inside(pid: int) -> int:
    """Return the process id in the innermost namespace; 0 outside a sandbox."""
    (ids,) = (line.split()[1:] for line in _lines(f"/proc/{pid}/status") if line.startswith("NSpid"))
    return int(ids[-1]) if len(ids) > 1 else 0


def _namespaces(pid: int) -> set[str]:
    """Return the network and process namespaces of a process; none if it has ended."""
    with suppress(OSError):
        return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in NAMESPACE_KINDS}
    return set()


def _lines(file: str | Path) -> list[str]:
    return Path(file).read_text().splitlines()


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
