"""Runs on machines as they are: full disks, other figure settings, interruptions, policies that raise."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airsplit
from agents.user_errors import in_one_line
from emulator.trace import constant
from tests.commands import ROOT, call
from tests.topologies.loading.bad_scenarios import GOOD

AIRSPLIT = [sys.executable, "-m", "airsplit"]
SMALL = GOOD.replace("{ring: {nearest_m: 120, farthest_m: 280}}", "{at_m: [40, 0]}").partition("hil:")[0]
CAN_MOUNT = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
ADRIFT = """
class Adrift:
    def decide(self, observation):
        return self.choose(observation.candidates)

    def choose(self, candidates):
        return {}[len(candidates)]
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "good.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def start(*words: str | Path, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(cwd)])
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run."""
    out = tmp_path_factory.mktemp("runs")
    done = call("run", scenario, "--out", out)
    assert done.returncode == 0, done.stderr
    (folder,) = (out / "good").iterdir()
    return folder


def digest(folder: Path) -> str:
    return airsplit.open_run(folder).manifest.records_sha256


@pytest.mark.skipif(not CAN_MOUNT, reason="needs root: mounts a small file system in a namespace of its own")
@pytest.mark.parametrize(("share", "code"), [("nothing", 4), ("some inputs", 4), ("all but the report", 6)])
def test_full_disk_names_its_path_and_loses_no_complete_run(
    share: str, code: int, scenario: Path, finished: Path, tmp_path: Path
) -> None:
    whole = sum(-(-path.stat().st_size // 4_096) * 4 for path in finished.rglob("*") if path.is_file())
    kilobytes = {"nothing": 4, "some inputs": whole // 8, "all but the report": whole - 100}[share]
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    command = ["airsplit", "run", str(scenario), "--out", str(disk)]
    program = f"""
        mount -t tmpfs -o size={kilobytes}k none {disk}
        {sys.executable} -m {" ".join(command)}
        code=$?
        cp -r {disk} {kept}
        exit $code"""
    done = start("unshare", "-m", "sh", "-c", program)
    last = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and str(disk) in last and "No space left on device" in last
    assert done.returncode == code, done.stderr
    if done.returncode == 6:
        (folder,) = (kept / "good").iterdir()
        assert digest(folder) == digest(finished)
        assert call("report", folder).returncode == 0
        assert {path.name for path in folder.rglob("*")} == {path.name for path in finished.rglob("*")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption_after_the_records_keeps_the_run(
    number: signal.Signals, scenario: Path, finished: Path, tmp_path: Path
) -> None:
    command = [*AIRSPLIT, "run", str(scenario), "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("simulating policies"):
                break
        running.send_signal(number)
        rest = running.stderr.read()
    (folder,) = (tmp_path / "good").iterdir()
    assert running.returncode == 6 and "interrupted" in rest and f"`airsplit report {folder}`" in rest
    assert digest(folder) == digest(finished)
    done = call("rerun", folder)
    assert done.returncode == 0, done.stderr
    assert airsplit.open_run(folder).summary.equals(airsplit.open_run(finished).summary)
    assert (folder / "report.html").is_file()


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "settings"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("lines", "suffix"),
    [
        ("text.usetex: True\n", ".pdf"),
        ("savefig.bbox: tight\nsavefig.dpi: 10\n", ".png"),
        ("backend: nonesuch\nnothing.known: 1\n", ".svg"),
        ("\xff", ".pdf"),
    ],
)
def test_figure_is_the_same_file_whatever_the_users_matplotlibrc(
    lines: str, suffix: str, settings: Path, tmp_path: Path
) -> None:
    constant(1e6).save(tmp_path / "t.parquet")
    (settings / "matplotlibrc").write_text(lines, encoding="latin-1")
    path = tmp_path / f"t{suffix}"
    draw = ("trace", "plot", tmp_path / "t.parquet", "--out", path)
    assert call(*draw).returncode == 0
    before = path.read_bytes()
    done = start(*AIRSPLIT, *draw, MPLCONFIGDIR=str(settings), MPLBACKEND="module://matplotlib_inline.backend_inline")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == before


def test_settings_that_matplotlib_cannot_read_are_said_before_the_work(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe")  # in the working directory, which comes first
    done = start(*AIRSPLIT, "run", scenario, "--out", tmp_path / "runs", cwd=tmp_path)
    assert done.returncode == 4 and "matplotlibrc" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("out", ["/proc/nope", "/proc", "/dev/null"])
def test_late_out_is_refused_before_the_work(out: str, scenario: Path) -> None:
    done = call("run", scenario, "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1) and done.stderr.startswith(out)


def test_missing_package_is_said_before_the_work(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "seaborn.py").write_text("raise ModuleNotFoundError('No module named seaborn', name='seaborn')\n")
    done = start(*AIRSPLIT, "run", scenario, "--out", tmp_path / "runs", cwd=tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1) and "pip install seaborn" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_run_without_figures_and_bound(scenario: Path, tmp_path: Path) -> None:
    done = call("run", scenario, "--out", tmp_path, "--no-figures", "--no-bound", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (tmp_path / "good").iterdir()
    assert not list((folder / "figures").iterdir()) and not (folder / "bound.parquet").exists()
    assert call("rerun", folder).returncode == 0
    assert call("figures", folder).returncode == 0
    assert (folder / "figures" / "delay-cdf.pdf").is_file()


def test_error_of_a_policy_has_file_and_line(scenario: Path, tmp_path: Path) -> None:
    (tmp_path / "adrift_policy.py").write_text(ADRIFT)
    policies = "policies=[{type: 'adrift_policy:Adrift'}]"
    words: list[str | Path] = [*AIRSPLIT, "run", scenario, "--out", tmp_path, "--set", policies]
    done = start(*words, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "decide raised KeyError: " in done.stderr
    assert done.stderr.endswith(f", raised at {tmp_path / 'adrift_policy.py'}:7\n")
    shown = start(*words, "--quiet", "--traceback", cwd=tmp_path).stderr
    assert "Traceback" in shown and "in choose" in shown and shown.splitlines()[-1] == done.stderr.strip()


def test_error_of_a_users_code_is_placed_in_the_users_file(tmp_path: Path) -> None:
    code = compile("import json\ndef f():\n    json.loads('{')\nf()\n", str(tmp_path / "own.py"), "exec")
    with pytest.raises(ValueError) as raised:
        exec(code, {})
    assert in_one_line(raised.value).endswith(f"raised at {tmp_path / 'own.py'}:3")
