"""`airsplit emulate` from a scenario to a report, and each of its failures."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml

from airsplit.cli import main
from emulator.core.errors import MissingDependency
from emulator.core.units import NS_PER_MS
from emulator.realtime.sandbox.requirements import require
from tests.commands import COMMAND, ROOT, call, call_anew

SCENARIO: dict[str, Any] = yaml.safe_load("""
name: small
seed: 1
duration_s: 60
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
  - {name: image, model: nin, sources: ue1, arrivals: {periodic: {interval_ms: 150}}, deadline_ms: 300, input_kb: 3}
broker: gnb
control: {node: gnb}
cost: {failure_s: 1}
policies:
  - {type: random}
  - {type: fixed, splits: {image: {cut: 4, node: edge1}}}
""")
DURATION_S = 3.0
OFFERED = 20
LOOSE_MS = 200.0  # this may be a busy machine
DATAGRAMS = ("--set", "links[1].bearer=um", "--set", "tasks[0].transport=udp", "--set", "cost.erasure_s=1")

# A program that kills a station. In the sandbox of the emulation it finds no processes but those of the emulation.
KILLER = """
import psutil
for process in psutil.process_iter():
    if "hil.station" in " ".join(process.cmdline()) and "edge1" in process.cmdline():
        process.kill()
"""


def lacking() -> str:
    try:
        require()
    except MissingDependency as error:
        return str(error)
    return ""


emulates = pytest.mark.skipif(bool(lacking()), reason=lacking())


def write(folder: Path, **realtime: object) -> Path:
    path = folder / "small.yaml"
    section = {"duration_s": DURATION_S, "lateness_ms": LOOSE_MS, **realtime}
    path.write_text(yaml.safe_dump({**SCENARIO, "realtime": section}))
    return path


class Emulated(NamedTuple):
    """An emulation by the command: exit code, the run's folder, its manifest, and what was said on standard error."""

    code: int
    run: Path
    manifest: dict[str, Any]
    said: str


def run_emulated(folder: Path, *arguments: str, figures: bool = False, **realtime: object) -> Emulated:
    arguments = arguments if figures else (*arguments, "--no-figures")
    done = call_anew("emulate", write(folder, **realtime), "--out", folder / "runs", "--json", *arguments)
    assert done.returncode in (0, 5), done.stderr
    run = Path(json.loads(done.stdout)["run"])
    return Emulated(done.returncode, run, json.loads((run / "manifest.json").read_text()), done.stderr)


def emulated(
    folder: Path, *arguments: str, figures: bool = False, **realtime: object
) -> tuple[int, Path, dict[str, Any]]:
    """Emulate; return the exit code, the run's folder and its manifest."""
    return run_emulated(folder, *arguments, figures=figures, **realtime)[:3]


def failed_checks(manifest: dict[str, Any]) -> set[str]:
    return {check["name"] for check in manifest["checks"] if abs(check["value"]) > check["limit"]}


