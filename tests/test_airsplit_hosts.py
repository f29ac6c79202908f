"""The command line with a broker and workers that run partitions, and with a worker lost during a run."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
import pytest

from agents.split_inference.checkpoint import Checkpoint
from hil.mqtt.broker import embedded
from hil.testbed.hosts import local_workers
from tests.commands import COMMAND, ROOT, call

SCENARIO = """
name: small
seed: 1
duration_s: 4
nodes:
  - {name: ue1, role: ue, device: phone}
  - {name: gnb, role: gnb}
  - {name: edge1, role: edge, device: server}
devices:
  phone: {compute_gflops: 5, memory_mb: 100, memory_gb_per_s: 4}
  server: {compute_gflops: 100, memory_mb: 1000, memory_gb_per_s: 30}
cells:
  gnb: {bandwidth_mhz: 20}
links:
  - between: [ue1, gnb]
    radio: {at_m: [40, 0]}
    downlink: {rate_mbps: 50}
  - {between: [gnb, edge1], rate_mbps: 1000, delay_ms: 1}
tasks:
  - {name: image, model: nin, sources: ue1, arrivals: {periodic: {interval_ms: 20}}, deadline_ms: 300, input_kb: 3}
control: {node: gnb}
cost: {failure_s: 1}
policies:
  - {type: random}
  - {type: fixed, splits: {image: {cut: 4, node: edge1}}}
hil:
  workers:
    phone: {nodes: ue1, time_scale: 4}
    edge1: {nodes: edge1}
  policies: [fixed]
  duration_s: 4
"""
OFFERED = 200


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    return path


def rows_of(folder: Path, label: str) -> pd.DataFrame:
    tasks = pd.read_parquet(folder / "tasks.parquet")
    return tasks[tasks["policy"] == label]


def stage_workers(folder: Path, label: str) -> set[tuple[str, str]]:
    """Each node with the workers that its partitions were measured on."""
    stages = pd.read_parquet(folder / "stages.parquet")
    chosen = stages[stages["policy"] == label]
    return set(zip(chosen["node"], chosen["worker"], strict=True))


def test_run_on_local_workers_is_measured_and_can_be_replayed(scenario: Path, tmp_path: Path) -> None:
    done = call("run", scenario, "--hil", "local", "--out", tmp_path / "runs", "--json", "--no-figures")
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["run"])
    measured, modelled = rows_of(folder, "fixed@hosts"), rows_of(folder, "fixed")
    assert len(measured) == len(modelled) == OFFERED
    assert set(measured["compute"]) == {"measured"}
    assert set(modelled["compute"]) == {"modelled"}
    assert stage_workers(folder, "fixed") == {("ue1", ""), ("edge1", "")}
    assert stage_workers(folder, "fixed@hosts") == {("ue1", "phone"), ("edge1", "edge1")}
    assert measured["service_ns"].nunique() > OFFERED / 2  # a clock was read, not a table
    assert modelled["service_ns"].nunique() == 1
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["broker"]["name"] == "amqtt"
    assert set(manifest["workers"]) == {"phone", "edge1"}
    again = call("rerun", folder)
    assert again.returncode == 0, again.stderr


COUPLED = (
    *("policies=[{type: ppo}]", "hil.policies=[ppo]", "hil.duration_s=1", "duration_s=1"),
    "training={environment: offload, steps: 512, traces: 1, duration_s: 1, validation_traces: 1}",
    *("control={node: gnb, observation_age_ms: 10}", "tasks[0].arrivals={poisson: {rate_per_s: 40}}"),
)


def test_an_agent_that_observes_queues_decides_for_hosts_and_again(scenario: Path, tmp_path: Path) -> None:
    """It is trained before the run; its queues in the run have the times that workers take."""
    changes = [part for change in COUPLED for part in ("--set", change)]
    done = call("run", scenario, "--hil", "local", "--out", tmp_path / "runs", "--json", "--no-figures", *changes)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout)["run"])
    assert Checkpoint.load(folder / "checkpoints" / "ppo.safetensors").layout.queues == ("@", "edge1")
    on_hosts = rows_of(folder, "ppo@hosts")
    assert len(on_hosts) == len(rows_of(folder, "ppo")) > 10
    assert (on_hosts["outcome"] == "done").any()
    curve = pd.read_csv(folder / "learning.csv")
    assert curve["validation_return"].notna().all()
    again = call("rerun", folder)
    assert again.returncode == 0, again.stderr


def test_hil_without_workers_in_the_scenario_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "nohil.yaml"
    path.write_text(SCENARIO.split("hil:", maxsplit=1)[0])
    done = call("run", path, "--hil", "local", "--out", tmp_path / "runs")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert not (tmp_path / "runs").exists()


def test_broker_command_prints_its_address_and_hosts_lists_workers() -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(
            subprocess.Popen([*COMMAND, "broker"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(broker.terminate)
        assert broker.stdout is not None
        address = broker.stdout.readline().strip()
        worker = stack.enter_context(
            subprocess.Popen([sys.executable, "-m", "hil.worker", "--broker", address, "--name", "w1"], cwd=ROOT)
        )
        stack.callback(worker.terminate)
        deadline = time.monotonic() + 60
        names: list[str] = []
        while names != ["w1"] and time.monotonic() < deadline:
            done = call("hosts", "--broker", address, "--json")
            names = [host["worker"] for host in json.loads(done.stdout)] if done.returncode == 0 else []
        assert names == ["w1"]


@contextmanager
def run_in_progress(scenario: Path, out: Path, address: str) -> Iterator[subprocess.Popen[str]]:
    """Start a run on the workers of a broker; yield it when it begins to use them."""
    command = [*COMMAND, "run", str(scenario), "--hil", address, "--out", str(out), "--json", "--no-figures"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("simulating policies"):  # the last phase before the hosts
                break
        yield process


def test_worker_killed_during_a_run_loses_and_repeats_no_task(scenario: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(embedded()).address
        workers = stack.enter_context(local_workers(address, ["phone", "edge1"]))
        with run_in_progress(scenario, tmp_path / "runs", str(address)) as process:
            time.sleep(0.5)
            workers["edge1"].kill()
            out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    folder = Path(json.loads(out)["run"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "edge1: phone instead of edge1 from task" in " ".join(manifest["facts"]["notes"])
    assert manifest["workers"]["edge1"]["state"] == "offline"
    rows = rows_of(folder, "fixed@hosts")
    assert sorted(rows["task"]) == list(range(OFFERED))
    lost = rows[rows["outcome"] == "failed"]
    assert set(lost["reason"]) <= {"worker lost"}
    assert (rows["attempts"] > 1).sum() + len(lost) >= 1  # the kill was felt
    assert ("edge1", "phone") in stage_workers(folder, "fixed@hosts")  # after the kill
