"""The MQTT client that workers and the coordinator share: MQTT 3.1.1 by paho, without Nagle's delay."""

import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S = 10  # a broker declares a silent client dead after one and a half of these


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """HOST:PORT. Raises ValueError for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"broker={text}: must be HOST:PORT")
    return Address(host, int(port))


class RetainedMessage(NamedTuple):
    """A message that the broker keeps for those who subscribe later."""

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
    """A client that subscribes to `topics` and then calls `subscribed()`, at every sock anew;
    `connect_failed()` at the first attempt to connect that fails, and again only after a sock. All of
    them and `receive(topic, payload)` are called on the network's thread.

    Messages are sent at most once: TCP keeps their order, and one that a broken sock swallows
    costs the attempt that it belongs to, which the coordinator makes again.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=name)
    said = threading.Event()

    def connected(client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            return
        said.clear()
        client.subscribe([(topic, 0) for topic in topics])
        subscribed()

    def failed(_client: Client, _data: Any) -> None:
        if not said.is_set():
            said.set()
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
    """Switch Nagle's algorithm off: it holds small messages back until the last one is acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
