"""The workers of a lab: who is there, and local ones for a run on one machine."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hil.control_messages import Status
from hil.mqtt.broker import terminate
from hil.mqtt.client import Address
from hil.testbed.connection import CoordinatorConnection

LISTEN_S = 1.0  # retained statuses come at once; nothing says that there are no more


def hosts(broker: Address) -> list[Status]:
    """The last word of every worker that the broker knows of, by name, offline ones too.
    Raises MissingDependency where no broker answers."""
    with CoordinatorConnection(broker) as connection:
        connection.wait_for(lambda: False, LISTEN_S)
        return [status for _, status in sorted(connection.statuses.items())]


@contextmanager
def local_workers(broker: Address, names: Iterable[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """A worker process on this machine for each name; all of them end with the context, or with us."""
    workers: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            command = [sys.executable, "-m", "hil.worker", "--broker", str(broker), "--name", name, "--watch-stdin"]
            workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE)
        yield workers
    finally:
        terminate(*workers.values())
