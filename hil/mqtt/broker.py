"""Start private MQTT brokers: one process each, by default on loopback and a free port, ended with its context."""

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from emulator.core.sources import own_process
from hil.errors import MissingDependency
from hil.mqtt.address import LAST_PORT, Address, listen

LOOPBACK = "127.0.0.1"
ANY_PORT = 0  # bind to any free port
BROKER_START_S = 20.0
TERMINATE_S = 5.0
MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin"  # often not in a user's PATH


@dataclass(frozen=True)
class Broker:
    """A running broker: its address, and its name and version for the manifest."""

    address: Address
    name: str
    version: str
    process: subprocess.Popen[bytes]


@contextmanager
def embedded(host: str = LOOPBACK, port: int = ANY_PORT) -> Iterator[Broker]:
    """Run amqtt, a pure Python broker that is always installed. Raises ValueError for an invalid port,
    MissingDependency if the broker does not start."""
    _check_port(port)
    command = own_process("hil.mqtt.embedded", "--host", host, "--port", str(port))
    # The process ends when its standard input closes, so it cannot outlive a killed parent.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Broker(Address(host, _announced_port(process)), "amqtt", version("amqtt"), process)
        finally:
            terminate(process)


@contextmanager
def mosquitto(host: str = LOOPBACK, port: int = ANY_PORT) -> Iterator[Broker]:
    """Run Mosquitto with a configuration of its own. Raises ValueError for an invalid port, MissingDependency if
    Mosquitto is not installed or does not start."""
    _check_port(port)
    program = find_mosquitto()
    if program is None:
        raise MissingDependency("mosquitto is not installed (Debian and Ubuntu: apt-get install mosquitto)")
    port = port or _free_port(host)
    with tempfile.TemporaryDirectory(prefix="airsplit-mosquitto-") as folder:
        configuration = Path(folder) / "mosquitto.conf"
        configuration.write_text(
            f"listener {port} {host}\nallow_anonymous true\npersistence false\n"
            "set_tcp_nodelay true\nlog_dest stderr\nlog_type error\n"
        )
        with subprocess.Popen([program, "-c", str(configuration)]) as process:
            try:
                _wait_until_open(Address(host, port), process)
                yield Broker(Address(host, port), "mosquitto", _mosquitto_version(program), process)
            finally:
                terminate(process)


def find_mosquitto() -> str | None:
    """Return the path of Mosquitto, or None if it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_PLACES)


def terminate(*processes: subprocess.Popen[bytes]) -> None:
    """Close standard input of these child processes and send SIGTERM; after TERMINATE_S send SIGKILL."""
    for process in processes:
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        process.terminate()
    for process in processes:
        try:
            process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _check_port(port: int) -> None:
    if not ANY_PORT <= port <= LAST_PORT:
        raise ValueError(f"port={port}: must be {ANY_PORT} to {LAST_PORT}")


def _announced_port(process: subprocess.Popen[bytes]) -> int:
    timeout = threading.Timer(BROKER_START_S, process.kill)
    timeout.start()
    line = process.stdout.readline() if process.stdout else b""
    timeout.cancel()
    if not line.strip().isdigit():
        raise MissingDependency("the embedded broker (amqtt) did not start; its own message says why")
    return int(line)


def _free_port(host: str) -> int:
    with listen(Address(host, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait_until_open(address: Address, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + BROKER_START_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with suppress(OSError), socket.create_connection(address, timeout=BROKER_START_S):
            return
        time.sleep(0.02)  # Mosquitto does not report that it listens
    raise MissingDependency(f"mosquitto did not start at {address}; its own message says why")


def _mosquitto_version(program: str) -> str:
    first_line = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return first_line.rpartition(" ")[2]
