"""A system's nodes and links as an IP network: names of interfaces, addresses, routes, neighbours.

Every host has one address, on all its interfaces, and a route of its own to each other host: along the way of the
simulation, by the next host on it. Switches have no address; the hosts about one know each other's hardware
addresses, so that nobody ever asks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emulator.core.shortest_paths import ShortestPaths
from emulator.system import LinkSpec, Node

ADDRESS_PREFIX = "10.77"
LONGEST_INTERFACE_NAME = 15  # characters: IFNAMSIZ of Linux, less the closing zero
MOST_NODES = 65_000  # of 10.77.0.0/16, and of two bytes of a hardware address


class Port(NamedTuple):
    """One end of a connection: the interface of a node, by its name there."""

    node: str
    number: int
    interface: str
    mac: str


class Wire(NamedTuple):
    """A connection: its two ends, and the rows of its two directions among the system's links."""

    a: Port
    b: Port
    forward: int
    """From a to b."""
    backward: int


class Route(NamedTuple):
    """At a host: packets to the address of `target` go to that of the host `via`, by this interface."""

    target: str
    via: str
    interface: str


class Neighbour(NamedTuple):
    """At a host: the hardware address of another behind one of its interfaces."""

    node: str
    interface: str
    mac: str


class Forwarding(NamedTuple):
    """At a switch: frames to this hardware address leave by that interface."""

    mac: str
    interface: str


@dataclass(frozen=True)
class Addressing:
    """What every node of an emulated network is told: hosts their `addresses`, `routes` and `neighbours`, switches
    their `tables`."""

    wires: tuple[Wire, ...]
    ports: Mapping[str, tuple[Port, ...]]
    addresses: Mapping[str, str]
    routes: Mapping[str, tuple[Route, ...]]
    neighbours: Mapping[str, tuple[Neighbour, ...]]
    tables: Mapping[str, tuple[Forwarding, ...]]

    @property
    def hosts_file(self) -> str:
        """What /etc/hosts says: each host by its name."""
        own = "127.0.0.1\tlocalhost\n"
        return own + "".join(f"{address}\t{name}\n" for name, address in self.addresses.items())


def addressing(nodes: Mapping[str, Node], links: Sequence[LinkSpec]) -> Addressing:
    """The network of these nodes and links; each link must have its opposite. Numbers and addresses follow the
    order of nodes and links, and nothing else."""
    numbers = {name: number for number, name in enumerate(nodes, 1)}
    wires = tuple(_wires(nodes, links, numbers))
    ports: dict[str, list[Port]] = {name: [] for name in nodes}
    for wire in wires:
        ports[wire.a.node].append(wire.a)
        ports[wire.b.node].append(wire.b)
    hosts = [name for name, node in nodes.items() if node.role != "switch"]
    routes, neighbours = _ways(hosts, links, wires)
    return Addressing(
        wires,
        {name: tuple(each) for name, each in ports.items()},
        {name: f"{ADDRESS_PREFIX}.{numbers[name] >> 8}.{numbers[name] & 255}" for name in hosts},
        routes,
        neighbours,
        _tables(frozenset(nodes) - frozenset(hosts), wires),
    )


def interface_name(node: str, number: int) -> str:
    """What Mininet calls an interface of a node, `ue1-eth0`; of a node whose name is too long for that, `eth0`."""
    name = f"{node}-eth{number}"
    return name if len(name) <= LONGEST_INTERFACE_NAME else f"eth{number}"


def _wires(nodes: Mapping[str, Node], links: Sequence[LinkSpec], numbers: Mapping[str, int]) -> Iterator[Wire]:
    rows = {(link.source, link.target): row for row, link in enumerate(links)}
    used = {name: 1 if node.role == "switch" else 0 for name, node in nodes.items()}  # as Mininet numbers ports

    def port(node: str) -> Port:
        number = used[node]
        used[node] += 1
        return Port(node, number, interface_name(node, number), _mac(numbers[node], number))

    for (source, target), row in rows.items():
        if row < rows[target, source]:
            yield Wire(port(source), port(target), row, rows[target, source])


def _mac(node: int, port: int) -> str:
    """A locally administered address of the node's and the port's numbers."""
    return ":".join(f"{byte:02x}" for byte in (2, 0, *divmod(node, 256), *divmod(port, 256)))


def _ways(
    hosts: Sequence[str], links: Sequence[LinkSpec], wires: Sequence[Wire]
) -> tuple[dict[str, tuple[Route, ...]], dict[str, tuple[Neighbour, ...]]]:
    leaves = {wire.forward: wire.a for wire in wires} | {wire.backward: wire.b for wire in wires}
    enters = {wire.forward: wire.b for wire in wires} | {wire.backward: wire.a for wire in wires}
    paths = ShortestPaths([(link.source, link.target) for link in links])
    routes: dict[str, tuple[Route, ...]] = {}
    neighbours: dict[str, tuple[Neighbour, ...]] = {}
    known = frozenset(hosts)
    for source in hosts:
        out: list[Route] = []
        near: dict[Neighbour, None] = {}
        for target in hosts:
            if target != source:
                path = paths.path(source, target)
                interface = leaves[path[0]].interface
                entry = next(enters[row] for row in path if enters[row].node in known)
                out.append(Route(target, entry.node, interface))
                near[Neighbour(entry.node, interface, entry.mac)] = None
        routes[source], neighbours[source] = tuple(out), tuple(near)
    return routes, neighbours


def _tables(switches: frozenset[str], wires: Sequence[Wire]) -> dict[str, tuple[Forwarding, ...]]:
    """Where switches have each host's interface that is attached to one of them; they make no loops."""
    leaving: dict[str, list[tuple[Port, Port]]] = {}
    for wire in wires:
        leaving.setdefault(wire.a.node, []).append((wire.a, wire.b))
        leaving.setdefault(wire.b.node, []).append((wire.b, wire.a))
    tables: dict[str, list[Forwarding]] = {name: [] for name in switches}
    attached = [ends for name, pairs in leaving.items() if name not in switches for ends in pairs]
    for host, entry in attached:
        frontier = [entry] if entry.node in switches else []
        while frontier:
            towards = frontier.pop()  # the port by which frames leave for the host
            tables[towards.node].append(Forwarding(host.mac, towards.interface))
            frontier += [
                theirs for ours, theirs in leaving[towards.node] if ours != towards and theirs.node in switches
            ]
    return {name: tuple(table) for name, table in tables.items()}
