"""Emulated networks with real packets, in private namespaces."""

import json
import os
import re
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from emulator.core.shortest_paths import ShortestPaths
from emulator.system import System
from tests.topologies.mininet.private_world import ROOT, in_private_world, needs_mininet
from topologies.build import build
from topologies.loading.loader import load

pytestmark = needs_mininet

# Two switches between hosts. One host has a name longer than an interface may have, another is linked to both switches.
SWITCHED = """
name: switched
seed: 1
duration_s: 20
nodes:
  - {name: "ue{i}", role: ue, device: phone, count: 2}
  - {name: gnb, role: gnb}
  - {name: s1, role: switch}
  - {name: core, role: switch}
  - {name: edge1, role: edge, device: server}
  - {name: edge_of_a_long_name, role: edge, device: server}
  - {name: cloud, role: cloud, device: server}
devices:
  phone: {compute_gflops: 20, memory_mb: 120, memory_gb_per_s: 4}
  server: {compute_gflops: 200, memory_mb: 8e3, memory_gb_per_s: 30}
links:
  - {between: ["ue{i}", gnb], rate_mbps: 50, delay_ms: 2}
  - {between: [gnb, s1], rate_mbps: 1000, delay_ms: 1}
  - {between: [s1, edge1], rate_mbps: 1000, delay_ms: 1}
  - {between: [s1, core], rate_mbps: 1000, delay_ms: 3}
  - {between: [core, edge_of_a_long_name], rate_mbps: 1000, delay_ms: 1}
  - {between: [core, cloud], rate_mbps: 1000, delay_ms: 4}
  - {between: [cloud, s1], rate_mbps: 1000, delay_ms: 4}
tasks:
  - {name: image, model: alexnet, sources: all, arrivals: {poisson: {rate_per_s: 2}}, deadline_ms: 300, input_kb: 100}
control: {node: gnb}
cost: {failure_s: 1}
policies: [{type: random}]
"""
LIMITED = "realtime.hosts=[{nodes: edge1, cpu: 0.05}]"


@pytest.fixture
def switched(tmp_path: Path) -> Path:
    path = tmp_path / "switched.yaml"
    path.write_text(SWITCHED)
    return path


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the child's results for the scenario with two of Mininet's bridges."""
    folder = tmp_path_factory.mktemp("bridged")
    path = folder / "switched.yaml"
    path.write_text(SWITCHED)
    return emulate(folder, path, "silence,interfaces,ping_all,burn", LIMITED)


def emulate(folder: Path, path: Path, experiments: str, *overrides: str) -> dict[str, Any]:
    """Return the child's results."""
    child = ("-m", "tests.topologies.mininet.emulated_child")
    code, output, errors = in_private_world(folder, *child, str(path), experiments, *overrides)
    assert code == 0, errors
    found: dict[str, Any] = json.loads(output)
    return found


def hosts_of(system: System) -> list[str]:
    return [name for name, node in system.nodes.items() if node.role != "switch"]


def expected(system: System, pairs: list[tuple[str, str]]) -> tuple[dict[str, int], list[int]]:
    """Return the expected times to live of pings' answers, and packets by link, from the simulation's paths."""
    paths = ShortestPaths([(link.source, link.target) for link in system.links])
    ttl, packets = {}, [0] * len(system.links)
    for a, b in pairs:
        there, back = paths.path(a, b), paths.path(b, a)
        for row in there + back:
            packets[row] += 1
        between = [system.links[row].target for row in back[:-1]]
        ttl[f"{a} {b}"] = 64 - sum(system.nodes[name].role != "switch" for name in between)
    return ttl, packets


def all_pairs(system: System) -> list[tuple[str, str]]:
    return list(permutations(hosts_of(system), 2))


def check_pings(found: dict[str, Any], system: System, pairs: list[tuple[str, str]]) -> None:
    ttl, packets = expected(system, pairs)
    assert found["ttl"] == ttl
    assert found["packets"] == packets
    assert found["ended"]["non_ipv4"] == 0


def test_packets_through_switches_follow_the_simulations_paths(bridged: dict[str, Any], switched: Path) -> None:
    system = build(load(switched), switched.parent)
    check_pings(bridged["ping_all"], system, all_pairs(system))


def test_learning_switch_has_learnt_addresses_before_the_run(switched: Path) -> None:
    learning = "realtime.switch=tests.topologies.mininet.own_switches:LearningBridge"
    found = emulate(switched.parent, switched, "ping_all", learning)
    system = build(load(switched), switched.parent)
    check_pings(found["ping_all"], system, all_pairs(system))


