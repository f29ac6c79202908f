"""`airsplit emulate` with a device in a node's place: a veth pair is the cable, a network namespace the device."""

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.realtime.sandbox.namespaces import network_of
from tests.emulator.realtime.hosts import inside, namespace
from tests.topologies.mininet.private_world import ROOT, needs_mininet

pytestmark = needs_mininet

DEVICE = "10.77.0.1"  # what the first node of a scenario has
SCENARIO = """
name: cable
seed: 1
duration_s: 1.5
nodes:
  - {name: jetson, role: ue, device: phone}
  - {name: gnb, role: gnb}
  - {name: edge, role: edge, device: server}
devices:
  phone: {compute_gflops: 20, memory_mb: 300, memory_gb_per_s: 4}
  server: {compute_gflops: 200, memory_mb: 8e3, memory_gb_per_s: 30}
links:
  - {between: [jetson, gnb], rate_mbps: 50, delay_ms: 4}
  - {between: [gnb, edge], rate_mbps: 1000, delay_ms: 6}
tasks:
  - {name: image, model: alexnet, sources: all, arrivals: {poisson: {rate_per_s: 2}}, deadline_ms: 300, input_kb: 100}
control: {node: gnb}
cost: {failure_s: 1}
policies: [{type: all-edge}]
realtime:
  tasks: false
  hosts: [{nodes: jetson, interface: lab0}]
  commands: [{node: edge, run: "ping -q -c 4 -i 0.1 jetson", at_s: 0.5}]
"""


@contextmanager
def machine_and_device() -> Iterator[tuple[int, int]]:
    """Yield a process in the machine's namespace, with `lab0`, and one in the namespace of the device behind `lab0`."""
    with namespace() as machine, namespace() as device:
        inside(machine, "ip", "link", "add", "lab0", "type", "veth", "peer", "eth0", "netns", str(device))
        inside(machine, "ip", "link", "set", "lab0", "up")
        inside(device, "ip", "address", "add", f"{DEVICE}/16", "dev", "eth0")
        inside(device, "ip", "link", "set", "eth0", "up")
        yield machine, device


def emulate(machine: int, folder: Path) -> "subprocess.CompletedProcess[str]":
    (folder / "cable.yaml").write_text(SCENARIO)
    command = [sys.executable, "-m", "airsplit", "emulate", str(folder / "cable.yaml"), "--out", str(folder / "runs")]
    command += ["--no-figures"]
    with network_of(machine):
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200, check=False)


def test_real_device_is_a_node_during_the_run_and_its_interface_is_returned(tmp_path: Path) -> None:
    with machine_and_device() as (machine, _):
        done = emulate(machine, tmp_path)
        assert done.returncode in {0, 5}, done.stderr  # 5: a busy machine was late
        assert "lab0" in inside(machine, "ip", "-brief", "link", "show", "up")
    (table,) = tmp_path.glob("runs/cable/*/programs.csv")
    with table.open() as file:
        (program,) = csv.DictReader(file)
    said = (table.parent / "hosts" / program["output"]).read_text()
    assert (program["outcome"], program["exit_status"]) == ("done", "0"), said
    quickest_ms = re.search(r"= ([\d.]+)/", said)
    assert quickest_ms is not None
    assert 20 <= float(quickest_ms[1]) < 25
    (probes,) = tmp_path.glob("runs/cable/*/probes.csv")
    with probes.open() as file:
        errors = [float(row["rate_error"]) for row in csv.DictReader(file)]
    assert len(errors) == 4
    assert max(errors) < 0.02


def test_missing_interface_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with namespace() as machine:
        done = emulate(machine, tmp_path)
    assert done.returncode == 3
    assert "realtime.hosts[0].interface=lab0: must be an interface of this machine" in done.stderr
    assert not (tmp_path / "runs").exists()
