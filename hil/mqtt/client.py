"""The MQTT client of workers, coordinator and stations: paho, MQTT 3.1.1, Nagle's algorithm switched off."""

import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from hil.mqtt.address import Address
from hil.mqtt.greeting import greet
from hil.mqtt.login import Login

KEEPALIVE_S = 10  # a broker disconnects a client that is silent for 1.5 times as long
NO_TOPIC = ""  # of a message whose topic is not text


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
    connect_failed: Callable[[str], object] = lambda _: None,
    disconnected: Callable[[], object] = lambda: None,
) -> Client:
    """Return a client that subscribes to `topics` at every connection and then calls `subscribed()`.

    `connect_failed(reason)` is called at a failed attempt to connect, once for each reason until the next connection;
    `disconnected()` when a connection ends. All callbacks, also `receive(topic, payload)`, run on the network's thread.

    Messages are published at QoS 0 unless the caller says otherwise: TCP keeps their order, and a message that a
    broken connection loses fails its attempt, which the coordinator repeats.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=name)
    reported: set[str] = set()

    def report(reason: str) -> None:
        if reason not in reported:
            reported.add(reason)
            connect_failed(reason)

    def connected(client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            report(f"broker {Address(client.host, client.port)} refuses: {reason}")
            return
        reported.clear()
        client.subscribe([(topic, 0) for topic in topics])
        subscribed()

    def failed(_client: Client, _data: Any) -> None:
        report(str(sys.exc_info()[1]))  # paho calls this where it handles the error

    def ended(_client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Any) -> None:
        disconnected()

    def arrived(_client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = NO_TOPIC
        receive(topic, bytes(message.payload))

    client.on_connect = connected
    client.on_connect_fail = failed
    client.on_disconnect = ended
    client.on_message = arrived
    client.on_socket_open = disable_nagle
    client.reconnect_delay_set(min_delay=1, max_delay=5)
    if last_will is not None:
        client.will_set(last_will.topic, last_will.payload, qos=1, retain=True)
    return client


def aim(client: Client, broker: Address, login: Login) -> None:
    """Set the broker and the login that the client connects with. Before each attempt it greets the broker, so that a
    failure has a reason."""
    if login.user is not None:
        client.username_pw_set(login.user, login.password)
    if login.tls is not None:
        client.tls_set_context(login.tls)
    client.on_pre_connect = lambda _client, _data: greet(broker, login)
    client.connect_async(*broker, keepalive=KEEPALIVE_S)


def disable_nagle(_client: Client, _data: Any, sock: Any) -> None:
    """Switch Nagle's algorithm off: it delays small messages until earlier ones are acknowledged."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
