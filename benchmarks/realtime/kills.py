"""An emulation that is killed, and what is left of it: processes, namespaces, interfaces, control groups, files."""

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

from emulator.realtime.sandbox.cpu_groups import PREFIX, ROOT, VERSION_1

COMMAND = (sys.executable, "-m", "airsplit", "emulate", "--quiet")
UP_S = 300.0  # until the network is up; the first time what is compiled must be
KINDS = ("net", "pid")  # of namespaces
GONE_S = 5.0  # a killed supervisor cannot wait until all is over


class Kill(NamedTuple):
    """Who of an emulation is sent which signal, and how the emulation ends, as `subprocess` tells it."""

    who: Literal["supervisor", "copy"]
    number: signal.Signals
    code: int


KILLS = (
    Kill("supervisor", signal.SIGINT, 130),
    Kill("supervisor", signal.SIGTERM, 143),
    Kill("supervisor", signal.SIGKILL, -signal.SIGKILL),
    Kill("copy", signal.SIGKILL, 128 + signal.SIGKILL),
)


class Footprint(NamedTuple):
    """What an emulation has of the machine while it lives."""

    processes: frozenset[psutil.Process]
    namespaces: frozenset[str]
    """As `net:[4026531840]`; network and processes' namespaces that are not this process's."""
    interfaces: frozenset[str]
    routed: int
    """Network namespaces with routes: a host that is up has some."""

    @property
    def networks(self) -> set[str]:
        """The inodes of its network namespaces."""
        return {each.removeprefix("net:[").removesuffix("]") for each in self.namespaces if each.startswith("net")}


class Killed(NamedTuple):
    """How an emulation was before, and what was left of it in the end: nothing, if all is well."""

    before: Footprint
    code: int
    left: tuple[str, ...]


def killed(kill: Kill, command: Sequence[str], folder: Path, after_s: float) -> Killed:
    """Start an emulation, `command` being what follows `airsplit emulate`, and kill it `after_s` seconds after its
    network was first seen up. Its temporary files and its output go to `folder`.

    Raises RuntimeError if it ended by itself or its network did not come up: then nothing was tested.
    """
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    with (
        ExitStack() as numbered,
        (folder / "output").open("w") as output,
        subprocess.Popen(
            [*COMMAND, *command],
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
                raise RuntimeError(f"no emulation is left to be killed after {after_s:g} s: {folder / 'output'}")
            numbered.enter_context(_reserved(before))
            (supervisor if kill.who == "supervisor" else _copy(supervisor.pid)).send_signal(kill.number)
            code = supervisor.wait(30)
        finally:
            supervisor.kill()
        give_up = time.monotonic() + GONE_S
        while (left := left_of(before, temporary)) and time.monotonic() < give_up:
            time.sleep(0.05)
        return Killed(before, code, tuple(left))


def footprint(supervisor: int) -> Footprint:
    """What the processes below this one have now."""
    processes = psutil.Process(supervisor).children(recursive=True)
    own = _namespaces(os.getpid())
    namespaces, interfaces, routed = set(), set(), set()
    for process in processes:
        namespaces |= (others := _namespaces(process.pid) - own)
        with suppress(OSError):  # it has ended meanwhile
            for network in (each for each in others if each.startswith("net")):
                interfaces |= {line.split(":")[0].strip() for line in _lines(f"/proc/{process.pid}/net/dev")[2:]}
                routed |= {network} if len(_lines(f"/proc/{process.pid}/net/route")) > 1 else set()
    return Footprint(frozenset(processes), frozenset(namespaces), frozenset(interfaces - {"lo"}), len(routed))


def left_of(before: Footprint, temporary: Path) -> list[str]:
    """What is still there of an emulation that has ended, a few words each."""
    left = [f"process {each.pid}" for each in before.processes if each.is_running()]
    left += [f"process {pid} in {space}" for pid in psutil.pids() for space in _namespaces(pid) & before.namespaces]
    for line in _said("lsns", "--type", "net", "--noheadings", "--output", "NS,NPROCS").splitlines():
        number, processes = line.split()
        left += [f"network namespace {number}"] if number in before.networks and int(processes) else []
    links = {line.split(":")[1].strip().split("@")[0] for line in _said("ip", "-oneline", "link").splitlines()}
    left += [f"interface {each}" for each in sorted(before.interfaces & links)]
    for group in (each for root in (ROOT, ROOT / VERSION_1) for each in root.glob(f"{PREFIX}*")):
        left += [f"control group {group}"] if group.name.removeprefix(PREFIX) in before.networks else []
    left += [f"temporary file {each}" for each in temporary.iterdir()]
    left += [f"mount {line}" for line in _lines("/proc/self/mounts") if line.startswith("airsplit")]
    return left


@contextmanager
def _reserved(before: Footprint) -> Iterator[None]:
    """Within it, the kernel gives the numbers of an emulation's namespaces to no others, which could be another's."""
    with ExitStack() as held:
        for process in before.processes:
            with suppress(OSError):  # it has ended; its namespaces are those of others, too
                for kind in KINDS:
                    held.callback(os.close, os.open(f"/proc/{process.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
        yield


def _await_network(supervisor: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + UP_S
    while footprint(supervisor.pid).routed < 2:
        if supervisor.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError("the emulation's network must come up; its output says why it did not")
        time.sleep(0.05)


def _copy(supervisor: int) -> psutil.Process:
    """The command that runs inside: the one whose parent is the world's first process."""
    below = psutil.Process(supervisor).children(recursive=True)
    (first,) = (each for each in below if _number_inside(each.pid) == 1)
    return next(each for each in below if each.ppid() == first.pid and each.cmdline()[: len(COMMAND)] == [*COMMAND])


def _number_inside(pid: int) -> int:
    """A process's number in its own namespace of them; 0 if it has none of its own."""
    (numbers,) = (line.split()[1:] for line in _lines(f"/proc/{pid}/status") if line.startswith("NSpid"))
    return int(numbers[-1]) if len(numbers) > 1 else 0


def _namespaces(pid: int) -> set[str]:
    """Of a process, network and processes; none if it has ended."""
    with suppress(OSError):
        return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in KINDS}
    return set()


def _lines(file: str | Path) -> list[str]:
    return Path(file).read_text().splitlines()


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
