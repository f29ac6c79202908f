"""A station: the process in a node's host that is the source of tasks and runs partitions of them.

`python -m hil.station --schedule FILE --name NODE --out FILE` draws its weights, connects, says `ready` on
standard output, and waits for one line on standard input: the instant at which the run starts, in ns of
CLOCK_MONOTONIC. It says `answered` when the tasks that end here are done, and ends when standard input does, or
on SIGTERM or SIGINT. Its standard input is its lifeline: it cannot outlive who started it.
"""

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hil.errors import MissingDependency
from hil.stations.event_log import StationLog
from hil.stations.processes import ANSWERED, DROPPED, READY
from hil.stations.schedule import read_schedule
from hil.stations.server import Station, Stopped
from hil.stations.transports import DatagramTransport, MqttTransport, Transport

SWITCH_S = 1e-4  # a thread that has received something need not wait 5 ms for one that computes in Python


def say(word: str) -> None:
    """A line on standard output."""
    print(word, flush=True)


def serve(schedule_path: Path, name: str, out: Path) -> None:
    """Be the station of node `name` until standard input ends, or SIGTERM or SIGINT. Belongs on the main thread.

    Raises ValueError for a bad schedule or name, MissingDependency where the broker or the node's address is
    not there.
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
            else DatagramTransport(schedule.addresses, name)
        )
        layers = None
        if name in schedule.computers:
            from hil.stations.layers import NodeLayers  # torch: seconds, and memory, that a mere source can do without

            layers = NodeLayers(schedule, name)
        sys.setswitchinterval(SWITCH_S)
        with suppress(OSError):  # not every kernel lets it be written
            Path("/proc/self/timerslack_ns").write_text("1")  # wake up when it is time, not up to 50 us later
        with StationLog(out) as log:
            _run(Station(schedule, name, layers, transport, log, lambda: say(ANSWERED)), transport)


def _run(station: Station, transport: Transport) -> None:
    """From the moment that a station is ready until it has ended."""
    try:
        transport.open(station.receive)
        say(READY)
        start_ns = _read_start()
        if start_ns is not None:
            station.start(start_ns)
            while os.read(sys.stdin.fileno(), 4_096):  # until its end
                pass
    finally:
        station.stop()
        dropped = transport.lost + transport.malformed
        transport.close()
        if dropped:
            say(f"{DROPPED} {dropped}")


def _read_start() -> int | None:
    """The start of the run; None where standard input ends before. Raises ValueError for anything else."""
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
    """The command line."""
    parser = argparse.ArgumentParser(description="Be a node's station in an emulation.")
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
