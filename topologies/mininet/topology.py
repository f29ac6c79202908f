"""Mininet topology of a system."""

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
    """Hosts, switches and links of a system. Every node and link names its class, because `mn` ignores the link classes
    of a user's file and its defaults are unsuitable."""

    def build(
        self, system: System, network: Addressing, wiring: Wiring, switch: type, shares: Mapping[str, float]
    ) -> None:
        """Add the nodes and links; called by Mininet with the constructor's arguments. `switch` is the class of all
        switches, `shares` the processor shares of limited hosts. Raises MissingDependency if the machine cannot limit
        them."""
        self._folder = TemporaryDirectory(prefix="airsplit-")  # exists as long as the topology
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
        for link in network.duplex_links:
            ends = _end("1", link.a) | _end("2", link.b)
            self.addLink(link.a.node, link.b.node, cls=TraceLink, duplex_link=link, wiring=wiring, **ends)


def _end(number: str, port: Port) -> dict[str, Any]:
    """Return Mininet's options for one end of a link."""
    return {f"port{number}": port.number, f"intfName{number}": port.interface, f"addr{number}": port.mac}
