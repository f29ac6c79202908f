"""An emulation with known content: a small system, its simulated rows, and constructed real tasks."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.realtime.packet_log import DELIVERED
from emulator.realtime.station_events import STATION_EVENTS
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import Control, Cost, DeviceSpec, LayerTimes, LinkSpec, Node, System
from emulator.task import parse
from emulator.trace import constant
from emulator.workload import Periodic, Stream
from results.agreement import write_agreement
from tests.emulator.realtime.logs import LATE_NS, Arrival, LogRow, relayed, write
from tests.emulator.systems import CONVNET, IMAGE, Fixed

US = 1_000
SIMULATED, EMULATED = "split", "split@emulated"
INPUT_BYTES, RESULT_BYTES = 4_000, 400
SERVICE_NS = 5 * NS_PER_MS  # all layers
OWN_HEADER, TCP_HEADERS, SEGMENT = 24, 52, 1_448
MQTT_HEADER = {INPUT_BYTES: 27, RESULT_BYTES: 25}  # with the topics airsplit/station/edge1 and .../ue1

# One byte takes 1 us between UE and gNB, and 0.1 us on the wires.
AIR_DELAY_NS, WIRE_DELAY_NS = 2 * NS_PER_MS, NS_PER_MS
UP, DOWN, OUT, BACK = range(4)
LINKS = (
    LinkSpec("ue1", "gnb", constant(8e6), AIR_DELAY_NS),
    LinkSpec("gnb", "ue1", constant(8e6), AIR_DELAY_NS),
    LinkSpec("gnb", "edge1", constant(80e6), WIRE_DELAY_NS),
    LinkSpec("edge1", "gnb", constant(80e6), WIRE_DELAY_NS),
)
BYTE_NS = {UP: US, DOWN: US, OUT: 100, BACK: 100}
DELAY_NS = {link: spec.delay_ns for link, spec in enumerate(LINKS)}


def world(tasks: int = 1, interval_ns: int = 100 * NS_PER_MS, broker: str | None = "gnb") -> System:
    """A UE, a gNB where the broker is, and a server that runs everything, in SERVICE_NS; tasks from 10 ms on."""
    nothing = (0,) * len(CONVNET.layers)
    measured = {CONVNET.name: LayerTimes((SERVICE_NS // len(CONVNET.layers),) * len(CONVNET.layers), nothing, nothing)}
    device = DeviceSpec(1e9, 2**30, 1e9, 1e9, measured=measured)
    nodes = {"ue1": Node("ue1", "ue", device), "gnb": Node("gnb", "gnb"), "edge1": Node("edge1", "edge", device)}
    kind = replace(IMAGE, input_bytes=INPUT_BYTES, result_bytes=RESULT_BYTES)
    stream = Stream("ue1", kind, Periodic(interval_ns, 10 * NS_PER_MS))
    placements = {("ue1", kind.name): (parse(f"edge1:0-{len(CONVNET.layers)}"),)}
    duration_ns = 10 * NS_PER_MS + tasks * interval_ns
    control = Control("gnb", 0, NS_PER_MS)
    return System("world", 1, duration_ns, nodes, LINKS, (stream,), placements, control, Cost(10.0), broker)


class RealDelays(NamedTuple):
    """Delays in ns of a real task that the simulation does not model; `hold_gaps`: the sender's pause before each
    later packet of the input."""

    wake: int = 100 * US
    encode: int = 300 * US
    leave: int = 200 * US
    hold_gaps: tuple[int, ...] = (0, 0)
    relay: int = 400 * US
    reach: int = 150 * US
    decode: int = 70 * US
    queue: int = 30 * US
    compute: int = 2 * NS_PER_MS
    late: int = 500 * US


class Streamed(NamedTuple):
    """An input with given packets; `left_ns`: departure of the last packet with a byte of it."""

    packets: list[Arrival]
    left_ns: int


class RealTask(NamedTuple):
    """A real task: its events, its packets, and the time of its answer."""

    events: list[tuple[Any, ...]]
    packets: list[Arrival]
    end_ns: int


def wire_bytes(size_bytes: int) -> int:
    """Return the bytes that TCP carries for the input or the result."""
    return size_bytes + OWN_HEADER + MQTT_HEADER[size_bytes]


def segments(size_bytes: int) -> list[int]:
    """Return the sizes of a message's packets over MQTT and TCP."""
    left = wire_bytes(size_bytes)
    return [min(SEGMENT, left - done) + TCP_HEADERS for done in range(0, left, SEGMENT)]


