"""`airsplit emulate` when killed, twice at once, at a terminal, and with a missing requirement."""

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

from benchmarks.realtime.kills import KILLS, KillResult, kill_emulation
from emulator.core.errors import MissingDependency
from emulator.core.randomness import generator
from emulator.realtime.sandbox.cpu_groups import CpuGroups
from tests.commands import COMMAND, ROOT
from tests.emulator.realtime.sandbox.test_terminal import SHELL, at_terminal
from tests.test_airsplit_emulate_run import OFFERED, emulated, emulates, failed_checks, write

AT_MOST_S = 10.0  # after its network is up an emulation of a minute is killed
START_S = 240.0  # where what is compiled must be, on a busy machine


def limits() -> list[dict[str, Any]]:
    """Return a host with a share of the processors, if the machine has control groups."""
    try:
        CpuGroups()
    except MissingDependency:
        return []
    return [{"nodes": "edge1", "cpu": 0.5}]


@emulates
@pytest.mark.timeout(600)
def test_ctrl_c_at_the_prompt_interrupts_the_running_command_and_not_the_network(tmp_path: Path) -> None:
    command = [
        "-m",
        "airsplit",
        "emulate",
        str(write(tmp_path)),
        "--cli",
        "--out",
        str(tmp_path / "runs"),
        "--no-figures",
    ]
    run = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    with at_terminal(SHELL, run, *command) as (terminal, _):
        terminal.await_text("mininet> ", START_S)
        terminal.type("ue1 ping -i 0.2 edge1\n")
        terminal.await_text("time=")
        terminal.interrupt("mininet> ")
        terminal.type("gnb ping -c 2 edge1\n")
        terminal.await_text("2 received")
        terminal.await_text("mininet> ")
        terminal.type("exit\n")
        terminal.await_text("code 0", START_S)


@emulates
@pytest.mark.timeout(600)
def test_emulations_killed_at_random_times_leave_nothing(tmp_path: Path) -> None:
    scenario = write(tmp_path, duration_s=60.0, hosts=limits())
    after_s = generator(4, "test", "kills").uniform(0, AT_MOST_S, len(KILLS))

    def kill(row: int) -> KillResult:
        folder = tmp_path / str(row)
        command = [str(scenario), "--policy", "fixed", "--out", str(folder / "runs")]
        return kill_emulation(KILLS[row], command, folder, after_s[row])

    with ThreadPoolExecutor(len(KILLS)) as at_once:
        ends = list(at_once.map(kill, range(len(KILLS))))
    for expected, end in zip(KILLS, ends, strict=True):
        assert (expected, end.code, end.left) == (expected, expected.code, ())
        assert end.before.interfaces == {"ue1-eth0", "gnb-eth0", "gnb-eth1", "edge1-eth0"}
        assert len(end.before.networks) == 4  # three hosts and the sandbox
    assert len(set.union(*(set(end.before.networks) for end in ends))) == 4 * len(KILLS)


@emulates
@pytest.mark.timeout(600)
def test_two_emulations_of_one_scenario_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    def emulate(name: str) -> tuple[int, Path, dict[str, Any]]:
        (tmp_path / name).mkdir()
        return emulated(tmp_path / name, "--policy", "fixed", hosts=limits())

    with ThreadPoolExecutor(2) as at_once:
        for code, run, manifest in at_once.map(emulate, ("a", "b")):
            assert (code, failed_checks(manifest)) == (0, set())
            tasks = pd.read_parquet(run / "tasks.parquet")
            real = tasks[tasks["policy"] == "fixed@emulated"]
            assert list(real["task"]) == list(range(OFFERED))
            assert (real["outcome"] != "failed").all()
            checked = {check["name"]: check["value"] for check in manifest["checks"]}
            assert checked["packets unlike the simulation's"] == 0  # packets of the other emulation would differ


# ---------------------------------------------------------------- missing requirements

# Another user who may read all files: this process lacks root, but not the Python interpreter.
OTHER_USER = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


def modules_of(package: str) -> str:
    """Return the real path of a package's folder; empty if the package is not installed."""
    found = find_spec(package)
    return os.path.realpath(((found and found.submodule_search_locations) or [""])[0])


def without(folder: str) -> tuple[str, ...]:
    """Return a prefix that runs a command with an empty folder in the place of `folder`."""
    return ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that every user can read and write, unlike `tmp_path`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@emulates
@pytest.mark.parametrize(
    ("wrapper", "said"),
    [
        (OTHER_USER, "root: emulation in real time needs it (this is user id 65534): run as root (sudo)"),
        (without(modules_of("mininet")), "Mininet: emulation in real time needs it (No module named"),
        (without("/dev/net"), "/dev/net/tun: emulation in real time needs it (No such file or directory): modprobe"),
    ],
    ids=["root", "Mininet", "tun"],
)
def test_missing_requirement_gives_one_line_and_no_folder(
    open_folder: Path, wrapper: tuple[str, ...], said: str
) -> None:
    command = [*wrapper, *COMMAND, "emulate", str(write(open_folder)), "--out", str(open_folder / "runs")]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(open_folder)}  # the other user cannot write beside the source
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert done.stderr.startswith(said)
    assert not (open_folder / "runs").exists()


@emulates
def test_doctor_finds_what_an_emulation_needs_and_says_what_is_missing() -> None:
    def seen(*wrapper: str) -> list[bool]:
        done = subprocess.run(
            [*wrapper, *COMMAND, "doctor", "--json"], capture_output=True, text=True, check=True, cwd=ROOT
        )
        found = {each["name"]: each["found"] for each in json.loads(done.stdout)}
        return [found[name] for name in ("root", "Mininet", "/dev/net/tun")]

    assert seen() == [True, True, True]
    assert seen(*without("/dev/net")) == [True, True, False]
