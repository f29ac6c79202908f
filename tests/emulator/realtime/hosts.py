"""Hosts in network namespaces, joined by a relay, as Mininet builds them."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator.realtime.probing.sockets import LinkEnd
from emulator.realtime.relay import Relay
from emulator.realtime.relay.tap import open_tap
from emulator.realtime.sandbox.namespaces import network_of
from emulator.system import CellSpec, LinkSpec, Node
from topologies.mininet.addressing import Addressing, addressing

SYSCTLS = ("net/ipv4/ip_forward=1", "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/default/rp_filter=0")

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="needs root and /dev/net/tun"
)


class RelayedHosts(NamedTuple):
    """Hosts joined by a relay."""

    relay: Relay
    pids: Mapping[str, int]
    plan: Addressing
    ends: Sequence[tuple[LinkEnd, LinkEnd]]  # of each link


@contextmanager
def namespace(name: str = "host") -> Iterator[int]:
    """Yield the id of a process in a new network namespace, which ends with the context or with this process."""
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec cat", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid


def inside(pid: int, *command: str) -> str:
    """Run a command in the network namespace of a process and return its output."""
    with network_of(pid):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def network(
    nodes: Mapping[str, Node], links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], duration_ns: int
) -> Iterator[RelayedHosts]:
    """Make a namespace for each node, addressed and joined by a relay as in an emulated network."""
    plan = addressing(nodes, links)
    with ExitStack() as stack:
        pids = {name: stack.enter_context(namespace(name)) for name in nodes}
        relay = stack.enter_context(Relay(links, cells, 1, duration_ns))
        ends: dict[int, tuple[LinkEnd, LinkEnd]] = {}
        taps = {}
        for node, ports in plan.ports.items():
            with network_of(pids[node]):
                for setting in SYSCTLS:
                    key, value = setting.split("=")
                    Path("/proc/sys", key).write_text(value)
                Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
                for port in ports:
                    taps[node, port.number] = open_tap(port.interface)
                    commands = [f"link set {port.interface} address {port.mac} up"]
                    if node in plan.addresses:
                        commands.append(f"address add {plan.addresses[node]}/32 dev {port.interface}")
                    _ip(commands)
                if node in plan.addresses:
                    _ip(_neighbours_and_routes(plan, node))
        for wire in plan.duplex_links:
            a, b = (LinkEnd(pids[p.node], p.interface, p.mac, plan.addresses.get(p.node)) for p in (wire.a, wire.b))
            ends |= {wire.forward: (a, b), wire.backward: (b, a)}
            tap_a, tap_b = taps[wire.a.node, wire.a.number], taps[wire.b.node, wire.b.number]
            relay.attach(wire.forward, tap_a, tap_b)
            relay.attach(wire.backward, tap_b, tap_a)
        for descriptor in taps.values():
            os.close(descriptor)
        yield RelayedHosts(relay, pids, plan, [ends[index] for index in range(len(links))])


def _neighbours_and_routes(plan: Addressing, node: str) -> list[str]:
    near = [
        f"neighbour replace {plan.addresses[each.node]} lladdr {each.mac} dev {each.interface} nud permanent"
        for each in plan.neighbours[node]
    ]
    routes = []
    for route in plan.routes[node]:
        via = "" if route.via == route.target else f"via {plan.addresses[route.via]} onlink"
        routes.append(f"route add {plan.addresses[route.target]}/32 dev {route.interface} {via}")
    return near + routes


def _ip(lines: Sequence[str]) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), check=True, text=True)
