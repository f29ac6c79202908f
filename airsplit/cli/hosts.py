"""`airsplit broker`, `worker` and `hosts`: the processes that run partitions on real machines."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import BrokerAddress, BrokerUser, CaFile, Json, PasswordFile
from airsplit.cli.output import in_line, print_json

if TYPE_CHECKING:
    from hil.mqtt.login import Login


def broker(
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    mosquitto: Annotated[
        bool, typer.Option("--mosquitto", help="A private Mosquitto instead of the embedded broker.")
    ] = False,
) -> None:
    """Run an MQTT broker until interrupted; prints HOST:PORT."""
    import hil.mqtt.broker

    start = hil.mqtt.broker.mosquitto if mosquitto else hil.mqtt.broker.embedded
    with start(host, port) as running:
        print(running.address, flush=True)
        running.process.wait()


def worker(
    broker_address: BrokerAddress,
    name: Annotated[str, typer.Option("--name", help="As in the scenario's hil.workers.")],
    user: BrokerUser = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
) -> None:
    """Run partitions for a coordinator until interrupted."""
    from hil.mqtt.login import open_login
    from hil.worker import serve

    address, login = open_login(broker_address, user, password_file, ca_file)
    serve(address, name, login=login)


def login_of_run(
    broker_address: str | None, user: str | None, password_file: Path | None, ca_file: Path | None
) -> "Login | None":
    """Return the login for the broker of `run --hil`. Raises ValueError if one is given without such a broker."""
    from hil.mqtt.login import open_login

    if broker_address not in (None, "local"):
        return open_login(broker_address, user, password_file, ca_file)[1]
    for option, value in {"--user": user, "--password-file": password_file, "--ca-file": ca_file}.items():
        if value is not None:
            raise ValueError(f"{option}: must come with --hil and the address of a broker")
    return None


def hosts(
    broker_address: BrokerAddress,
    user: BrokerUser = None,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    as_json: Json = False,
) -> None:
    """List the workers that a broker knows of."""
    from hil.mqtt.login import open_login
    from hil.testbed.hosts import known_workers

    address, login = open_login(broker_address, user, password_file, ca_file)
    found = [asdict(status) for status in known_workers(address, login)]
    if not found and not as_json:
        print(f"no worker has been at broker {address}", file=sys.stderr)
    if as_json:
        print_json(found)
    for status in () if as_json else found:
        print(in_line(status, ""))
