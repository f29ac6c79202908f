"""Emulated network of a scenario: Mininet's hosts and switches, with links of the relay."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from mininet.net import Mininet
from mininet.node import Switch

from emulator.realtime.probing.sockets import LinkEnd
from emulator.realtime.relay import Relay
from emulator.system import System
from topologies.mininet.addressing import Addressing, Port, addressing
from topologies.mininet.nodes import ScenarioHost
from topologies.mininet.quiet_log import muted_mininet
from topologies.mininet.switches import switch_class
from topologies.mininet.topology import ScenarioTopo
from topologies.mininet.wiring import Wiring
from topologies.schema.scenario import Scenario

SWITCH_TIMEOUT_S = 60  # for a switch to report itself connected; a spanning tree takes half of it
PING_TIMEOUT_S = 5  # for a ping across connected switches


@dataclass(frozen=True)
class EmulatedNetwork:
    """A running network. Frames pass its links without delay until the relay's `begin`."""

    net: Any
    """Mininet's network, for its command line and its tools."""
    relay: Relay
    network: Addressing

    @property
    def hosts(self) -> dict[str, ScenarioHost]:
        """Return the hosts by node; `popen(argv)` starts a program in one."""
        return {host.name: host for host in self.net.hosts}

    def address(self, node: str) -> str:
        """Return the IP address of a node's host."""
        return self.network.addresses[node]

    @property
    def ends(self) -> tuple[tuple[LinkEnd, LinkEnd], ...]:
        """Return the source and target interfaces of every link of the system."""
        found = {}
        for link in self.network.duplex_links:
            found[link.forward] = self._place(link.a), self._place(link.b)
            found[link.backward] = self._place(link.b), self._place(link.a)
        return tuple(found[row] for row in sorted(found))

    def _place(self, port: Port) -> LinkEnd:
        address = self.network.addresses.get(port.node)
        return LinkEnd(self.net[port.node].pid, port.interface, port.mac, address)


def require_network(scenario: Scenario, system: System) -> None:
    """Raise, before anything is created, the errors of `emulated_network` for unusable switches or missing links."""
    if not system.links:
        raise ValueError("links: must be one or more to be emulated in real time")
    if any(node.role == "switch" for node in system.nodes.values()):
        switch_class(scenario.realtime.switch)


@contextmanager
def emulated_network(scenario: Scenario, system: System) -> Iterator[EmulatedNetwork]:
    """Run the network of a scenario and its system, in the network namespace of the caller, which should be private.

    Raises ValueError (one line) if a switch is unusable or does not forward; MissingDependency; RelayFailed.
    """
    require_network(scenario, system)
    network = addressing(system.nodes, system.links)
    with ExitStack() as running:
        relay = running.enter_context(Relay(system.links, system.cells, system.seed, system.duration_ns))
        topo = topology_of(
            scenario, system, network, Wiring(len(network.duplex_links), lambda: relay, _do_nothing, _do_nothing)
        )
        with muted_mininet():  # it warns about limits that do not exist in a private network namespace
            net = Mininet(topo=topo, controller=None, build=False)
        running.callback(net.stop)
        net.build()
        net.start()
        _await_switches(net, network, scenario.realtime.switch)
        yield EmulatedNetwork(net, relay, network)


def _do_nothing(_: Relay) -> None:
    """Leave `begin` and `end` of the relay to the caller of `emulated_network`."""


def topology_of(scenario: Scenario, system: System, network: Addressing, wiring: Wiring) -> ScenarioTopo:
    """Return the topology for Mininet. Raises as `emulated_network`."""
    switch = switch_class(scenario.realtime.switch) if network.tables else Switch
    return ScenarioTopo(system, network, wiring, switch, cpu_shares(scenario))


def cpu_shares(scenario: Scenario) -> Mapping[str, float]:
    """Return the shares of the machine's processors of all limited hosts."""
    return {
        name: host.cpu
        for host in scenario.realtime.hosts
        if host.cpu is not None
        for name in scenario.names_of(host.nodes)
    }


def _await_switches(net: Any, network: Addressing, name: str) -> None:
    """Wait until frames pass the switches between hosts. The pings also fill the tables of learning switches."""
    if not network.tables:
        return
    net.waitConnected(timeout=SWITCH_TIMEOUT_S)
    near_switches = {
        port
        for link in network.duplex_links
        for port, other in ((link.a, link.b), (link.b, link.a))
        if other.node in network.tables and port.node not in network.tables
    }
    pings = {
        (port.node, neighbour.node): net[port.node].popen(
            ["ping", "-q", "-c", "1", "-w", str(PING_TIMEOUT_S), network.addresses[neighbour.node]]
        )
        for port in near_switches
        for neighbour in network.neighbours[port.node]
        if neighbour.interface == port.interface
    }
    for (source, target), ping in pings.items():
        ping.communicate()
        if ping.returncode != 0:
            raise ValueError(f"realtime.switch={name}: must forward between hosts; none of {source}'s reached {target}")
