"""Mininet's classes for emulated networks: hosts with static routes, bridges with static tables, and links between TAP
interfaces that the relay connects."""

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
from emulator.realtime.sandbox.iproute import run_batch
from emulator.realtime.sandbox.namespaces import network_of
from topologies.mininet.addressing import Addressing, DuplexLink, Forwarding
from topologies.mininet.wiring import Wiring

# Hosts forward packets from any interface and neither send nor accept redirects. TCP windows hold 16 MB, 1 Gbit/s for
# 130 ms. TCP saves no metrics: those of the probing before a run would affect the run.
HOST_SETTINGS = {
    "ipv4/ip_forward": "1",  # first, since it resets the others
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
# Disables unsolicited traffic: IPv6, and the bridges' discovery of multicast routers (224.0.0.106). Frames on a bridge
# bypass the machine's firewall.
QUIET_SETTINGS = {
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
    "ipv4/igmp_link_local_mcast_reports": "0",
    "bridge/bridge-nf-call-iptables": "0",
}


class ScenarioHost(Host):  # type: ignore[misc]  # Mininet has no types
    """A host whose address, neighbours and routes are set at once when Mininet configures it."""

    def __init__(self, name: str, network: Addressing, hosts_file: Path, **params: Any) -> None:
        super().__init__(name, **params)
        self.network = network
        self.hosts_file = hosts_file
        with network_of(self.pid):  # before it has interfaces
            apply_sysctls(HOST_SETTINGS)

    def config(self, **_: Any) -> dict[str, str]:
        """Set the address of all interfaces, and the routes, neighbours and names of hosts. Raises MissingDependency
        (one line) if a command fails."""
        address = self.network.addresses[self.name]
        with network_of(self.pid):
            run_batch("ip", _ip_commands(self.name, self.network))
        for interface in self.intfList():
            interface.ip, interface.prefixLen = address, "32"
        # Mininet gives each host mounts of its own.
        output = self.cmd(f"mount --bind {shlex.quote(str(self.hosts_file))} /etc/hosts")
        if output:
            raise MissingDependency(f"{self.name}: mount: {' '.join(output.split())}")
        return {}


class LimitedHost(ScenarioHost):
    """A host whose programs together are limited to a share of the machine's processors."""

    def __init__(self, name: str, groups: CpuGroups, share: float, **params: Any) -> None:
        super().__init__(name, **params)
        self._group = groups.limit(name, share, self.pid)

    def popen(self, *arguments: Any, **options: Any) -> Any:
        """Start a program. Its shell joins the CPU group before it enters the host's namespaces."""
        enter = ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(self._group.members)]
        return super().popen(*arguments, mncmd=[*enter, "mnexec", "-da", str(self.pid)], **options)

    def cleanup(self) -> None:
        """Remove the CPU group; called by Mininet after the host's shell has ended."""
        super().cleanup()
        self._group.remove()


class StaticBridge(LinuxBridge):  # type: ignore[misc]  # Mininet has no types
    """Mininet's `LinuxBridge` with a static table, so that it never floods frames to a host that has been silent."""

    controlIntf = None  # Mininet reads it, but does not set it for a switch in a namespace

    def __init__(self, name: str, table: Sequence[Forwarding], **params: Any) -> None:
        super().__init__(name, **params)
        self.table = table

    def start(self, controllers: object) -> None:
        """Start forwarding."""
        super().start(controllers)
        with network_of(self.pid):
            run_batch("bridge", (f"fdb add {entry.mac} dev {entry.interface} master static" for entry in self.table))


class TapInterface(Intf):  # type: ignore[misc]  # Mininet has no types
    """One end of a link. The kernel removes it when its last descriptor is closed."""

    def config(self, **_: Any) -> dict[str, str]:
        """Do nothing: the link and the host configure it."""
        return {}

    def delete(self) -> None:
        """Detach it from its node; the link closes it."""
        self.node.delIntf(self)
        self.link = None


class TraceLink(Link):  # type: ignore[misc]  # Mininet has no types
    """A link whose two directions are links of the relay, with a TAP interface in the namespace of each end."""

    def __init__(self, node1: Node, node2: Node, duplex_link: DuplexLink, wiring: Wiring, **params: Any) -> None:
        self._descriptors: list[int] = []
        self._wiring = wiring
        # `fast` creates the pair in its namespaces. Otherwise Mininet creates it here and moves it: that is slower, and
        # the names of two links created at once could collide.
        super().__init__(node1, node2, **(params | {"cls1": TapInterface, "cls2": TapInterface, "fast": True}))
        wiring.join(duplex_link, *self._descriptors)

    def makeIntfPair(  # the name is Mininet's
        self, name1: str, name2: str, mac1: str, mac2: str, node1: Node, node2: Node, **_: Any
    ) -> None:
        """Create the two ends, each in its node's network namespace."""
        for node, name, mac in ((node1, name1, mac1), (node2, name2, mac2)):
            with network_of(node.pid):
                if node.inNamespace:  # also for the interfaces that a switch adds itself
                    apply_sysctls(QUIET_SETTINGS)
                self._descriptors.append(open_tap(name))
                apply_sysctls({f"ipv6/conf/{name}/disable_ipv6": "1"})
                if not isinstance(node, ScenarioHost):  # hosts do it later in `config`; switches expect it done
                    run_batch("ip", [f"link set {name} address {mac} up"])

    def stop(self) -> None:
        """Close both ends, and the relay, which holds copies of the descriptors."""
        self._wiring.close()
        while self._descriptors:
            os.close(self._descriptors.pop())
        self.delete()


def apply_sysctls(settings: dict[str, str]) -> None:
    """Set values under /proc/sys/net in the caller's namespace; skip those that this kernel lacks, except IPv4's."""
    for name, value in settings.items():
        path = Path("/proc/sys/net") / name
        if path.exists() or name.startswith("ipv4"):
            path.write_text(value)


def _ip_commands(name: str, network: Addressing) -> Iterable[str]:
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
