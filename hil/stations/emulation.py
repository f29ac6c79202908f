"""Run a scenario in real time inside the sandbox: build its network, probe its links, run its tasks and programs."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from emulator.activation.concealment import Calibration
from emulator.core.progress import StepProgress
from emulator.core.units import NS_PER_S, ns_from_s
from emulator.policy import Decision
from emulator.realtime.probing.probe import probe
from emulator.realtime.probing.report import ProbeReport, write_probe_reports
from emulator.realtime.relay import RelayCounts
from emulator.realtime.sandbox.namespaces import network_of
from emulator.realtime.sandbox.terminal import take_terminal
from emulator.system import System
from hil.mqtt.address import Address
from hil.mqtt.broker import Broker, embedded, find_mosquitto, mosquitto
from hil.stations.files import HOSTS_FOLDER, schedule_file, store_events
from hil.stations.planning import make_schedule
from hil.stations.priority import raise_priority
from hil.stations.processes import Stations
from hil.stations.programs import Program, Programs, write_programs
from hil.stations.schedule import StationCompute, StationModel, write_schedule
from topologies.build.calibrations import calibrations_of
from topologies.build.emulation_scope import EMULATED_SUFFIX
from topologies.build.own_models import own_models
from topologies.mininet.network import EmulatedNetwork, emulated_network
from topologies.mininet.real_devices import plugged_devices
from topologies.schema.scenario import Scenario

START_DELAY_NS = 500_000_000  # from the start command until time 0 of the traces
READY_S = 300.0  # enough to draw the weights of the largest models
BROKER_PORT = 1883
DATAGRAM_PORT = 7_078
TCP_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")  # of the reader's network namespace


class EmulationResult(NamedTuple):
    """The result of an emulation: the relay's counts and its scheduling class, the links as probed before the run, the
    programs, the TCP congestion control in each node's host, the broker's name and version, the broker and stations
    that ended too early (`lost`), and the number of messages or datagrams that stations dropped."""

    ended: RelayCounts
    scheduling: str
    probed: tuple[ProbeReport, ...]
    programs: tuple[Program, ...]
    tcp_congestion_control: Mapping[str, str]
    broker: tuple[str, str] | None = None
    lost: tuple[str, ...] = ()
    dropped: int = 0


def emulate(
    scenario: Scenario, home: Path, system: System, decisions: Sequence[Decision], folder: Path, progress: StepProgress
) -> EmulationResult:
    """Execute the decided tasks in real time for the duration of `system`, and the scenario's programs beside them in
    the folder `home`. Then wait until every task is answered, at most `realtime.grace_s`.

    Writes packets.parquet, events.parquet, probes.csv, programs.csv, and under `hosts/` the files of stations and
    programs. Raises MissingDependency if a broker or a station does not start or the machine lacks something else,
    ValueError for an invalid switch, and RelayFailed if the relay fails.
    """
    with ExitStack() as stack:
        network, probed = stack.enter_context(_network(scenario, system, folder, progress))
        broker = stack.enter_context(_broker(scenario.broker, network)) if decisions and scenario.broker else None
        compute = scenario.realtime.compute
        own = own_models(scenario, home) if compute == "measured" else {}
        models = {name: StationModel(str(each.folder.path.absolute()), each.dtype) for name, each in own.items()}
        calibrations = calibrations_of(scenario, system, home)
        stations = stack.enter_context(
            _stations(system, decisions, broker, network, folder, compute, models, calibrations)
        )
        progress("starting stations", 0, 1)
        stations.await_ready(READY_S)
        progress("starting stations", 1, 1)

        def during(start_ns: int) -> None:
            end_ns = start_ns + system.duration_ns
            stations.begin(start_ns)
            _count_seconds(start_ns, end_ns, progress)
            stations.await_answers(end_ns + ns_from_s(scenario.realtime.grace_s))

        congestion_control = tcp_congestion_control(network)
        ended, programs = _run(scenario, home, network, folder, during)
        lost = [f"station at {node}" for node in sorted(stations.exited)]
        lost += ["broker"] if broker is not None and broker.process.poll() is not None else []
    store_events(folder, scenario.labels[0] + EMULATED_SUFFIX, system, progress)
    dropped = sum(stations.dropped.values())
    broker_version = None if broker is None else (broker.name, broker.version)
    return EmulationResult(
        ended, network.relay.scheduling, probed, programs, congestion_control, broker_version, tuple(lost), dropped
    )


def open_prompt(
    scenario: Scenario, home: Path, system: System, folder: Path, progress: StepProgress
) -> EmulationResult:
    """Open Mininet's prompt in the network until the user leaves it. Links follow their traces and the scenario's
    programs run, but no tasks. Writes the same files and raises the same errors as `emulate`."""
    from mininet.cli import CLI
    from mininet.log import lg

    lg.propagate = False  # the prompt prints its own output
    with _network(scenario, system, folder, progress) as (network, probed):

        def during(start_ns: int) -> None:
            _wait(start_ns)
            take_terminal()
            CLI(network.net)

        congestion_control = tcp_congestion_control(network)
        ended, programs = _run(scenario, home, network, folder, during)
        return EmulationResult(ended, network.relay.scheduling, probed, programs, congestion_control)


def tcp_congestion_control(network: EmulatedNetwork) -> dict[str, str]:
    """Return the algorithm that new TCP sockets use in the host of each node."""
    found = {}
    for node, host in network.hosts.items():
        with network_of(host.pid):
            found[node] = TCP_CONGESTION_CONTROL.read_text(encoding="ascii").strip()
    return found


@contextmanager
def _network(
    scenario: Scenario, system: System, folder: Path, progress: StepProgress
) -> Iterator[tuple[EmulatedNetwork, tuple[ProbeReport, ...]]]:
    """Yield the network and its links as probed; also write probes.csv."""
    (folder / HOSTS_FOLDER).mkdir()
    progress("building the network", 0, 1)
    with emulated_network(scenario, system) as network:
        progress("building the network", 1, 1)
        progress("probing the links", 0, 1)
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch) / "probing.parquet"
            channel = system.links, system.cells, system.seed, system.duration_ns
            probed = tuple(probe(network.relay, *channel, network.ends, log))
        write_probe_reports(folder / "probes.csv", probed)
        progress("probing the links", 1, 1)
        with plugged_devices(scenario, network):
            yield network, probed


def _run(
    scenario: Scenario, home: Path, network: EmulatedNetwork, folder: Path, during: Callable[[int], object]
) -> tuple[RelayCounts, tuple[Program, ...]]:
    """Let links follow their traces and programs run while `during(start_ns)` executes; time 0 of the traces is
    `start_ns` of CLOCK_MONOTONIC, START_DELAY_NS from now."""
    start_ns = time.monotonic_ns() + START_DELAY_NS
    network.relay.begin(start_ns, folder / "packets.parquet")
    with Programs(scenario.realtime.commands, network.hosts, start_ns, folder / HOSTS_FOLDER, home) as programs:
        during(start_ns)
    ended = network.relay.end()
    write_programs(folder / "programs.csv", programs.programs)
    return ended, tuple(programs.programs)


@contextmanager
def _broker(node: str, network: EmulatedNetwork) -> Iterator[Broker]:
    """Run a broker in the host of a node: Mosquitto if it is installed, otherwise the embedded broker."""
    start = embedded if find_mosquitto() is None else mosquitto
    with ExitStack() as running:
        with network_of(network.hosts[node].pid):
            broker = running.enter_context(start(network.address(node), BROKER_PORT))
        raise_priority(broker.process.pid)  # messages must not wait for hosts that compute
        yield broker


def _stations(
    system: System,
    decisions: Sequence[Decision],
    broker: Broker | None,
    network: EmulatedNetwork,
    folder: Path,
    compute: StationCompute,
    models: Mapping[str, StationModel],
    calibrations: Mapping[str, Mapping[int, Calibration]],
) -> Stations:
    """Return stations for the hosts that are sources or compute; their standard error goes to `hosts/NODE.log`."""
    placed = {node for each in decisions for node, *_ in each.placement}
    nodes = [node for node in system.nodes if node in placed | {each.task.source for each in decisions}]
    if nodes:
        addresses = {node: Address(network.address(node), DATAGRAM_PORT) for node in nodes}
        at_broker = None if broker is None else broker.address
        schedule = make_schedule(system, decisions, addresses, at_broker, compute, models, calibrations)
        write_schedule(schedule_file(folder), schedule)

    def launch(node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with (folder / HOSTS_FOLDER / f"{node}.log").open("wb") as log:
            process: subprocess.Popen[bytes] = network.hosts[node].popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        return process

    return Stations(schedule_file(folder), nodes, folder / HOSTS_FOLDER, launch)


def _count_seconds(start_ns: int, end_ns: int, progress: StepProgress) -> None:
    """Wait until CLOCK_MONOTONIC reads `end_ns`; report progress each second from `start_ns` on."""
    seconds = -(-(end_ns - start_ns) // NS_PER_S)
    for second in range(seconds + 1):
        _wait(min(start_ns + second * NS_PER_S, end_ns))
        progress("emulating", second, seconds)


def _wait(until_ns: int) -> None:
    """Wait until CLOCK_MONOTONIC reads `until_ns`."""
    time.sleep(max(0, until_ns - time.monotonic_ns()) / NS_PER_S)
