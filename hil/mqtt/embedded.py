"""The process of the embedded broker: `python -m hil.mqtt.embedded --port 0` prints its port, then serves until its
standard input closes, SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import signal
import socket
import sys

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

from hil.mqtt.address import Address, listen
from hil.mqtt.client import KEEPALIVE_S

LOG = logging.getLogger("airsplit.broker")
CONFIGURATION = {
    # We open the socket: the port is known as soon as it is bound, and asyncio's transports set TCP_NODELAY.
    "listeners": {"default": {"type": "external"}},
    # By default amqtt disconnects a client after exactly its keepalive, which races with the client's ping: wait 1.5x.
    "timeout_disconnect_delay": KEEPALIVE_S // 2,
    "plugins": {
        "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        "amqtt.plugins.sys.broker.BrokerSysPlugin": {"sys_interval": 86_400},  # retains $SYS/broker/version
    },
}


async def serve(listener: socket.socket) -> None:
    """Run the broker until the end of standard input, SIGTERM or SIGINT."""
    broker = Broker(CONFIGURATION)
    await broker.start()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), "default")
        except RuntimeError as error:
            # amqtt 0.12.1 iterates over all subscriptions when a client connects, and fails if another client
            # subscribes meanwhile. A disconnected client connects again; otherwise it would never be served.
            LOG.info("disconnected a client: %s", error)
            writer.close()

    server = await asyncio.start_server(connected, sock=listener)
    print(listener.getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_reader(sys.stdin, ended.set)  # becomes readable at its end: nothing is written to it
    await ended.wait()
    server.close()
    await broker.shutdown()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="An MQTT broker that ends with its standard input.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    address = Address(arguments.host, arguments.port)
    try:
        listener = listen(address)
    except OSError as error:
        sys.exit(f"the broker cannot listen on {address}: {error.strerror}")
    asyncio.run(serve(listener))


if __name__ == "__main__":
    main()
