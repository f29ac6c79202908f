"""A scenario as a network of Mininet's hosts and switches, whose links are the relay's."""

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
from topologies.mininet.quiet_log import saying_nothing
from topologies.mininet.switches import switch_class
from topologies.mininet.topology import ScenarioTopo
from topologies.mininet.wiring import Wiring
from topologies.schema.scenario import Scenario

SWITCH_TIMEOUT_S = 60  # until a switch says that it is connected: a spanning tree takes half of it
PING_TIMEOUT_S = 5  # until a frame has crossed connected switches


@dataclass(frozen=True)
class EmulatedNetwork:
    """A network that is up: frames pass its links at once until the relay is told to begin."""

    net: Any
    """Mininet's own object, for its prompt and its tools."""
    relay: Relay
    network: Addressing

    @property
    def hosts(self) -> dict[str, ScenarioHost]:
        """The hosts by their nodes' names; `popen(argv)` starts a program in one."""
        return {host.name: host for host in self.net.hosts}

    def address(self, node: str) -> str:
        """The address of a node's host."""
        return self.network.addresses[node]

    @property
    def ends(self) -> tuple[tuple[LinkEnd, LinkEnd], ...]:
        """For every link of the system, the interface that it comes from and the one that it leads to."""
        found = {}
        for wire in self.network.wires:
            found[wire.forward] = self._place(wire.a), self._place(wire.b)
            found[wire.backward] = self._place(wire.b), self._place(wire.a)
        return tuple(found[row] for row in sorted(found))

    def _place(self, port: Port) -> LinkEnd:
        address = self.network.addresses.get(port.node)
        return LinkEnd(self.net[port.node].pid, port.interface, port.mac, address)


def require_network(scenario: Scenario, system: System) -> None:
    """Raise what `emulated_network` would of a scenario whose switches cannot be, or that has no links, before anything
    is made."""
    if not system.links:
        raise ValueError("links: must be one or more to be emulated in real time")
    if any(node.role == "switch" for node in system.nodes.values()):
        switch_class(scenario.realtime.switch)


@contextmanager
def emulated_network(scenario: Scenario, system: System) -> Iterator[EmulatedNetwork]:
    """Within it the network of a scenario and its system is up, in the network namespace of the caller, which should
    be a private one.

    Raises ValueError, one line, for a switch that cannot be, or forwards nothing; MissingDependency for what the
    machine lacks; RelayFailed.
    """
    require_network(scenario, system)
    network = addressing(system.nodes, system.links)
    with ExitStack() as running:
        relay = running.enter_context(Relay(system.links, system.cells, system.seed, system.duration_ns))
        topo = topology(scenario, system, network, Wiring(len(network.wires), lambda: relay, _nothing, _nothing))
        with saying_nothing():  # it warns of limits that a private network namespace has not, after raising the others
            net = Mininet(topo=topo, controller=None, build=False)
        running.callback(net.stop)
        net.build()
        net.start()
        _await_switches(net, network, scenario.realtime.switch)
        yield EmulatedNetwork(net, relay, network)


def _nothing(_: Relay) -> None:
    """Frames pass at once until somebody tells the relay to begin."""


def topology(scenario: Scenario, system: System, network: Addressing, wiring: Wiring) -> ScenarioTopo:
    """What Mininet builds the network from. Raises as `emulated_network` does."""
    switch = switch_class(scenario.realtime.switch) if network.tables else Switch
    return ScenarioTopo(system, network, wiring, switch, shares(scenario))


def shares(scenario: Scenario) -> Mapping[str, float]:
    """The share of the machine's processors that each limited host may use."""
    return {
        name: host.cpu
        for host in scenario.realtime.hosts
        if host.cpu is not None
        for name in scenario.names_of(host.nodes)
    }


def _await_switches(net: Any, network: Addressing, name: str) -> None:
    """Wait until frames cross the switches between hosts, and teach them meanwhile who is where."""
    if not network.tables:
        return
    net.waitConnected(timeout=SWITCH_TIMEOUT_S)
    near_switches = {
        wire_end
        for wire in network.wires
        for wire_end, other in ((wire.a, wire.b), (wire.b, wire.a))
        if other.node in network.tables and wire_end.node not in network.tables
    }
    asking = {
        (port.node, neighbour.node): net[port.node].popen(
            ["ping", "-q", "-c", "1", "-w", str(PING_TIMEOUT_S), network.addresses[neighbour.node]]
        )
        for port in near_switches
        for neighbour in network.neighbours[port.node]
        if neighbour.interface == port.interface
    }
    for (source, target), ping in asking.items():
        ping.communicate()
        if ping.returncode != 0:
            raise ValueError(f"realtime.switch={name}: must forward between hosts; none of {source}'s reached {target}")
