"""List the workers of a broker, and start workers on this machine."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hil.control_messages import Status
from hil.mqtt.broker import terminate
from hil.mqtt.client import Address
from hil.testbed.connection import CoordinatorConnection

LISTEN_S = 1.0  # retained statuses arrive at once; nothing marks the last one


def known_workers(broker: Address) -> list[Status]:
    """Return the last status of every worker known to the broker, sorted by name, offline workers included. Raises
    MissingDependency if the broker cannot be reached."""
    with CoordinatorConnection(broker) as connection:
        connection.wait_for(lambda: False, LISTEN_S)
        return [status for _, status in sorted(connection.statuses.items())]


@contextmanager
def local_workers(broker: Address, names: Iterable[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run a worker process on this machine for each name; they end with the context or with this process."""
    workers: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            command = [sys.executable, "-m", "hil.worker", "--broker", str(broker), "--name", name, "--watch-stdin"]
            workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE)
        yield workers
    finally:
        terminate(*workers.values())
