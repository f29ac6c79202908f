"""Two hosts, each a network namespace of its own, with the relay or a kernel veth pair between them.

Only inside a private world (`emulator.realtime.sandbox`): names of interfaces are taken as they come.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from emulator.realtime.relay import Relay
from emulator.realtime.relay.tap import open_tap
from emulator.realtime.sandbox.namespaces import network_of
from emulator.system import CellSpec, LinkSpec

TCP_BYTES = 16 * 1024 * 1024  # of a socket's buffers: more than the bandwidth-delay product of any link here
ENDING_WITH_US = ("setpriv", "--pdeathsig", "KILL")
# Programs of hosts come before this machine's other work, which is not to be measured, and after the relay and its log.
FIRST = ("nice", "-n", "-10")
HOLDER = (*ENDING_WITH_US, "unshare", "--net", "sleep", "infinity")


class Host(NamedTuple):
    """A network namespace, held by a process."""

    pid: int
    address: str

    def start(self, command: Sequence[str]) -> "subprocess.Popen[str]":
        """A program in the host, its standard input and output by pipes."""
        with network_of(self.pid):
            return subprocess.Popen(
                [*ENDING_WITH_US, *FIRST, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def run(self, command: Sequence[str]) -> str:
        """What a program in the host prints. Raises CalledProcessError where it fails."""
        with network_of(self.pid):
            return subprocess.run([*FIRST, *command], check=True, capture_output=True, text=True).stdout


class Pair(NamedTuple):
    """Two hosts that are joined."""

    left: Host
    right: Host


class Lane(NamedTuple):
    """A connection: `there` from the left host to the right one, `back` the other way."""

    there: LinkSpec
    back: LinkSpec


class Joined(NamedTuple):
    """Pairs of hosts, in the order of their lanes; link 2i of the relay is `there` of lane i, link 2i + 1 `back`."""

    relay: Relay
    pairs: tuple[Pair, ...]


@contextmanager
def by_relay(
    lanes: Sequence[Lane], seed: int, duration_ns: int, cells: Mapping[str, CellSpec] | None = None
) -> Iterator[Joined]:
    """A pair of hosts a lane, all links in one relay."""
    links = [link for lane in lanes for link in lane]
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(links, cells or {}, seed, duration_ns))
        pairs = []
        for number in range(len(lanes)):
            pair = Pair(*(stack.enter_context(_host(f"10.77.{number}.{end}")) for end in (1, 2)))
            ends = []
            for host in pair:
                with network_of(host.pid):
                    ends.append(open_tap("air0"))
            _join(pair, "air0", "air0")
            relay.attach(2 * number, ends[0], ends[1])
            relay.attach(2 * number + 1, ends[1], ends[0])
            pairs.append(pair)
        yield Joined(relay, tuple(pairs))


@contextmanager
def by_veth() -> Iterator[Pair]:
    """A pair of hosts with nothing between them that has a rate or a delay."""
    with ExitStack() as stack:
        pair = Pair(*(stack.enter_context(_host(f"10.77.0.{end}")) for end in (1, 2)))
        peer = ["peer", "name", "air0", "netns", str(pair.right.pid)]
        pair.left.run(["ip", "link", "add", "air0", "type", "veth", *peer])
        _join(pair, "air0", "air0")
        yield pair


@contextmanager
def _host(address: str) -> Iterator[Host]:
    with subprocess.Popen(HOLDER) as holder:
        try:
            while _network(holder.pid) in (None, _network("self")):
                if holder.poll() is not None:
                    raise RuntimeError(f"{' '.join(HOLDER)}: exit code {holder.returncode}")
            yield Host(holder.pid, address)
        finally:
            holder.kill()


def _network(pid: int | str) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except FileNotFoundError:
        return None


def _join(pair: Pair, left: str, right: str) -> None:
    """Addresses, routes, and neighbours that nobody has to ask for; no IPv6."""
    settings = {
        "ipv6/conf/all/disable_ipv6": "1",
        "ipv4/tcp_rmem": f"4096 131072 {TCP_BYTES}",
        "ipv4/tcp_wmem": f"4096 65536 {TCP_BYTES}",
    }
    for host, other, name in ((pair.left, pair.right, left), (pair.right, pair.left, right)):
        with network_of(host.pid):
            for key, value in settings.items():
                path = Path("/proc/sys/net") / key
                if path.exists():
                    path.write_text(value)
        host.run(["ip", "link", "set", "lo", "up"])
        host.run(["ip", "addr", "add", f"{host.address}/32", "dev", name])
        host.run(["ip", "link", "set", name, "address", _hardware(host), "up"])
        host.run(["ip", "neigh", "add", other.address, "lladdr", _hardware(other), "dev", name, "nud", "permanent"])
        host.run(["ip", "route", "add", other.address, "dev", name])


def _hardware(host: Host) -> str:
    """A locally administered address (IEEE 802) from the IP address."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in host.address.split("."))
