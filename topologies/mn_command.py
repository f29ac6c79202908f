"""Topology for `mn --custom topologies/mn.py --topo airsplit,...`: a scenario's network with running links."""

import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from mininet.log import output

from emulator.core.errors import MissingDependency
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.relay import Relay, RelayFailed
from emulator.realtime.sandbox.requirements import require
from topologies.build import build
from topologies.build.emulation_scope import require_no_failures
from topologies.loading.loader import load, prefix_errors
from topologies.mininet.addressing import addressing
from topologies.mininet.network import topology_of
from topologies.mininet.topology import ScenarioTopo
from topologies.mininet.wiring import Wiring

START_LEAD_NS = 100 * NS_PER_MS  # from the call of begin to time 0 of the traces
BAD_INPUT, MISSING = 3, 4  # exit codes, as those of `airsplit`


def from_command_line(scenario: str = "", log: str = "") -> ScenarioTopo:
    """Return the topology of a scenario's file. Its traces start when all links exist, and repeat from their ends.
    Packets are logged to the file `log`; default: a file in a new temporary folder.

    On an error, print one line and exit here: if the error reached `mn`, it would stop all other networks of Mininet on
    the machine.
    """
    try:
        require()
        return _topology(Path(scenario), Path(log or Path(mkdtemp(prefix="airsplit-")) / "packets.parquet"))
    except ValueError as error:
        for line in str(error).splitlines():
            print(f"airsplit: {line}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from error
    except MissingDependency as error:
        print(f"airsplit: {error}", file=sys.stderr)
        raise SystemExit(MISSING) from error


def _topology(file: Path, log: Path) -> ScenarioTopo:
    scenario = load(file)
    with prefix_errors(file, ()):
        require_no_failures(scenario)
        for index, host in enumerate(scenario.realtime.hosts):
            if host.interface is not None:
                place = f"realtime.hosts[{index}].interface={host.interface}"
                raise ValueError(f"{place}: must not be given for mn; `airsplit emulate` takes real devices in")
        system = build(scenario, file.parent)
        network = addressing(system.nodes, system.links)

        def make() -> Relay:
            return Relay(system.links, system.cells, system.seed, system.duration_ns)

        def begin(relay: Relay) -> None:
            relay.begin(time.monotonic_ns() + START_LEAD_NS, log)
            time.sleep(START_LEAD_NS / NS_PER_S)  # the next commands of mn then find links that follow their traces

        def end(relay: Relay) -> None:
            try:
                ended = relay.end()
            except RelayFailed as error:
                output(f"*** {error}\n")
            else:
                output(f"*** {ended.packets} packets over {len(system.links)} links, {ended.non_ipv4} stray: {log}\n")

        return topology_of(scenario, system, network, Wiring(len(network.duplex_links), make, begin, end))
