"""A station: the process in a node's host that sends the node's tasks and runs its partitions.

`python -m hil.station --schedule FILE --name NODE --out FILE` draws its weights, connects, prints `ready`, and reads
one line: the start of the run in ns of CLOCK_MONOTONIC. It prints `done` when all tasks that end at this node are done,
and never if one of them fails. It ends at the end of standard input (so it cannot outlive its parent), on SIGTERM or on
SIGINT.
"""

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

from hil.errors import MissingDependency
from hil.stations.event_log import StationLog
from hil.stations.held_layers import HeldLayers
from hil.stations.messages import Reassembly
from hil.stations.processes import ALL_DONE, DROPPED, READY
from hil.stations.schedule import read_schedule
from hil.stations.server import Station, StationLayers, Stopped
from hil.stations.transports import DatagramTransport, MqttTransport, Transport

SWITCH_S = 1e-4  # a receiving thread waits at most this long for a computing one; CPython's default is 5 ms


def say(word: str) -> None:
    """Print a line at once."""
    print(word, flush=True)


def serve(schedule_path: Path, name: str, out: Path) -> None:
    """Run the station of node `name` until the end of standard input, SIGTERM or SIGINT. Call on the main thread.

    Raises ValueError for a bad schedule or name, MissingDependency if the broker cannot be reached or the node's
    address cannot be used.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _raise_stopped)
    with suppress(Stopped):
        schedule = read_schedule(schedule_path)
        if name not in schedule.addresses:
            raise ValueError(f"name={name}: must be a node of {schedule_path}")
        transport: Transport = (
            MqttTransport(schedule.broker, name)
            if schedule.broker is not None
            else DatagramTransport(
                schedule.addresses, name, Reassembly(partial(schedule.leg_to, name), schedule.failure_ns)
            )
        )
        layers: StationLayers | None = None
        if name in schedule.computers and schedule.compute == "held":
            layers = HeldLayers(schedule)
        elif name in schedule.computers:
            from hil.stations.layers import NodeLayers  # torch: seconds and memory that a source does not need

            layers = NodeLayers(schedule, name)
        sys.setswitchinterval(SWITCH_S)
        with suppress(OSError):  # not writable on every kernel
            Path("/proc/self/timerslack_ns").write_text("1")  # wake up on time, not up to 50 us late
        with StationLog(out) as log:
            _run(Station(schedule, name, layers, transport, log, lambda: say(ALL_DONE)), transport)


def _run(station: Station, transport: Transport) -> None:
    """Connect a station, report that it is ready, and run it until the end of standard input."""
    try:
        transport.open(station.receive)
        say(READY)
        start_ns = _read_start()
        if start_ns is not None:
            station.start(start_ns)
            while os.read(sys.stdin.fileno(), 4_096):  # until the end of standard input
                pass
    finally:
        station.stop()
        dropped = transport.lost + transport.malformed
        transport.close()
        if dropped:
            say(f"{DROPPED} {dropped}")


def _read_start() -> int | None:
    """Return the start of the run, or None if standard input ends first. Raises ValueError for any other line."""
    line = b""
    while not line.endswith(b"\n"):
        data = os.read(sys.stdin.fileno(), 1)
        if not data:
            return None
        line += data
    if not line.strip().isdigit():
        raise ValueError(f"start_ns={line.decode(errors='replace').strip()}: must be a whole number")
    return int(line)


def _raise_stopped(*_: object) -> NoReturn:
    raise Stopped


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Run a node's station in an emulation.")
    parser.add_argument("--schedule", required=True, type=Path, metavar="FILE")
    parser.add_argument("--name", required=True, metavar="NODE")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    code = 0
    try:
        serve(arguments.schedule, arguments.name, arguments.out)
    except (ValueError, OSError, MissingDependency) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        code = 4 if isinstance(error, MissingDependency) else 3
    sys.exit(code)


if __name__ == "__main__":
    main()
