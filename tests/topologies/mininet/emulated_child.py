"""Child process in private namespaces: starts a scenario's network, runs experiments, prints their results as JSON."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pyarrow.parquet as pq

from emulator.realtime.relay import Relay, RelayCounts
from topologies.build import build
from topologies.loading.loader import load
from topologies.mininet.network import EmulatedNetwork, emulated_network

START_LEAD_NS = 100_000_000


@contextmanager
def running(network: EmulatedNetwork) -> Iterator[dict[str, Any]]:
    """Run the relay within the context; yield a dict that afterwards contains its counts, and the packets by link."""
    log = Path(mkdtemp()) / "packets.parquet"
    start_ns = time.monotonic_ns() + START_LEAD_NS
    network.relay.begin(start_ns, log)
    time.sleep(START_LEAD_NS / 1e9 * 1.5)
    found: dict[str, Any] = {}
    yield found
    time.sleep(0.3)  # for packets in flight
    ended: RelayCounts = network.relay.end()
    found["ended"] = ended._asdict()
    links = pq.read_table(log)["link"].to_pylist()
    found["packets"] = [links.count(row) for row in range(len(network.ends))]


def ping(network: EmulatedNetwork, source: str, target: str) -> subprocess.Popen[bytes]:
    """Start one ping, by name."""
    started: subprocess.Popen[bytes] = network.hosts[source].popen(["ping", "-c", "1", "-W", "5", target])
    return started


def ping_all(network: EmulatedNetwork) -> dict[str, Any]:
    """Ping from each host to each other."""
    return pings(network, list(permutations(network.hosts, 2)))


def ping_cloud(network: EmulatedNetwork) -> dict[str, Any]:
    """Ping from each host to the cloud."""
    return pings(network, [(name, "cloud") for name in network.hosts if name != "cloud"])


def pings(network: EmulatedNetwork, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Send one ping per pair; return the time to live of the answers."""
    with running(network) as found:
        started = {ends: ping(network, *ends) for ends in pairs}
        outputs = {ends: each.communicate()[0].decode() for ends, each in started.items()}
    ttl = {f"{a} {b}": int(text.partition("ttl=")[2].split()[0]) for (a, b), text in outputs.items() if "ttl=" in text}
    return {"ttl": ttl, **found}


def silence(network: EmulatedNetwork) -> dict[str, Any]:
    """Leave the network idle for a second."""
    with running(network) as found:
        time.sleep(1)
    return found


def interfaces(network: EmulatedNetwork) -> dict[str, Any]:
    """Return the interfaces and the known names inside the nodes' namespaces and outside of them."""
    here = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    nodes = {node.name: node.cmd("ip -o link") for node in (*network.net.hosts, *network.net.switches)}
    six = [node.cmd("ip -6 addr") for node in (*network.net.hosts, *network.net.switches)]
    names = {name: host.cmd("cat /etc/hosts") for name, host in network.hosts.items()}
    return {
        "here": here.count("\n"),
        "nodes": {name: sorted(line.split(": ")[1] for line in text.splitlines()) for name, text in nodes.items()},
        "six": "".join(six).strip(),
        "names": sorted(set(names.values())),
        "names_here": Path("/etc/hosts").read_text(),
        "ends": [[source.interface, target.interface] for source, target in network.ends],
    }


def burn(network: EmulatedNetwork) -> dict[str, Any]:
    """Return the processor time of two concurrent programs in a second, in a limited and in an unlimited host."""
    script = "timeout 1 sh -c 'while :; do :; done' & timeout 1 sh -c 'while :; do :; done' & wait; times"
    found = {}
    for name in ("edge1", "cloud"):
        text = network.hosts[name].popen(["sh", "-c", script]).communicate()[0].decode()
        minutes, _, seconds = text.splitlines()[1].split()[0].rstrip("s").partition("m")
        found[name] = 60 * int(minutes) + float(seconds)
    return found


def main(path: str, experiments: str, *overrides: str) -> None:
    """Print the results of the experiments (names separated by commas), or the error."""
    scenario = load(Path(path), overrides)
    system = build(scenario, Path(path).parent)
    Relay(system.links, system.cells, system.seed, system.duration_ns).close()  # compiles before the measurement
    before = time.monotonic()
    try:
        with emulated_network(scenario, system) as network:
            up_s = time.monotonic() - before
            tools = {each.__name__: each for each in (silence, interfaces, burn, ping_all, ping_cloud)}
            found = {name: tools[name](network) for name in experiments.split(",")}
            print(json.dumps({"up_s": up_s, **found}))
    except (ValueError, RuntimeError) as error:
        print(json.dumps({"refused": f"{type(error).__name__}: {error}"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
