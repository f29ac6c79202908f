"""What Mininet builds an emulated network of: hosts that know their ways, bridges that need not learn, and links
whose ends the relay joins."""

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mininet.link import Intf, Link
from mininet.node import Host, Node
from mininet.nodelib import LinuxBridge

from emulator.core.errors import MissingDependency
from emulator.realtime.relay.tap import open_tap
from emulator.realtime.sandbox.cpu_groups import CpuGroups
from emulator.realtime.sandbox.iproute import run_all
from emulator.realtime.sandbox.namespaces import network_of
from topologies.mininet.addressing import Addressing, Forwarding, Wire
from topologies.mininet.wiring import Wiring

# What a host's kernel does with packets of others: pass them on whichever way they came, and speak of no better one.
# Windows hold 16 MB, 1 Gbit/s for 130 ms; no connection leaves anything to the next, or what was probed before a run
# would shape it.
HOST_SETTINGS = {
    "ipv4/ip_forward": "1",  # first: it resets others
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv4/conf/all/accept_redirects": "0",
    "ipv4/conf/default/accept_redirects": "0",
    "ipv4/tcp_rmem": "10240 131072 16777216",
    "ipv4/tcp_wmem": "10240 87380 16777216",
    "ipv4/tcp_no_metrics_save": "1",
}
# What speaks unasked: IPv6, and bridges that look for others with an ear for multicasts (224.0.0.106). What a bridge
# carries is nothing for the machine's firewall.
QUIET_SETTINGS = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/igmp_link_local_mcast_reports": "0",
    "bridge/bridge-nf-call-iptables": "0",
}


class ScenarioHost(Host):  # type: ignore[misc]  # Mininet has no types
    """A host that is told its address, its neighbours and its ways all at once, when Mininet configures it."""

    def __init__(self, name: str, network: Addressing, hosts_file: Path, **params: Any) -> None:
        super().__init__(name, **params)
        self.network = network
        self.hosts_file = hosts_file
        with network_of(self.pid):  # before it has interfaces
            apply(HOST_SETTINGS)

    def config(self, **_: Any) -> dict[str, str]:
        """Give all interfaces the host's address, and the host its routes, its neighbours and their names. Raises
        MissingDependency, one line, where the machine refuses any of it."""
        address = self.network.addresses[self.name]
        with network_of(self.pid):
            run_all("ip", _orders(self.name, self.network))
        for interface in self.intfList():
            interface.ip, interface.prefixLen = address, "32"
        # Mininet gives each host mounts of its own.
        said = self.cmd(f"mount --bind {shlex.quote(str(self.hosts_file))} /etc/hosts")
        if said:
            raise MissingDependency(f"{self.name}: mount: {' '.join(said.split())}")
        return {}


class LimitedHost(ScenarioHost):
    """A host whose programs together have a share of the machine's processors."""

    def __init__(self, name: str, groups: CpuGroups, share: float, **params: Any) -> None:
        super().__init__(name, **params)
        self._group = groups.limit(name, share, self.pid)

    def popen(self, *arguments: Any, **options: Any) -> Any:
        """Start a program; its shell is in the group before it enters the host."""
        enter = ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._group.members)]
        return super().popen(*arguments, mncmd=[*enter, "mnexec", "-da", str(self.pid)], **options)

    def cleanup(self) -> None:
        """What Mininet calls when the host's shell is gone."""
        super().cleanup()
        self._group.remove()


class StaticBridge(LinuxBridge):  # type: ignore[misc]  # Mininet has no types
    """Mininet's `LinuxBridge`, told where every host is: it never floods, however long a host has been silent."""

    controlIntf = None  # Mininet leaves it out for a switch with a namespace of its own, and asks for it

    def __init__(self, name: str, table: Sequence[Forwarding], **params: Any) -> None:
        super().__init__(name, **params)
        self.table = table

    def start(self, controllers: object) -> None:
        """Start forwarding."""
        super().start(controllers)
        with network_of(self.pid):
            run_all("bridge", (f"fdb add {entry.mac} dev {entry.interface} master static" for entry in self.table))


class TapInterface(Intf):  # type: ignore[misc]  # Mininet has no types
    """One end of a link. It is gone when nobody has its descriptor open any more."""

    def config(self, **_: Any) -> dict[str, str]:
        """Nothing: its link and its host do it, for all interfaces at once."""
        return {}

    def delete(self) -> None:
        """Forget it; its link closes it."""
        self.node.delIntf(self)
        self.link = None


class TraceLink(Link):  # type: ignore[misc]  # Mininet has no types
    """A connection whose two directions are links of the relay: a TAP inside each end's namespace."""

    def __init__(self, node1: Node, node2: Node, wire: Wire, wiring: Wiring, **params: Any) -> None:
        self._descriptors: list[int] = []
        self._wiring = wiring
        # `fast` has the pair made where it belongs. Mininet's other way, to make it here and move it, is slower, and
        # two links that are made at once could meet under one name.
        super().__init__(node1, node2, **(params | {"cls1": TapInterface, "cls2": TapInterface, "fast": True}))
        wiring.join(wire, *self._descriptors)

    def makeIntfPair(  # the name is Mininet's
        self, name1: str, name2: str, mac1: str, mac2: str, node1: Node, node2: Node, **_: Any
    ) -> None:
        """Make the two ends, each in its node's network namespace."""
        for node, name, mac in ((node1, name1, mac1), (node2, name2, mac2)):
            with network_of(node.pid):
                if node.inNamespace:  # what a switch adds of its own must be quiet too
                    apply(QUIET_SETTINGS)
                self._descriptors.append(open_tap(name))
                apply({f"ipv6/conf/{name}/disable_ipv6": "1"})
                if not isinstance(node, ScenarioHost):  # which do it later, all at once; switches expect it done
                    run_all("ip", [f"link set {name} address {mac} up"])

    def stop(self) -> None:
        """Close both ends, and the relay, which has copies."""
        self._wiring.close()
        while self._descriptors:
            os.close(self._descriptors.pop())
        self.delete()


def apply(settings: dict[str, str]) -> None:
    """Set what /proc/sys/net holds for the caller's namespace; but for IPv4, what this kernel has of it."""
    for name, value in settings.items():
        path = Path("/proc/sys/net") / name
        if path.exists() or name.startswith("ipv4"):
            path.write_text(value)


def _orders(name: str, network: Addressing) -> Iterable[str]:
    own = network.addresses[name]
    yield "link set lo up"
    for port in network.ports[name]:
        yield f"link set {port.interface} address {port.mac} up"
        yield f"addr add {own}/32 dev {port.interface}"
    for node, interface, mac in network.neighbours[name]:
        yield f"neigh replace {network.addresses[node]} lladdr {mac} dev {interface} nud permanent"
    for target, via, interface in network.routes[name]:
        hop = network.addresses[via]
        yield f"route add {network.addresses[target]}/32 via {hop} dev {interface} onlink src {own}"
