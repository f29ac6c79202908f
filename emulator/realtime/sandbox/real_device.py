"""A real device in a host's place: an interface of the machine, with a cable to the device, becomes the host's.

The device has the node's address. The host, which gives it up, passes packets between the cable and its links. On the
cable it answers for the addresses of all other nodes (proxy ARP, RFC 1027), so that the device needs no routes, and of
what the device broadcasts nothing crosses a link.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.iproute import described, run_all
from emulator.realtime.sandbox.namespaces import network_behind, network_of

ON_CABLE = "10.77.255.254"  # the host's own there; no node has this address
PREFIX_BITS = 16  # of the device's address: all nodes are on the cable, as it sees it
ANSWER_S = 15.0  # for the interface to find the cable, and the device to answer
SETTINGS = {"ipv4/conf/{}/proxy_arp": "1", "ipv4/neigh/{}/proxy_delay": "0", "ipv6/conf/{}/disable_ipv6": "1"}


def require_free(interface: str, outside: int) -> None:
    """Raise ValueError unless the network behind the descriptor `outside` has the interface, and does not use it: one
    with an address of its own may be the machine's way to the user."""
    with network_behind(outside):
        try:
            (found,) = described("address", "show", "dev", interface)
        except MissingDependency as error:
            raise ValueError(f"must be an interface of this machine ({error})") from error
    addresses = [each["local"] for each in found["addr_info"] if each["scope"] == "global"]
    if addresses:
        raise ValueError(f"must have no address, since it is taken from the machine; it has {', '.join(addresses)}")
    if "master" in found:
        raise ValueError(f"must not be a part of {found['master']}")


@contextmanager
def plugged(interface: str, outside: int, host: int, address: str) -> Iterator[None]:
    """Within it, `interface` is in the host of the process `host` instead of in the network behind the descriptor
    `outside`, and who has `address` is at the other end of its cable. Afterwards the interface is back, up if it was;
    the host, which had the address, is of no more use.

    Raises MissingDependency, one line, where nobody answers there or the machine refuses something.
    """
    with network_behind(outside):
        was_up = "UP" in described("link", "show", "dev", interface)[0]["flags"]
        run_all("ip", [f"link set {interface} netns {host}"])
    try:
        with network_of(host):
            _take_the_place(interface, address)
            _await_answer(address)
        yield
    finally:
        with network_of(host):
            run_all("ip", [f"link set {interface} netns /proc/self/fd/{outside}"], [outside])
        if was_up:
            with network_behind(outside):
                run_all("ip", [f"link set {interface} up"])


def _take_the_place(interface: str, address: str) -> None:
    """In the host's namespace: `address` is no longer here, but behind `interface`."""
    for name, value in SETTINGS.items():
        path = Path("/proc/sys/net") / name.format(interface)
        if path.exists() or not name.startswith("ipv6"):
            path.write_text(value)
    links = [
        each["ifname"]
        for each in described("-4", "address", "show")
        if any(own["local"] == address for own in each["addr_info"])
    ]
    orders = [f"address add {ON_CABLE}/32 dev {name}" for name in (*links, interface)]
    # With its last address an interface loses its routes and neighbours, and with a source's address go its routes.
    for way in described("-4", "route", "show"):
        hop = f"via {way['gateway']} onlink" if "gateway" in way else ""
        orders.append(f"route replace {way['dst']} dev {way['dev']} {hop} src {ON_CABLE}")
    orders += [f"address delete {address}/32 dev {name}" for name in links]
    orders += [f"link set {interface} up", f"route add {address}/32 dev {interface} src {ON_CABLE}"]
    run_all("ip", orders)


def _await_answer(address: str) -> None:
    """An interface that was moved finds its cable anew, which takes seconds."""
    give_up = time.monotonic() + ANSWER_S
    while True:
        asked = subprocess.run(["ping", "-q", "-c", "1", "-W", "1", address], capture_output=True, check=False)
        if asked.returncode == 0:
            return
        if time.monotonic() > give_up:
            raise MissingDependency(
                f"nobody answers at {address}/{PREFIX_BITS}, at the other end of its cable: configure the device"
            )
        time.sleep(0.1)
