"""Two hosts in network namespaces of their own, joined by the relay or by a kernel veth pair.

For use inside a sandbox (`emulator.realtime.sandbox`) only, because interfaces have fixed names.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from emulator.realtime.relay import Relay
from emulator.realtime.relay.tap import open_tap
from emulator.realtime.sandbox import KILLED_WITH_PARENT
from emulator.realtime.sandbox.namespaces import network_of
from emulator.system import CellSpec, LinkSpec

TCP_BYTES = 16 * 1024 * 1024  # of a socket's buffers: more than the bandwidth-delay product of any link here
# Programs of hosts run ahead of other work of this machine, which is not measured, and after the relay and its log.
HOST_PRIORITY = ("nice", "-n", "-10")
HOLDER = (*KILLED_WITH_PARENT, "unshare", "--net", "sleep", "infinity")


class Host(NamedTuple):
    """A network namespace, kept alive by a process."""

    pid: int
    address: str

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """Start a program in the host, with pipes for standard input and output."""
        with network_of(self.pid):
            return subprocess.Popen(
                [*KILLED_WITH_PARENT, *HOST_PRIORITY, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def run(self, command: Sequence[str]) -> str:
        """Run a program in the host and return its output. Raises CalledProcessError if it fails."""
        with network_of(self.pid):
            return subprocess.run([*HOST_PRIORITY, *command], check=True, capture_output=True, text=True).stdout


class HostPair(NamedTuple):
    """Two joined hosts."""

    left: Host
    right: Host


class LinkPair(NamedTuple):
    """Both links of a connection: `there` from the left to the right host, and `back`."""

    there: LinkSpec
    back: LinkSpec


class RelayNetwork(NamedTuple):
    """Pairs of hosts in the order of their link pairs: links 2i and 2i + 1 of the relay are those of pair i."""

    relay: Relay
    pairs: tuple[HostPair, ...]


@contextmanager
def by_relay(
    link_pairs: Sequence[LinkPair], seed: int, duration_ns: int, cells: Mapping[str, CellSpec] | None = None
) -> Iterator[RelayNetwork]:
    """Join two hosts for each link pair, with all links in one relay."""
    links = [link for pair in link_pairs for link in pair]
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(links, cells or {}, seed, duration_ns))
        pairs = []
        for number in range(len(link_pairs)):
            pair = HostPair(*(stack.enter_context(_host(f"10.77.{number}.{end}")) for end in (1, 2)))
            ends = []
            for host in pair:
                with network_of(host.pid):
                    ends.append(open_tap("tap0"))
            _join(pair, "tap0", "tap0")
            relay.attach(2 * number, ends[0], ends[1])
            relay.attach(2 * number + 1, ends[1], ends[0])
            pairs.append(pair)
        yield RelayNetwork(relay, tuple(pairs))


@contextmanager
def by_veth() -> Iterator[HostPair]:
    """Join two hosts directly, without rate or delay."""
    with ExitStack() as stack:
        pair = HostPair(*(stack.enter_context(_host(f"10.77.0.{end}")) for end in (1, 2)))
        peer = ["peer", "name", "tap0", "netns", str(pair.right.pid)]
        pair.left.run(["ip", "link", "add", "tap0", "type", "veth", *peer])
        _join(pair, "tap0", "tap0")
        yield pair


@contextmanager
def _host(address: str) -> Iterator[Host]:
    with subprocess.Popen(HOLDER) as holder:
        try:
            while _network_namespace(holder.pid) in (None, _network_namespace("self")):
                if holder.poll() is not None:
                    raise RuntimeError(f"{' '.join(HOLDER)}: exit code {holder.returncode}")
            yield Host(holder.pid, address)
        finally:
            holder.kill()


def _network_namespace(pid: int | str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except FileNotFoundError:
        return None


def _join(pair: HostPair, left: str, right: str) -> None:
    """Set addresses, routes and permanent neighbours, so that no ARP is needed; disable IPv6."""
    sysctls = {
        "ipv6/conf/all/disable_ipv6": "1",
        "ipv4/tcp_rmem": f"4096 131072 {TCP_BYTES}",
        "ipv4/tcp_wmem": f"4096 65536 {TCP_BYTES}",
    }
    for host, other, name in ((pair.left, pair.right, left), (pair.right, pair.left, right)):
        with network_of(host.pid):
            for key, value in sysctls.items():
                path = Path("/proc/sys/net") / key
                if path.exists():
                    path.write_text(value)
        host.run(["ip", "link", "set", "lo", "up"])
        host.run(["ip", "addr", "add", f"{host.address}/32", "dev", name])
        host.run(["ip", "link", "set", name, "address", _hardware_address(host), "up"])
        host.run(
            ["ip", "neigh", "add", other.address, "lladdr", _hardware_address(other), "dev", name, "nud", "permanent"]
        )
        host.run(["ip", "route", "add", other.address, "dev", name])


def _hardware_address(host: Host) -> str:
    """Return a locally administered address (IEEE 802) made from the IP address."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in host.address.split("."))
