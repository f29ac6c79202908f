"""A sandbox: what it shares and what is private, how it ends, and that nothing is left of it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import inside
from emulator.realtime.sandbox.cpu_groups import GROUP_PREFIX, CpuGroups

TREE = Path(__file__).parents[4]
RUN = "import sys; from emulator.realtime.sandbox import run_inside; sys.exit(run_inside(sys.argv[1:]))"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="private namespaces need root: run the tests as root")


@contextmanager
def supervised(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor of `command`; its end, should the test fail, ends the sandbox too."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *command],
        cwd=TREE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def outcome(*command: str) -> tuple[int, str, str]:
    with supervised(*command) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def below(pid: int, names: Iterable[str] = ()) -> list[psutil.Process]:
    """All descendants, once programs of all these names are among them."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        found = psutil.Process(pid).children(recursive=True)
        with suppress(psutil.NoSuchProcess):
            if found and not Counter(names) - Counter(each.name() for each in found):
                return found
        time.sleep(0.001)
    raise TimeoutError(f"no {names} below {pid}")


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running()]


@pytest.mark.parametrize("code", [0, 3, 4, 5])
def test_exit_code_and_streams_are_the_commands(code: int) -> None:
    assert outcome("sh", "-c", f"echo out; echo err >&2; exit {code}") == (code, "out\n", "err\n")


def test_command_ended_by_a_signal_is_told_as_shells_do() -> None:
    assert outcome("sh", "-c", "kill -KILL $$")[0] == 128 + signal.SIGKILL


def test_network_processes_and_temporary_files_are_its_own() -> None:
    code, out, err = outcome(
        "sh", "-c", "ip -o link | cut -d' ' -f2; ping -qc1 127.0.0.1 >&2; echo $TMPDIR; ls $TMPDIR; touch $TMPDIR/mine"
    )
    assert (code, out) == (0, "lo:\n/dev/shm\n"), err
    assert not Path("/dev/shm/mine").exists()


def test_inside_is_true_inside_only() -> None:
    ask = "from emulator.realtime.sandbox import inside; print(inside())"
    assert outcome(sys.executable, "-c", ask)[1] == "True\n"
    assert not inside()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signal_to_the_supervisor_ends_all(number: signal.Signals, code: int) -> None:
    with supervised("sh", "-c", "trap '' INT TERM; setsid sleep 1000 & sleep 1000") as process:
        descendants = below(process.pid, ["sleep", "sleep"])
        process.send_signal(number)
        assert process.wait(10) == code
    if number == signal.SIGKILL:  # a supervisor that could still act says when all is over
        psutil.wait_procs(descendants, timeout=5)
    assert not alive(descendants)


def test_command_killed_takes_its_orphans_along() -> None:
    with supervised("sh", "-c", "setsid sleep 1000 & sleep 1000") as process:
        descendants = below(process.pid, ["sleep", "sleep", "sh"])
        next(each for each in descendants if each.name() == "sh").kill()
        assert process.wait(10) == 128 + signal.SIGKILL
    assert not alive(descendants)


def test_orphans_do_not_stay_as_zombies() -> None:
    script = "for i in 1 2 3 4 5; do (setsid sleep 0.05 &) ; done; sleep 0.5; ps -eo stat= | grep -c Z"
    assert outcome("sh", "-c", script)[1] == "0\n"


def test_supervisor_killed_before_the_sandbox_is_ready_leaves_nothing() -> None:
    with supervised("sleep", "1000") as process:
        descendants = below(process.pid)
        process.kill()
        psutil.wait_procs(descendants, timeout=5)
    assert not alive(descendants)


LIMITED = """
import os
from emulator.realtime.sandbox.cpu_groups import CpuGroups
print(CpuGroups().limit("ue1", 0.5, os.getpid()).folder, flush=True)
os.execvp("sleep", ["sleep", "1000"])
"""


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_control_groups_of_a_killed_sandbox_do_not_stay(
    number: signal.Signals, kill: Callable[[int, signal.Signals], None]
) -> None:
    try:
        CpuGroups()
    except MissingDependency as error:
        pytest.skip(str(error))
    with supervised(sys.executable, "-c", LIMITED) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        assert folder.parent.name.startswith(GROUP_PREFIX)
        kill(process.pid, number)
        process.wait(10)
        give_up = time.monotonic() + 5 * (number == signal.SIGKILL)  # else all is over with the supervisor
        while folder.parent.exists() and time.monotonic() < give_up:
            time.sleep(0.01)
    assert not folder.parent.exists()
