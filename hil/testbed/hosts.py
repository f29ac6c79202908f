"""List the workers of a broker, and start workers on this machine."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from emulator.core.sources import own_process
from hil.control_messages import Status
from hil.errors import MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.broker import terminate
from hil.mqtt.greeting import BrokerRefuses, greet
from hil.mqtt.login import ANONYMOUS, Login, open_login
from hil.testbed.connection import CoordinatorConnection

LOCAL = "local"  # instead of a broker's address: a broker and workers that end with the run
LISTEN_S = 1.0  # retained statuses arrive at once; nothing marks the last one


def known_workers(broker: Address, login: Login = ANONYMOUS) -> list[Status]:
    """Return the last status of every worker known to the broker, sorted by name, offline workers included. Raises
    MissingDependency if the broker cannot be reached or refuses the login."""
    with CoordinatorConnection(broker, login) as connection:
        connection.wait_for(lambda: False, LISTEN_S)
        return [status for _, status in sorted(connection.statuses.items())]


def require_broker(where: str, login: Login | None = None) -> None:
    """Raise MissingDependency unless the broker `where` lets this login in, which takes no more than seconds. Needs
    nothing for LOCAL."""
    if where == LOCAL:
        return
    address, default = open_login(where)
    try:
        greet(address, login or default)
    except BrokerRefuses as error:
        raise MissingDependency(str(error)) from error


@contextmanager
def local_workers(broker: Address, names: Iterable[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run a worker process on this machine for each name; they end with the context or with this process."""
    workers: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in names:
            command = own_process("hil.worker", "--broker", str(broker), "--name", name, "--watch-stdin")
            workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE)
        yield workers
    finally:
        terminate(*workers.values())
