"""The MQTT client of workers, coordinator and stations: paho, MQTT 3.1.1, Nagle's algorithm switched off."""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S = 10  # a broker disconnects a client that is silent for 1.5 times as long


class Address(NamedTuple):
    """The host and port that a broker or a station listens at."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address of a text HOST:PORT. Raises ValueError for any other text."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"broker={text}: must be HOST:PORT")
    return Address(host, int(port))


class RetainedMessage(NamedTuple):
    """A message that the broker keeps and sends to later subscribers."""

    topic: str
    payload: bytes


def make_client(
    name: str,
    topics: Sequence[str],
    receive: Callable[[str, bytes], None],
    subscribed: Callable[[], object] = lambda: None,
    last_will: RetainedMessage | None = None,
    connect_failed: Callable[[], object] = lambda: None,
) -> Client:
    """Return a client that subscribes to `topics` at every connection and then calls `subscribed()`.

    `connect_failed()` is called at the first failed attempt to connect, and again only after a connection. All
    callbacks, also `receive(topic, payload)`, run on the network's thread.

    Messages are published at QoS 0 unless the caller says otherwise: TCP keeps their order, and a message that a
    broken connection loses fails its attempt, which the coordinator repeats.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=name)
    reported = threading.Event()

    def connected(client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            return
        reported.clear()
        client.subscribe([(topic, 0) for topic in topics])
        subscribed()

    def failed(_client: Client, _data: Any) -> None:
        if not reported.is_set():
            reported.set()
            connect_failed()

    def arrived(_client: Client, _data: Any, message: MQTTMessage) -> None:
        receive(message.topic, bytes(message.payload))

    client.on_connect = connected
    client.on_connect_fail = failed
    client.on_message = arrived
    client.on_socket_open = disable_nagle
    client.reconnect_delay_set(min_delay=1, max_delay=5)
    if last_will is not None:
        client.will_set(last_will.topic, last_will.payload, qos=1, retain=True)
    return client


def disable_nagle(_client: Client, _data: Any, sock: Any) -> None:
    """Switch Nagle's algorithm off: it delays small messages until earlier ones are acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
