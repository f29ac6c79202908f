"""A system as a topology of Mininet."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mininet.topo import Topo

from emulator.realtime.sandbox.cpu_groups import CpuGroups
from emulator.system import System
from topologies.mininet.addressing import Addressing, Port
from topologies.mininet.nodes import LimitedHost, ScenarioHost, StaticBridge, TraceLink
from topologies.mininet.wiring import Wiring


class ScenarioTopo(Topo):  # type: ignore[misc]  # Mininet has no types
    """Hosts, switches and links of a system. Every node and every link names its class itself: `mn` ignores what a
    user's file says of links, and what it does by default is for other networks."""

    def build(
        self, system: System, network: Addressing, wiring: Wiring, switch: type, shares: Mapping[str, float]
    ) -> None:
        """Called by Mininet with what the topology is made with. `switch` is the class of all switches; `shares` has
        those of the machine's processors that limited hosts may use. Raises MissingDependency where the machine
        limits none."""
        self._folder = TemporaryDirectory(prefix="airsplit-")  # stays as long as the topology
        hosts_file = Path(self._folder.name) / "hosts"
        hosts_file.write_text(network.hosts_file)
        groups = CpuGroups() if shares else None
        for number, name in enumerate(system.nodes, 1):
            if name in network.tables:
                own: dict[str, Any] = {"table": network.tables[name]} if issubclass(switch, StaticBridge) else {}
                self.addSwitch(name, cls=switch, dpid=f"{number:x}", inNamespace=True, **own)
                continue
            own = {"cls": ScenarioHost}
            if groups is not None and name in shares:
                own = {"cls": LimitedHost, "groups": groups, "share": shares[name]}
            self.addHost(name, network=network, hosts_file=hosts_file, **own)
        for wire in network.wires:
            ends = _end("1", wire.a) | _end("2", wire.b)
            self.addLink(wire.a.node, wire.b.node, cls=TraceLink, wire=wire, wiring=wiring, **ends)


def _end(number: str, port: Port) -> dict[str, Any]:
    """What Mininet calls one end of a link's options."""
    return {f"port{number}": port.number, f"intfName{number}": port.interface, f"addr{number}": port.mac}
