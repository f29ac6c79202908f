"""`airsplit study`: the same digest from any number of processes and after SIGKILL, and what it says when it ends."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import airsplit
from tests.commands import call
from tests.study.small import write_study

ROOT = Path(airsplit.__file__).parents[1]
SLOW = """
import time
class Slow:
    def decide(self, observation):
        time.sleep(0.02)
        return observation.candidates[0]
"""


def command(file: Path, *arguments: str) -> list[str]:
    out = ["--out", str(file.parent / "studies"), "--no-figures"]
    return [sys.executable, "-m", "airsplit", "study", str(file), *out, *arguments]


def digest(file: Path, processes: int) -> str:
    done = call(*command(file, "--processes", str(processes), "--json", "--quiet")[3:])
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["failed"] == 0 and facts["cells"] == 16
    return str(facts["study_sha256"])


def ended(file: Path, number: int, is_time: Callable[[Path], bool]) -> subprocess.CompletedProcess[str]:
    """Run a study and send it a signal as soon as it is time, by what is in its folder."""
    folder = file.parent / "studies" / "small" / "cache"
    with subprocess.Popen(
        command(file, "--quiet"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not is_time(folder):
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(number)
        out, err = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, out, err)


@pytest.mark.timeout(900)
def test_killed_studies_go_on_to_the_digest_of_one_process(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    first = digest(write_study(whole), 1)
    file = write_study(killed)
    assert ended(file, signal.SIGKILL, lambda folder: any(folder.glob("agents/*.json"))).returncode == -signal.SIGKILL
    assert ended(file, signal.SIGKILL, lambda folder: len([*folder.glob("cells/*.json")]) > 4).returncode < 0
    kept = {path.name: path.stat().st_mtime_ns for path in killed.rglob("cells/*.json")}
    assert digest(file, 2) == first
    again = {path.name: path.stat().st_mtime_ns for path in killed.rglob("cells/*.json")}
    assert len(kept) >= 5 and kept.items() < again.items()  # nothing is run twice


def test_an_interrupted_study_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "slow_one.py").write_text(SLOW)
    file = write_study(tmp_path, policies=["random", {"type": "slow_one:Slow"}], grid={}, set={"duration_s": 20})
    done = ended(file, signal.SIGINT, lambda folder: any(folder.glob("cells/*.json")))
    assert (done.returncode, done.stdout) == (130, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path}/studies/small: interrupted; ") and " of 4 cells are kept; go on with: " in line
    words = line.rpartition(": ")[2].split()
    assert words[:3] == ["airsplit", "study", str(file)]
    assert not [*(tmp_path / "studies").rglob(".*.partial")]


def test_failed_cells_have_an_exit_code(tmp_path: Path) -> None:
    (tmp_path / "slow_two.py").write_text(SLOW.replace("return", "raise KeyError #"))
    file = write_study(tmp_path, policies=["random", {"type": "slow_two:Slow"}], grid={}, seeds={"channel": [3]})
    done = call(*command(file)[3:])
    assert done.returncode == 5
    assert done.stdout.splitlines()[0] == f"{tmp_path}/studies/small: 1 of 2 cells"
    assert done.stderr.splitlines()[-1] == (
        f"{tmp_path}/studies/small/failed.csv: 1 cells failed; the same command tries them again"
    )


def test_mistakes_are_said_before_anything_runs(tmp_path: Path) -> None:
    done = call(*command(write_study(tmp_path, grid={"links[1].loss": [0, 7]}))[3:])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "small.yaml: links[1].loss=7: good.yaml: links[1].loss=7: must be between 0 and 1\n"
    assert not (tmp_path / "studies").exists()
