"""A real device in the place of a node: an interface of the machine, cabled to the device, is moved into the host.

The device has the node's address. The host gives up that address and forwards packets between the cable and its links.
On the cable it answers ARP for all other nodes (proxy ARP, RFC 1027), so that the device needs no routes; broadcasts of
the device do not cross any link.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.iproute import query, run_batch
from emulator.realtime.sandbox.namespaces import network_of, network_of_descriptor

HOST_ADDRESS = "10.77.255.254"  # of the host on the cable; no node has it
PREFIX_BITS = 16  # of the device's address: to the device, all nodes are on the cable
ANSWER_TIMEOUT_S = 15.0  # until the interface detects the cable and the device answers
INTERFACE_SYSCTLS = {"ipv4/conf/{}/proxy_arp": "1", "ipv4/neigh/{}/proxy_delay": "0", "ipv6/conf/{}/disable_ipv6": "1"}


def require_unused(interface: str, outside: int) -> None:
    """Raise ValueError unless the network namespace of descriptor `outside` has the interface and does not use it: an
    interface with an address may be the machine's connection to the user."""
    with network_of_descriptor(outside):
        try:
            (found,) = query("address", "show", "dev", interface)
        except MissingDependency as error:
            raise ValueError(f"must be an interface of this machine ({error})") from error
    addresses = [each["local"] for each in found["addr_info"] if each["scope"] == "global"]
    if addresses:
        raise ValueError(f"must have no address, since it is taken from the machine; it has {', '.join(addresses)}")
    if "master" in found:
        raise ValueError(f"must not be a part of {found['master']}")


@contextmanager
def moved_into_host(interface: str, outside: int, host: int, address: str) -> Iterator[None]:
    """Move `interface` from the network namespace of descriptor `outside` into the host of process `host`, for a device
    with `address` at the other end of its cable. At exit the interface is moved back, up if it was up before; the host
    has lost its address and cannot be used any more.

    Raises MissingDependency, one line, if the device does not answer or a command fails.
    """
    with network_of_descriptor(outside):
        was_up = "UP" in query("link", "show", "dev", interface)[0]["flags"]
        run_batch("ip", [f"link set {interface} netns {host}"])
    try:
        with network_of(host):
            _replace_host(interface, address)
            _await_answer(address)
        yield
    finally:
        with network_of(host):
            run_batch("ip", [f"link set {interface} netns /proc/self/fd/{outside}"], [outside])
        if was_up:
            with network_of_descriptor(outside):
                run_batch("ip", [f"link set {interface} up"])


def _replace_host(interface: str, address: str) -> None:
    """In the host's namespace: remove `address` from the host and route it to `interface`."""
    for name, value in INTERFACE_SYSCTLS.items():
        path = Path("/proc/sys/net") / name.format(interface)
        if path.exists() or not name.startswith("ipv6"):
            path.write_text(value)
    links = [
        each["ifname"]
        for each in query("-4", "address", "show")
        if any(own["local"] == address for own in each["addr_info"])
    ]
    commands = [f"address add {HOST_ADDRESS}/32 dev {name}" for name in (*links, interface)]
    # An interface loses its routes with its last address, and a route is removed with its source address.
    for route in query("-4", "route", "show"):
        via = f"via {route['gateway']} onlink" if "gateway" in route else ""
        commands.append(f"route replace {route['dst']} dev {route['dev']} {via} src {HOST_ADDRESS}")
    commands += [f"address delete {address}/32 dev {name}" for name in links]
    commands += [f"link set {interface} up", f"route add {address}/32 dev {interface} src {HOST_ADDRESS}"]
    run_batch("ip", commands)


def _await_answer(address: str) -> None:
    """Wait for the device's answer: an interface that was moved takes seconds to detect its cable."""
    give_up = time.monotonic() + ANSWER_TIMEOUT_S
    while True:
        answer = subprocess.run(["ping", "-q", "-c", "1", "-W", "1", address], capture_output=True, check=False)
        if answer.returncode == 0:
            return
        if time.monotonic() > give_up:
            raise MissingDependency(
                f"no answer from {address}/{PREFIX_BITS} at the other end of its cable: configure the device"
            )
        time.sleep(0.1)
