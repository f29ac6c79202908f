"""What `mn --custom topologies/mn.py --topo airsplit,...` builds: a scenario's network whose links run at once."""

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
from topologies.loading.loader import load, named
from topologies.mininet.addressing import addressing
from topologies.mininet.network import topology
from topologies.mininet.topology import ScenarioTopo
from topologies.mininet.wiring import Wiring

START_LEAD_NS = 100 * NS_PER_MS  # from the word to the start
BAD_INPUT, MISSING = 3, 4  # exit codes, as those of `airsplit`


def from_command_line(scenario: str = "", log: str = "") -> ScenarioTopo:
    """The topology of a scenario's file. Its traces start when all links are there, and start again at their ends;
    packets are logged to the file `log`, by default in a folder that is made for it.

    What is wrong is said in one line. The program then ends here: of an error that reached `mn` it would first stop
    whatever else of Mininet's runs on the machine.
    """
    try:
        require()
        return _topology(Path(scenario), Path(log or Path(mkdtemp(prefix="airsplit-")) / "packets.parquet"))
    except ValueError as error:
        print(f"airsplit: {error}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from error
    except MissingDependency as error:
        print(f"airsplit: {error}", file=sys.stderr)
        raise SystemExit(MISSING) from error


def _topology(file: Path, log: Path) -> ScenarioTopo:
    scenario = load(file)
    with named(file):
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
            time.sleep(START_LEAD_NS / NS_PER_S)  # what mn is told to do next is done on links that follow their traces

        def end(relay: Relay) -> None:
            try:
                ended = relay.end()
            except RelayFailed as error:
                output(f"*** {error}\n")
            else:
                output(f"*** {ended.packets} packets over {len(system.links)} links, {ended.non_ipv4} stray: {log}\n")

        return topology(scenario, system, network, Wiring(len(network.wires), make, begin, end))