def real_task(
    number: int,
    arrival_ns: int,
    delays: RealDelays,
    ahead: Mapping[int, int] = {},
    byte_ns: Mapping[int, int] = {},
    streamed: Streamed | None = None,
) -> RealTask:
    """Return a task that is alone on its links, except for packets of `ahead` bytes just before its messages. A byte
    takes BYTE_NS on a link, unless `byte_ns` differs. `streamed`: replaces the input's transfer over the first link."""
    byte_ns = {**BYTE_NS, **byte_ns}
    events: list[tuple[Any, ...]] = []
    packets: list[Arrival] = []

    def happen(node: str, event: str, stage: int, at_ns: int, size_bytes: int = 0) -> int:
        events.append((node, "ue1", IMAGE.name, number, 0, stage, event, at_ns, size_bytes))
        return at_ns

    def cross(link: int, first_ns: int, sizes: list[int], gaps_ns: Iterable[int]) -> int:
        """Return the departure of the last packet from the relay."""
        done_ns = first_ns
        if link in ahead:
            packets.append(Arrival(link, first_ns, ahead[link]))
            done_ns += ahead[link] * byte_ns[link]
        came_ns = first_ns
        for size, gap_ns in zip(sizes, (0, *gaps_ns), strict=True):
            came_ns += gap_ns
            packets.append(Arrival(link, came_ns, size))
            done_ns = max(done_ns, came_ns) + size * byte_ns[link]
        return done_ns + DELAY_NS[link] + LATE_NS

    def send(stage: int, size_bytes: int, at_ns: int, sender: str, receiver: str, links: tuple[int, int]) -> int:
        """Return the time at which the message is decoded."""
        at_ns = happen(sender, "published", stage, at_ns + delays.encode, size_bytes + OWN_HEADER)
        sizes = segments(size_bytes)
        gaps = delays.hold_gaps if len(sizes) > 1 else ()
        if streamed is not None and stage == 0:
            packets.extend(streamed.packets)
            at_ns = streamed.left_ns
        else:
            at_ns = cross(links[0], at_ns + delays.leave, sizes, gaps)
        at_ns = cross(links[1], at_ns + delays.relay, sizes, (0,) * (len(sizes) - 1))
        at_ns = happen(receiver, "received", stage, at_ns + delays.reach, size_bytes + OWN_HEADER)
        return happen(receiver, "decoded", stage, at_ns + delays.decode)

    at_ns = happen("ue1", "woke", 0, arrival_ns + delays.wake)
    at_ns = send(0, INPUT_BYTES, at_ns, "ue1", "edge1", (UP, OUT))
    at_ns = happen("edge1", "started", 0, at_ns + delays.queue)
    happen("edge1", "computed", 0, at_ns + delays.compute)
    at_ns = happen("edge1", "finished", 0, at_ns + SERVICE_NS + delays.late)
    return RealTask(events, packets, send(1, RESULT_BYTES, at_ns, "edge1", "ue1", (BACK, DOWN)))


def write_world(
    folder: Path, system: System, tasks: Iterable[RealTask], spoil: Any = list, more: Iterable[Arrival] = ()
) -> list[dict[str, Any]]:
    """The folder of the emulation of these tasks (those of the simulation's first numbers), and the rows of its
    agreement. `spoil` changes the rows of the packets' log; `more` packets come besides."""
    tasks = list(tasks)
    placement = system.placements["ue1", IMAGE.name][0]
    with Records(folder) as records:
        Simulation(system).run(Fixed({("ue1", IMAGE.name): placement}), SIMULATED, records)
        for each in tasks:
            records.tasks.append(real_row(system, each))
    events = [event for each in tasks for event in each.events]
    write_events(folder / "events.parquet", sorted(events, key=lambda event: event[7]))
    arrivals = sorted((packet for each in tasks for packet in each.packets), key=lambda packet: packet.now_ns)
    arrivals = sorted([*arrivals, *more], key=lambda packet: packet.now_ns)
    rows: list[LogRow] = relayed(system.links, {}, system.seed, arrivals, 10 * NS_PER_S)
    assert all(row.outcome == DELIVERED for row in rows)
    write(folder / "packets.parquet", spoil(rows))
    write_agreement(folder, system, SIMULATED, EMULATED)
    table: list[dict[str, Any]] = pq.read_table(folder / "agreement.parquet").to_pylist()
    return table


def real_row(system: System, task: RealTask) -> tuple[Any, ...]:
    """Return the row of tasks.parquet of a real task."""
    _, _, kind, number, *_ = task.events[0]
    arrival_ns = 10 * NS_PER_MS + number * interval_of(system)
    placement = f"edge1:0-{len(CONVNET.layers)}"
    sojourn_ns = task.end_ns - arrival_ns
    identity = (EMULATED, "ue1", kind, number, arrival_ns, None, None, placement)
    times_ns = (0, 0, 0, sojourn_ns, None, sojourn_ns, None, None)
    return (*identity, *times_ns, *[None] * 5, 0.0, None, True, "done", "", "", 1, "measured")


def interval_of(system: System) -> int:
    """Return the interval between two tasks."""
    (stream,) = system.streams
    assert isinstance(stream.arrivals, Periodic)
    return stream.arrivals.interval_ns


def write_events(path: Path, events: list[tuple[Any, ...]]) -> None:
    """Write events.parquet."""
    columns = zip(*events, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, STATION_EVENTS, strict=True)]
    pq.write_table(pa.table(arrays, schema=STATION_EVENTS), path)
