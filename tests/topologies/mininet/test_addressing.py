"""Routes and forwarding tables lead every packet along the simulation's path."""

from collections.abc import Mapping
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.shortest_paths import ShortestPaths
from emulator.simulation.network import Network
from emulator.system import LinkSpec, Node, Role
from emulator.trace import constant
from topologies.build import build
from topologies.loading.loader import load
from topologies.mininet.addressing import MAX_INTERFACE_NAME, Addressing, Port, addressing, interface_name

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
WIRE = constant(8e6)
ROLES: dict[str, Role] = {"h": "edge", "s": "switch"}


def nodes_of(names: list[str]) -> dict[str, Node]:
    return {name: Node(name, ROLES[name[0]]) for name in names}


def links_of(edges: list[tuple[str, str]]) -> list[LinkSpec]:
    return [LinkSpec(*ends, WIRE) for a, b in edges for ends in ((a, b), (b, a))]


def forward(network: Addressing, source: str, target: str) -> list[int]:
    """Return the links that a packet passes: hosts look up routes and neighbours, switches their tables."""
    other = {link.a: (link.b, link.forward) for link in network.duplex_links}
    other |= {link.b: (link.a, link.backward) for link in network.duplex_links}
    ports = {(port.node, port.interface): port for each in network.ports.values() for port in each}
    crossed: list[int] = []
    place = source
    while place != target:
        route = next(route for route in network.routes[place] if route.target == target)
        mac = next(
            near.mac
            for near in network.neighbours[place]
            if (near.node, near.interface) == (route.via, route.interface)
        )
        port, row = other[ports[place, route.interface]]
        crossed.append(row)
        while port.node in network.tables:
            leaving = next(entry.interface for entry in network.tables[port.node] if entry.mac == mac)
            port, row = other[ports[port.node, leaving]]
            crossed.append(row)
        assert port.mac == mac
        place = port.node
    return crossed


def check(nodes: Mapping[str, Node], links: list[LinkSpec]) -> None:
    network = addressing(nodes, links)
    paths = ShortestPaths([(link.source, link.target) for link in links])
    for source, target in permutations(network.addresses, 2):
        assert forward(network, source, target) == list(paths.path(source, target))
    ports: list[Port] = [port for each in network.ports.values() for port in each]
    assert len({port.mac for port in ports}) == len(ports) == len(links)
    assert len({(port.node, port.interface) for port in ports}) == len(ports)
    assert len(set(network.addresses.values())) == len(network.addresses)


@st.composite
def switched(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, str]]]:
    """Draw a tree of switches, with hosts linked to switches and to each other."""
    switches = [f"s{i}" for i in range(draw(st.integers(0, 4)))]
    hosts = [f"h{i}" for i in range(draw(st.integers(2, 5)))]
    edges = [(switches[draw(st.integers(0, i - 1))], switches[i]) for i in range(1, len(switches))]
    for number, host in enumerate(hosts):
        others = switches + hosts[:number]
        if others:
            edges += [(other, host) for other in draw(st.sets(st.sampled_from(others), min_size=1, max_size=3))]
    for host in hosts[1:]:  # makes the network connected
        if (hosts[0], host) not in edges:
            edges.append((hosts[0], host))
    return draw(st.permutations(switches + hosts)), draw(st.permutations(edges))


@given(drawn=switched())
def test_tables_of_hosts_and_switches_follow_shortest_paths(
    drawn: tuple[list[str], list[tuple[str, str]]],
) -> None:
    names, edges = drawn
    check(nodes_of(names), links_of(edges))


@pytest.mark.parametrize("name", ["quickstart", "many-ues"])
def test_routes_of_shipped_scenarios_equal_those_of_the_simulation(name: str) -> None:
    path = TOPOLOGIES / f"{name}.yaml"
    system = build(load(path, ["duration_s=0.1"]), path.parent)
    network = addressing(system.nodes, system.links)
    check(system.nodes, list(system.links))
    rows = {(link.source, link.target): row for row, link in enumerate(system.links)}
    simulated = Network(system)
    hosts = list(network.addresses)
    for source, target in ((hosts[0], hosts[-1]), (hosts[-1], hosts[1]), *pairwise(hosts)):
        route = [(link.spec.source, link.spec.target) for link in simulated.route(source, target)]
        if system.broker is None:
            assert forward(network, source, target) == [rows[ends] for ends in route]
        else:
            legs = [leg for leg in ((source, system.broker), (system.broker, target)) if leg[0] != leg[1]]
            assert [row for leg in legs for row in forward(network, *leg)] == [rows[ends] for ends in route]


def test_interface_names_fit_the_limit_of_linux() -> None:
    assert interface_name("ue1", 0) == "ue1-eth0"
    assert interface_name("a" * 10, 9) == f"{'a' * 10}-eth9"
    assert interface_name("a" * 10, 10) == "eth10"
    network = addressing(nodes_of(["hand_held_number_1", "h"]), links_of([("hand_held_number_1", "h")]))
    assert all(len(port.interface) <= MAX_INTERFACE_NAME for each in network.ports.values() for port in each)


def test_many_nodes_have_different_addresses() -> None:
    names = [f"h{i}" for i in range(600)]
    network = addressing(nodes_of(names), links_of([("h0", name) for name in names[1:]]))
    assert len(set(network.addresses.values())) == 600
    assert network.addresses["h599"] == "10.77.2.88"
    assert network.hosts_file.splitlines()[-1] == "10.77.2.88\th599"
    ports = [port for each in network.ports.values() for port in each]
    assert len({port.mac for port in ports}) == len(ports)