def test_hosts_of_the_quickstart_reach_each_other_by_name(tmp_path: Path) -> None:
    path = ROOT / "topologies" / "quickstart.yaml"
    overrides = ["duration_s=5", "realtime.duration_s=5"]
    found = emulate(tmp_path, path, "ping_all", *overrides)
    system = build(load(path, overrides), path.parent)
    check_pings(found["ping_all"], system, all_pairs(system))


def test_idle_network_has_no_packets(bridged: dict[str, Any]) -> None:
    assert sum(bridged["silence"]["packets"]) == bridged["silence"]["ended"]["non_ipv4"] == 0


def test_interfaces_and_names_exist_only_inside_the_namespaces(bridged: dict[str, Any]) -> None:
    found = bridged["interfaces"]
    assert found["here"] == 1  # the loopback
    assert found["nodes"]["gnb"] == ["gnb-eth0", "gnb-eth1", "gnb-eth2", "lo"]
    assert found["nodes"]["edge_of_a_long_name"] == ["eth0", "lo"]
    assert found["nodes"]["s1"] == ["lo", "s1", "s1-eth1", "s1-eth2", "s1-eth3", "s1-eth4"]
    assert found["ends"][:2] == [["ue1-eth0", "gnb-eth0"], ["gnb-eth0", "ue1-eth0"]]
    assert found["six"] == ""
    (names,) = found["names"]
    assert "10.77.0.7\tedge_of_a_long_name" in names
    assert found["names_here"] == Path("/etc/hosts").read_text()
    assert "10.77." not in found["names_here"]


@pytest.mark.skipif(not Path("/sys/fs/cgroup/cpu/cpu.shares").exists(), reason="needs control groups of version 1")
def test_limited_host_gets_its_share_of_the_processors(bridged: dict[str, Any]) -> None:
    share_s = 0.05 * (os.cpu_count() or 1)  # of one second
    assert 0.3 * share_s < bridged["burn"]["edge1"] < 1.5 * share_s < bridged["burn"]["cloud"]
    assert not list(Path("/sys/fs/cgroup").glob("cpu/airsplit-*"))


def test_network_of_a_hundred_ues_starts_quickly(tmp_path: Path) -> None:
    path = ROOT / "topologies" / "many-ues.yaml"
    found = emulate(tmp_path, path, "ping_cloud", "duration_s=0.5")
    assert found["up_s"] < 30
    system = build(load(path, ["duration_s=0.5"]), path.parent)
    check_pings(found["ping_cloud"], system, [(name, "cloud") for name in hosts_of(system) if name != "cloud"])


def test_a_switch_that_does_not_forward_is_refused(switched: Path) -> None:
    name = "tests.topologies.mininet.own_switches:DeadSwitch"
    found = emulate(switched.parent, switched, "silence", f"realtime.switch={name}")
    assert found["refused"].startswith(f"ValueError: realtime.switch={name}: must forward between hosts; none of ")
    assert "\n" not in found["refused"]


@pytest.mark.skipif(not Path("/usr/bin/mn").exists(), reason="needs Mininet's command, mn")
def test_mn_builds_a_scenario(switched: Path) -> None:
    topo = f"airsplit,scenario={switched},log={switched.parent / 'packets.parquet'}"
    options = ["--custom", "topologies/mn.py", "--topo", topo, "--test", "pingall"]
    code, _, stderr = in_private_world(switched.parent, "/usr/bin/mn", *options)
    assert code == 0, stderr
    assert "Results: 0% dropped (30/30 received)" in stderr
    system = build(load(switched), switched.parent)
    _, packets = expected(system, all_pairs(system))
    assert f"*** {sum(packets)} packets over {len(system.links)} links, 0 stray" in stderr


@pytest.mark.skipif(not Path("/usr/bin/mn").exists(), reason="needs Mininet's command, mn")
@pytest.mark.parametrize(
    ("text", "edited", "message"),
    [
        ("seed: 1", "seed: -1", "seed=-1: must be at least 0"),
        (
            "seed: 1",
            "seed: 1\nrealtime: {tasks: false, hosts: [{nodes: cloud, interface: eth7}]}",
            "realtime.hosts[0].interface=eth7: must not be given for mn; `airsplit emulate` takes real devices in",
        ),
    ],
)
def test_errors_in_a_scenario_do_not_reach_mn(switched: Path, text: str, edited: str, message: str) -> None:
    switched.write_text(SWITCHED.replace(text, edited))
    options = ["--custom", "topologies/mn.py", "--topo", f"airsplit,scenario={switched}"]
    code, _, stderr = in_private_world(switched.parent, "/usr/bin/mn", *options)
    assert code == 3
    assert re.fullmatch(rf"airsplit: switched\.yaml:\d+: {re.escape(message)}", stderr.splitlines()[-1])
    assert "leaning up" not in stderr
