"""`airsplit train`: a training that is killed and resumed, and its progress."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import airsplit
from airsplit.cli import app, code_and_line
from results.progress import RunProgress

ROOT = Path(airsplit.__file__).parents[1]
CHANGES = (
    *("training.steps=60000", "training.traces=1", "training.duration_s=4", "duration_s=2", "hil=null"),
    "tasks[0].cuts=[13]",
)
SHORT = [part for change in CHANGES for part in ("--set", change)]


def command(agent: str, out: Path, *arguments: str) -> list[str]:
    scenario = ["topologies/quickstart.yaml", "--agent", agent, "--out", str(out), "--no-cache"]
    return [sys.executable, "-m", "airsplit", "train", *scenario, *SHORT, *arguments]


def call(agent: str, out: Path, *arguments: str, threads: int = 1) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    return subprocess.run(
        command(agent, out, *arguments), capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


@pytest.mark.timeout(900)  # three trainings, each in a new process
@pytest.mark.parametrize("changes", [(), ("training.environment=offload", "training.steps=20000")])
def test_a_killed_training_is_resumed_to_the_bit(tmp_path: Path, changes: tuple[str, ...]) -> None:
    """The whole training has two threads, the killed one has one."""
    whole, out = tmp_path / "whole.safetensors", tmp_path / "agent.safetensors"
    more = [part for change in changes for part in ("--set", change)]
    done = call("ppo", whole, "--json", *more, threads=2)
    assert done.returncode == 0, done.stderr
    state = Path(f"{out}.training")
    with subprocess.Popen(command("ppo", out, "--save-every", "0", "--quiet", *more), cwd=ROOT) as process:
        while not state.exists():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert not out.exists()
    resumed = call("ppo", out, "--resume", "--json", *more)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["sha256"] == json.loads(done.stdout)["sha256"]
    assert out.read_bytes() == whole.read_bytes()
    assert not state.exists()
    assert re.fullmatch(r"ppo: [\d.]+ s, (return -[\d.]+, )?[\d ]+ steps/s", resumed.stderr.splitlines()[-1])


def test_nothing_to_resume_is_said_in_one_line(tmp_path: Path) -> None:
    done = call("ppo", tmp_path / "agent.safetensors", "--resume", "--quiet")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "agent.safetensors.training: must be the state of a training that was interrupted: leave" in done.stderr


def test_details_of_a_step_are_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal: a line every ten seconds, and one at the end."""
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    progress = RunProgress(quiet=False)
    for now_s[0], done in ((0.0, 100), (3.0, 200), (12.0, 300), (13.0, 400)):
        progress("ppo", done, 400, f"return {done}")
    assert capsys.readouterr().err == "ppo: 300 of 400, return 300\nppo: 13.0 s, return 400\n"


def test_a_negative_seed_is_wrong_usage(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, command("ppo", tmp_path / "agent", "--seed", "-1")[3:])
    assert refused.exit_code == 2
    assert "--seed" in refused.output


@pytest.mark.parametrize(
    ("text", "reason"), [("Unable to allocate 8 TiB", "Unable to allocate 8 TiB"), ("", "none is left")]
)
def test_too_little_memory_is_one_line(text: str, reason: str) -> None:
    error = MemoryError(text) if text else MemoryError()
    assert code_and_line(error) == (4, f"memory: {reason}: choose smaller settings, or a machine with more")
