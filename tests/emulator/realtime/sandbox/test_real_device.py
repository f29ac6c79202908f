"""A real device in the place of a node: a veth pair is the cable, a network namespace the device."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

import emulator.realtime.sandbox.real_device
from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.namespaces import network_of
from emulator.realtime.sandbox.real_device import HOST_ADDRESS, moved_into_host, require_unused
from emulator.system import LinkSpec, Node
from emulator.trace import constant
from tests.emulator.realtime.hosts import RelayedHosts, inside, namespace, needs_namespaces, network

TREE = Path(__file__).parents[4]
MS = 1_000_000
DELAYS_NS = {("ue1", "gnb"): 4 * MS, ("gnb", "edge"): 6 * MS}
LINKS = [
    LinkSpec(*ends, constant(100e6), delay_ns)
    for (a, b), delay_ns in DELAYS_NS.items()
    for ends in ((a, b), (b, a))
]  # fmt: skip
ROUND_TRIP_MS = 20.0
NODES = {"ue1": Node("ue1", "ue"), "gnb": Node("gnb", "gnb"), "edge": Node("edge", "edge")}
BYTES = 2_000_000

pytestmark = needs_namespaces


class Bench(NamedTuple):
    """A machine with an emulated network, and a device that a cable joins to the machine's `lab0`."""

    machine: int  # processes in their namespaces
    device: int
    outside: int  # a descriptor of the machine's
    net: RelayedHosts


@contextmanager
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        machine, device = stack.enter_context(namespace()), stack.enter_context(namespace())
        inside(machine, "ip", "link", "add", "lab0", "type", "veth", "peer", "eth0", "netns", str(device))
        inside(device, "ip", "link", "set", "eth0", "up")
        outside = os.open(f"/proc/{machine}/ns/net", os.O_RDONLY)
        stack.callback(os.close, outside)
        net = stack.enter_context(network(NODES, LINKS, {}, 60_000 * MS))
        yield Bench(machine, device, outside, net)


def configure(bench: Bench) -> str:
    """Give the device the node's address, as its user does."""
    address = bench.net.plan.addresses["ue1"]
    inside(bench.device, "ip", "address", "add", f"{address}/16", "dev", "eth0")
    return address


def ping(pid: int, address: str) -> float:
    """Milliseconds of the quickest of a few echoes."""
    said = inside(pid, "ping", "-q", "-c", "5", "-i", "0.05", "-W", "2", address)
    found = re.search(r"= ([\d.]+)/", said)
    assert found is not None
    return float(found[1])


def test_a_device_at_the_cable_is_the_node(tmp_path: Path) -> None:
    with bench() as lab:
        address, edge = configure(lab), lab.net.plan.addresses["edge"]
        with moved_into_host("lab0", lab.outside, lab.net.pids["ue1"], address):
            assert "lab0" not in inside(lab.machine, "ip", "-brief", "link")
            lab.net.relay.begin(time.monotonic_ns(), tmp_path / "packets.parquet")
            to_edge, to_device = ping(lab.device, edge), ping(lab.net.pids["edge"], address)
            on_cable = ping(lab.device, HOST_ADDRESS)
            received = transfer(lab.device, lab.net.pids["edge"], edge)
            with network_of(lab.device):
                broadcast = ["ping", "-q", "-b", "-c", "3", "-i", "0.05", "-W", "0.2", "10.77.255.255"]
                subprocess.run(broadcast, check=False, capture_output=True)
            ended = lab.net.relay.end()
        assert ROUND_TRIP_MS <= to_edge < ROUND_TRIP_MS + 5
        assert ROUND_TRIP_MS <= to_device < ROUND_TRIP_MS + 5
        assert on_cable < 2
        assert received == BYTES
        assert ended.non_ipv4 == 0
        packets = pq.read_table(tmp_path / "packets.parquet", columns=["link", "size_bytes"]).to_pandas()
        assert set(packets["link"]) == {0, 1, 2, 3}
        echoes = packets[packets["size_bytes"] == 84]
        assert (echoes.groupby("link").size() == 10).all()  # the broadcast is not among them


def transfer(source: int, target: int, address: str) -> int:
    """Bytes that come through a TCP connection."""
    listen = "import socket,sys;s=socket.create_server(('',5001));print(flush=True);c=s.accept()[0];n=0\n"
    listen += "while d:=c.recv(1<<16):n+=len(d)\nprint(n)"
    send = f"import socket;socket.create_connection(('{address}',5001)).sendall(bytes({BYTES}))"
    with network_of(target):
        server = subprocess.Popen([sys.executable, "-c", listen], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        server.stdout.readline()
        inside(source, sys.executable, "-c", send)
        return int(server.stdout.readline())


@pytest.mark.parametrize("state", ["up", "down"])
def test_the_interface_is_back_afterwards_as_it_was(state: str) -> None:
    with bench() as lab:
        address, host = configure(lab), lab.net.pids["ue1"]
        inside(lab.machine, "ip", "link", "set", "lab0", state)
        with pytest.raises(KeyboardInterrupt), moved_into_host("lab0", lab.outside, host, address):
            raise KeyboardInterrupt
        flags = re.search(r"<(.*?)>", inside(lab.machine, "ip", "link", "show", "dev", "lab0"))
        assert flags is not None
        assert ("UP" in flags[1].split(",")) == (state == "up")
        assert "lab0" not in inside(host, "ip", "-brief", "link")


def test_a_device_that_does_not_answer_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator.realtime.sandbox.real_device, "ANSWER_TIMEOUT_S", 0.5)
    with bench() as lab:
        address = lab.net.plan.addresses["ue1"]
        with (
            pytest.raises(MissingDependency, match=rf"no answer from {address}/16"),
            moved_into_host("lab0", lab.outside, lab.net.pids["ue1"], address),
        ):
            pass
        assert "lab0" in inside(lab.machine, "ip", "-brief", "link")


def test_an_interface_that_the_machine_uses_is_refused() -> None:
    with bench() as lab:
        require_unused("lab0", lab.outside)
        with pytest.raises(ValueError, match="must be an interface of this machine"):
            require_unused("lab9", lab.outside)
        inside(lab.machine, "ip", "address", "add", "192.0.2.7/24", "dev", "lab0")
        with pytest.raises(ValueError, match=r"must have no address.*192\.0\.2\.7"):
            require_unused("lab0", lab.outside)


def test_a_sandbox_knows_the_network_outside() -> None:
    """A sandbox, made from a network namespace of its own, takes an interface of it in and gives it back."""
    within = (
        "import subprocess\n"
        "from emulator.realtime.sandbox.namespaces import network_of_descriptor\n"
        "from emulator.realtime.sandbox import outer_network\n"
        "assert not subprocess.run(['ip', '-brief', 'link', 'show', 'type', 'veth'], capture_output=True).stdout\n"
        "with network_of_descriptor(outer_network()):\n"
        "    print(subprocess.run(['ip', '-brief', 'link', 'show', 'type', 'veth'], capture_output=True).stdout)\n"
    )
    run = "import sys; from emulator.realtime.sandbox import run_inside; sys.exit(run_inside(sys.argv[1:]))"
    with namespace() as machine, network_of(machine):
        subprocess.run(["ip", "link", "add", "lab0", "type", "veth"], check=True)
        done = subprocess.run(
            [sys.executable, "-c", run, sys.executable, "-c", within],
            capture_output=True,
            text=True,
            cwd=TREE,
            check=True,
        )
    assert "lab0" in done.stdout