@emulates
def test_an_agent_that_observes_queues_decides_for_real_packets(tmp_path: Path) -> None:
    trained = "training={environment: offload, steps: 512, traces: 1, duration_s: 1}"
    code, run, manifest = emulated(tmp_path, "--set", "policies=[{type: ppo}]", "--set", trained, policy="ppo")
    assert (code, manifest["valid"]) == (0, True), failed_checks(manifest)
    tasks = pd.read_parquet(run / "tasks.parquet").set_index(["policy", "task"]).sort_index()  # rows are by their ends
    simulated, real = tasks.loc["ppo"], tasks.loc["ppo@emulated"]
    assert len(real) == OFFERED
    assert list(real["placement"]) == list(simulated["placement"])
    assert (real["waiting_ns"] >= NS_PER_MS // 10).all()  # what the agent takes to decide


@emulates
def test_every_task_is_completed_with_real_packets_and_the_run_can_be_repeated(tmp_path: Path) -> None:
    code, run, manifest = emulated(tmp_path, "--policy", "fixed", figures=True)
    assert (code, manifest["valid"], manifest["facts"]["rung"]) == (0, True, "emu"), failed_checks(manifest)
    assert manifest["facts"]["duration_s"] == DURATION_S
    emulation = manifest["facts"]["emulation"]
    assert emulation["tcp_congestion_control"].keys() == {"ue1", "gnb", "edge1"}
    own = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    assert set(emulation["tcp_congestion_control"].values()) == {own}  # hosts start with the machine's
    assert (emulation["tasks"], emulation["unanswered"]) == (OFFERED, {})
    assert (emulation["simulated"], emulation["emulated"]) == ("fixed", "fixed@emulated")
    tasks = pd.read_parquet(run / "tasks.parquet").set_index(["policy", "task"])
    simulated, real = tasks.loc["fixed"], tasks.loc["fixed@emulated"]
    assert list(simulated.index) == list(real.index) == list(range(OFFERED))
    assert (real["outcome"] != "failed").all()
    assert list(real["placement"]) == list(simulated["placement"])
    assert list(real["arrival_ns"]) == list(simulated["arrival_ns"])
    parts_ns = real["waiting_ns"] + real["load_ns"] + real["service_ns"] + real["transfer_ns"]
    assert (parts_ns == real["sojourn_ns"]).all()
    assert (real["service_ns"] >= simulated["service_ns"]).all()  # held to the modelled time at least
    assert 0.8 < real["sojourn_ns"].median() / simulated["sojourn_ns"].median() < 3
    packets = pd.read_parquet(run / "packets.parquet")
    assert len(packets) == emulation["packets"] > 10 * OFFERED
    assert (run / "report.html").is_file() and (run / "events.parquet").is_file()
    assert {"agreement.pdf", "lateness.pdf", "probes.pdf"} <= {path.name for path in (run / "figures").iterdir()}
    assert len(pd.read_csv(run / "probes.csv")) == len(emulation["links"]) == 4
    assert manifest["broker"]["name"] in ("mosquitto", "amqtt")
    again = call("rerun", run)
    assert again.returncode == 0, again.stderr
    (run / "hosts" / "ue1.station").write_bytes(b"")
    assert call("rerun", run).returncode == 5  # the tasks have no events


@emulates
def test_run_of_commands_needs_no_tasks(tmp_path: Path) -> None:
    commands = [
        {"node": "edge1", "run": "iperf3 -s -1"},
        {"node": "ue1", "run": "iperf3 -c edge1 -t 1 -J", "at_s": 0.5},
        {"node": "ue1", "run": "ping -c 2 -i 0.2 edge1", "at_s": 2.0},
    ]
    code, run, manifest = emulated(tmp_path, tasks=False, commands=commands)
    assert (code, manifest["valid"]) == (0, True), manifest["facts"]["notes"]
    assert list(pd.read_csv(run / "programs.csv")["outcome"]) == ["done"] * 3
    assert "2 received" in (run / "hosts" / "02-ue1.txt").read_text()
    sent = json.loads((run / "hosts" / "01-ue1.txt").read_text())["end"]["sum_received"]
    assert 5e6 < sent["bits_per_second"] < 25e6  # the uplink of a cell of 20 MHz
    assert "No task was offered." in (run / "report.html").read_text()
    again = call("rerun", run)
    assert again.returncode == 0, again.stderr


@emulates
def test_late_packets_and_failed_commands_make_the_run_invalid(tmp_path: Path) -> None:
    commands = [
        {"node": "ue1", "run": "ping -c 3 -i 0.2 edge1"},
        {"node": "gnb", "run": "no-such-program"},
    ]
    code, run, manifest = emulated(tmp_path, tasks=False, duration_s=1.5, lateness_ms=1e-6, commands=commands)
    assert (code, manifest["valid"]) == (5, False)
    assert failed_checks(manifest) == {"lateness, p99 in ms", "commands that failed"}
    assert "realtime.commands[1] at gnb: failed: exit status 127" in manifest["facts"]["notes"]
    assert "no-such-program" in (run / "hosts" / "01-gnb.txt").read_text()
    assert "This run failed" in (run / "report.html").read_text()
    assert manifest["facts"]["left_out"] == ["figures"] and not list((run / "figures").iterdir())


@emulates
@pytest.mark.parametrize(("share", "code"), [(0.01, 5), (1.0, 0)])
def test_field_tasks_of_a_killed_station_are_said_and_mark_the_run(tmp_path: Path, share: float, code: int) -> None:
    """The run keeps all rows. It is valid only if the scenario allows for unanswered tasks."""
    (tmp_path / "killer.py").write_text(KILLER)
    commands = [{"node": "gnb", "run": f"{sys.executable} killer.py", "at_s": 1.0}]
    done = run_emulated(tmp_path, "--policy", "fixed", grace_s=1.0, unanswered_share=share, commands=commands)
    run, manifest = done.run, done.manifest
    assert done.code == code, failed_checks(manifest)
    assert failed_checks(manifest) == ({"tasks not answered beyond the simulation's, share"} if code else set())
    lost = manifest["facts"]["emulation"]["unanswered"]["not answered"]
    assert f"{lost} of {OFFERED} emulated tasks were not answered (not answered: {lost})" in done.said
    assert "were not answered" in (run / "report.html").read_text()
    assert "The station at edge1 ended before the run did." in manifest["facts"]["notes"]
    tasks = pd.read_parquet(run / "tasks.parquet")
    real = tasks[tasks["policy"] == "fixed@emulated"]
    assert len(real) == OFFERED
    assert set(real["reason"]) == {"", "not answered"}
    assert real.loc[real["arrival_ns"] > 2e9, "outcome"].eq("failed").all()


@emulates
def test_without_a_broker_tasks_are_sent_as_datagrams(tmp_path: Path) -> None:
    code, run, manifest = emulated(tmp_path, "--policy", "fixed", "--set", "broker=null", *DATAGRAMS)
    assert (code, manifest["broker"]) == (0, None), failed_checks(manifest)
    tasks = pd.read_parquet(run / "tasks.parquet")
    assert (tasks.loc[tasks["policy"] == "fixed@emulated", "outcome"] != "failed").sum() == OFFERED


@emulates
def test_the_prompt_is_in_the_shaped_network(tmp_path: Path) -> None:
    command = [
        *COMMAND,
        "emulate",
        str(write(tmp_path)),
        "--cli",
        "--out",
        str(tmp_path / "runs"),
        "--quiet",
        "--no-figures",
    ]
    done = subprocess.run(
        command, input="ue1 ping -c 2 edge1\nexit\n", capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "2 received" in done.stderr + done.stdout
    (run,) = (tmp_path / "runs" / "small").iterdir()
    packets = pd.read_parquet(run / "packets.parquet")
    assert len(packets) == 8  # two pings and their answers, over two links each


def test_bad_input_gives_one_line_and_no_folder(tmp_path: Path) -> None:
    path = write(tmp_path)
    for arguments, rule in (
        (("--policy", "best"), "small.yaml: --policy best: must be the label of a policy: random, fixed"),
        (("--set", "broker=null"), "small.yaml: --set broker: must be given to emulate tasks"),
        (DATAGRAMS, "small.yaml: --set links[1].bearer=um: must be am to emulate tasks by a broker"),
        (("--set", "realtime.commands=[{node: x, run: y}]"), "small.yaml: --set realtime.commands[0].node=x: must be"),
    ):
        done = call("emulate", path, "--out", tmp_path / "runs", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
        assert done.stderr.startswith(rule)
    assert not (tmp_path / "runs").exists()


@emulates
def test_bad_switch_class_gives_one_line_and_no_folder(tmp_path: Path) -> None:
    path = write(tmp_path, switch="NoSuchSwitch")
    switched = yaml.safe_load(path.read_text())
    switched["nodes"].append({"name": "s1", "role": "switch"})
    switched["links"].append({"between": ["s1", "edge1"], "rate_mbps": 1000})
    path.write_text(yaml.safe_dump(switched))
    done = call_anew("emulate", path, "--out", tmp_path / "runs")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert re.match(r"small\.yaml:\d+: realtime\.switch=NoSuchSwitch: must be a class of Mininet's", done.stderr)
    assert not (tmp_path / "runs").exists()


def test_missing_root_gives_one_line_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["airsplit", "emulate", str(write(tmp_path)), "--out", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (4, "", 1)
    assert "run as root" in printed.err
    assert not (tmp_path / "runs").exists()
