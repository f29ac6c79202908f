"""IP network of a system: names of interfaces, addresses, routes and neighbours.

A host has one address, on all its interfaces, and one route to each other host: along the path of the simulation, via
the next host on it. Switches have no address. Hosts around a switch have static neighbour entries, so no ARP request
is ever sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from emulator.core.shortest_paths import ShortestPaths
from emulator.system import LinkSpec, Node

ADDRESS_PREFIX = "10.77"
MAX_INTERFACE_NAME = 15  # characters: IFNAMSIZ of Linux without the terminating zero
MAX_NODES = 65_000  # fits 10.77.0.0/16, and two bytes of a MAC address


class Port(NamedTuple):
    """One end of a link: an interface of a node."""

    node: str
    number: int
    interface: str
    mac: str


class DuplexLink(NamedTuple):
    """A link with both directions: its ends, and the indices of its directions among the system's links."""

    a: Port
    b: Port
    forward: int
    """Index of the direction from a to b."""
    backward: int
    """Index of the direction from b to a."""


class Route(NamedTuple):
    """Route of a host: packets to `target` go to the host `via` on this interface."""

    target: str
    via: str
    interface: str


class Neighbour(NamedTuple):
    """Neighbour entry of a host: the MAC address of another host behind an interface."""

    node: str
    interface: str
    mac: str


class Forwarding(NamedTuple):
    """Forwarding entry of a switch: frames to this MAC address leave on this interface."""

    mac: str
    interface: str


@dataclass(frozen=True)
class Addressing:
    """Configuration of an emulated network by node: `addresses`, `routes` and `neighbours` of hosts, `tables` of
    switches."""

    duplex_links: tuple[DuplexLink, ...]
    ports: Mapping[str, tuple[Port, ...]]
    addresses: Mapping[str, str]
    routes: Mapping[str, tuple[Route, ...]]
    neighbours: Mapping[str, tuple[Neighbour, ...]]
    tables: Mapping[str, tuple[Forwarding, ...]]

    @property
    def hosts_file(self) -> str:
        """Return the contents of /etc/hosts: all hosts by name."""
        own = "127.0.0.1\tlocalhost\n"
        return own + "".join(f"{address}\t{name}\n" for name, address in self.addresses.items())


def addressing(nodes: Mapping[str, Node], links: Sequence[LinkSpec]) -> Addressing:
    """Return the network of these nodes and links. Each link must have its opposite direction. Numbers and addresses
    depend only on the order of nodes and links."""
    numbers = {name: number for number, name in enumerate(nodes, 1)}
    duplex_links = tuple(_duplex_links(nodes, links, numbers))
    ports: dict[str, list[Port]] = {name: [] for name in nodes}
    for link in duplex_links:
        ports[link.a.node].append(link.a)
        ports[link.b.node].append(link.b)
    hosts = [name for name, node in nodes.items() if node.role != "switch"]
    routes, neighbours = _routes(hosts, links, duplex_links)
    return Addressing(
        duplex_links,
        {name: tuple(each) for name, each in ports.items()},
        {name: f"{ADDRESS_PREFIX}.{numbers[name] >> 8}.{numbers[name] & 255}" for name in hosts},
        routes,
        neighbours,
        _tables(frozenset(nodes) - frozenset(hosts), duplex_links),
    )


def interface_name(node: str, number: int) -> str:
    """Return Mininet's name of an interface: `ue1-eth0`, or `eth0` if the node's name is too long for that."""
    name = f"{node}-eth{number}"
    return name if len(name) <= MAX_INTERFACE_NAME else f"eth{number}"


def _duplex_links(
    nodes: Mapping[str, Node], links: Sequence[LinkSpec], numbers: Mapping[str, int]
) -> Iterator[DuplexLink]:
    rows = {(link.source, link.target): row for row, link in enumerate(links)}
    used = {name: 1 if node.role == "switch" else 0 for name, node in nodes.items()}  # as Mininet numbers ports

    def port(node: str) -> Port:
        number = used[node]
        used[node] += 1
        return Port(node, number, interface_name(node, number), _mac(numbers[node], number))

    for (source, target), row in rows.items():
        if row < rows[target, source]:
            yield DuplexLink(port(source), port(target), row, rows[target, source])


def _mac(node: int, port: int) -> str:
    """Return a locally administered MAC address from the numbers of the node and the port."""
    return ":".join(f"{byte:02x}" for byte in (2, 0, *divmod(node, 256), *divmod(port, 256)))


def _routes(
    hosts: Sequence[str], links: Sequence[LinkSpec], duplex_links: Sequence[DuplexLink]
) -> tuple[dict[str, tuple[Route, ...]], dict[str, tuple[Neighbour, ...]]]:
    source_port = {link.forward: link.a for link in duplex_links} | {link.backward: link.b for link in duplex_links}
    target_port = {link.forward: link.b for link in duplex_links} | {link.backward: link.a for link in duplex_links}
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
                interface = source_port[path[0]].interface
                hop = next(target_port[row] for row in path if target_port[row].node in known)
                out.append(Route(target, hop.node, interface))
                near[Neighbour(hop.node, interface, hop.mac)] = None
        routes[source], neighbours[source] = tuple(out), tuple(near)
    return routes, neighbours


def _tables(switches: frozenset[str], duplex_links: Sequence[DuplexLink]) -> dict[str, tuple[Forwarding, ...]]:
    """Return the forwarding tables of switches: the port towards each attached host. Switches form no loops."""
    leaving: dict[str, list[tuple[Port, Port]]] = {}
    for link in duplex_links:
        leaving.setdefault(link.a.node, []).append((link.a, link.b))
        leaving.setdefault(link.b.node, []).append((link.b, link.a))
    tables: dict[str, list[Forwarding]] = {name: [] for name in switches}
    attached = [ends for name, pairs in leaving.items() if name not in switches for ends in pairs]
    for host, entry in attached:
        frontier = [entry] if entry.node in switches else []
        while frontier:
            towards = frontier.pop()  # port of a switch towards the host
            tables[towards.node].append(Forwarding(host.mac, towards.interface))
            frontier += [
                remote for local, remote in leaving[towards.node] if local != towards and remote.node in switches
            ]
    return {name: tuple(table) for name, table in tables.items()}
