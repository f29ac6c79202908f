"""`airsplit broker`, `worker` and `hosts`: the processes that run partitions on real machines."""

from dataclasses import asdict
from typing import Annotated

import typer

from airsplit.cli.options import BrokerAddress, Json
from airsplit.cli.output import in_line, print_json


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
) -> None:
    """Run partitions for a coordinator until interrupted."""
    from hil.mqtt.client import parse_address
    from hil.worker import serve

    serve(parse_address(broker_address), name)


def hosts(broker_address: BrokerAddress, as_json: Json = False) -> None:
    """List the workers that a broker knows of."""
    import hil.testbed.hosts
    from hil.mqtt.client import parse_address

    found = [asdict(status) for status in hil.testbed.hosts.known_workers(parse_address(broker_address))]
    if as_json:
        print_json(found)
    for status in () if as_json else found:
        print(in_line(status, ""))
