"""Carry messages between stations: through an MQTT broker, or directly as UDP datagrams."""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

from emulator.realtime.marks import ACKNOWLEDGED_TOS
from emulator.realtime.mqtt_overhead import station_topic
from hil.errors import Malformed, MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.client import make_client
from hil.stations.messages import (
    DATAGRAM_BYTES,
    Reassembly,
    ReceivedMessage,
    StationMessage,
    parse_piece,
    single_piece,
    split_message,
)
from hil.stations.priority import raise_priority

LOG = logging.getLogger("airsplit.station")
BROKER_CONNECT_S = 20.0
NO_KEEPALIVE = 0  # pings would add traffic to the links, and a long full queue does not mean a dead broker
SO_RCVBUFFORCE, SO_MEMINFO = 33, 55  # asm-generic/socket.h; Python has no names for them
SK_MEMINFO = struct.Struct("9I")  # the last is the count of drops (linux/sock_diag.h)
RECEIVE_BUFFER_BYTES = 64 * 2**20  # delivered datagrams must not be lost while the station computes
LARGEST_DATAGRAM = 2**16
# of a datagram: the mark of packets that are acknowledged on every bearer
ACKNOWLEDGED = [(socket.IPPROTO_IP, socket.IP_TOS, struct.pack("i", ACKNOWLEDGED_TOS))]
Receive = Callable[[ReceivedMessage], None]


class SentBytes(NamedTuple):
    """The bytes of a sent message with the headers of its pieces, and those of them that can get lost: what is not
    acknowledged, over UDP."""

    size_bytes: int
    exposed_bytes: int


class Transport(Protocol):
    """A station's connection to the others."""

    @property
    def malformed(self) -> int:
        """The number of received messages (over UDP: datagrams) that no station can have sent."""

    @property
    def lost(self) -> int:
        """The number of messages (over UDP: datagrams) that crossed the links but were dropped because this host was
        too slow."""

    def open(self, receive: Receive) -> None:
        """Start to receive; `receive` is called on a thread of the transport. Raises MissingDependency if the broker
        cannot be reached or the address cannot be used."""

    def send(self, node: str, message: StationMessage) -> SentBytes:
        """Send a message once."""

    def close(self) -> None:
        """Stop receiving and sending."""


class MqttTransport:
    """A `Transport` through a broker: one publication per message, at most once (QoS 0)."""

    def __init__(self, broker: Address, node: str) -> None:
        self.malformed = 0
        self.lost = 0
        self._broker = broker
        self._topic = station_topic(node)
        self._connected = threading.Event()
        self._receive: Receive = lambda _: None
        self._client = make_client(f"airsplit-station-{node}", [self._topic], self._on_publication, self._on_subscribed)

    def open(self, receive: Receive) -> None:
        """Connect, and wait until a message to our own topic comes back: then the subscription is active."""
        self._receive = receive
        try:
            self._client.connect(*self._broker, keepalive=NO_KEEPALIVE)
        except OSError as error:
            raise MissingDependency(f"cannot reach broker {self._broker}: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(BROKER_CONNECT_S):
            raise MissingDependency(f"broker {self._broker} did not answer within {BROKER_CONNECT_S:g} s")

    def send(self, node: str, message: StationMessage) -> SentBytes:
        """Publish a message to a node's topic."""
        payload = single_piece(message)
        self._client.publish(station_topic(node), payload)
        return SentBytes(len(payload), 0)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_subscribed(self) -> None:
        raise_priority()  # this is the thread that receives
        self._client.publish(self._topic)

    def _on_publication(self, topic: str, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        if topic != self._topic:  # amqtt also sends messages of other clients' subscriptions
            return
        if not payload:
            self._connected.set()
            return
        try:
            piece = parse_piece(payload)
        except Malformed as error:
            self.malformed += 1
            LOG.warning("dropped a message: %s", error)
            return
        self._receive(ReceivedMessage(StationMessage(piece.key, bytes(piece.data)), now_ns, len(payload)))


class DatagramTransport:
    """A `Transport` directly to the other stations: UDP, sent without pacing, so that the link's queue decides what is
    lost."""

    def __init__(
        self,
        addresses: Mapping[str, Address],
        node: str,
        reassembly: Reassembly,
        buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    ) -> None:
        """`reassembly` assembles the messages to `node`; `buffer_bytes` is the size of the socket's receive buffer."""
        self.malformed = 0
        self._buffer_bytes = buffer_bytes
        self._addresses = addresses
        self._here = addresses[node]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._reassembly = reassembly
        self._receive: Receive = lambda _: None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._closing = False

    @property
    def lost(self) -> int:
        """The number of datagrams that found the buffer full or arrived after their message was complete or given
        up."""
        *_, dropped = SK_MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, SK_MEMINFO.size))
        return int(dropped) + self._reassembly.late

    def open(self, receive: Receive) -> None:
        """Listen at the node's address."""
        self._receive = receive
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, self._buffer_bytes)
        except PermissionError:  # without root: limited by net.core.rmem_max
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        try:
            self._socket.bind(self._here)
        except OSError as error:
            raise MissingDependency(f"cannot listen on {self._here}: {error.strerror}") from error
        self._listener.start()

    def send(self, node: str, message: StationMessage) -> SentBytes:
        """Send a message in pieces of one packet each, with the mark of those that are acknowledged."""
        address = self._addresses[node]
        size_bytes = exposed_bytes = 0
        for number, piece in enumerate(split_message(message, DATAGRAM_BYTES)):
            if message.acknowledged and number >= len(message.packets):
                self._socket.sendmsg([piece], ACKNOWLEDGED, 0, address)
            else:
                self._socket.sendto(piece, address)
                exposed_bytes += len(piece)
            size_bytes += len(piece)
        return SentBytes(size_bytes, exposed_bytes)

    def close(self) -> None:
        """Stop listening. Read `lost` before."""
        self._closing = True
        with suppress(OSError):  # raises "not connected", but wakes the listener
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._listener.is_alive():
            self._listener.join()
        self._socket.close()

    def _listen(self) -> None:
        raise_priority()
        while not self._closing:
            timeout_ns = self._reassembly.next_timeout_ns()
            wait_s = None if timeout_ns is None else max(0, timeout_ns - time.monotonic_ns()) * 1e-9
            self._socket.settimeout(wait_s)  # 0: do not wait at all
            try:
                datagram = self._socket.recv(LARGEST_DATAGRAM)
            except (TimeoutError, BlockingIOError):
                # The buffer is empty. Before that, it may hold pieces of an overdue message.
                for arrived in self._reassembly.time_out(time.monotonic_ns()):
                    self._receive(arrived)
                continue
            self._on_datagram(datagram, time.monotonic_ns())

    def _on_datagram(self, datagram: bytes, now_ns: int) -> None:
        if self._closing:
            return
        try:
            arrived = self._reassembly.add(parse_piece(datagram), now_ns)
        except Malformed as error:
            self.malformed += 1
            LOG.warning("dropped a datagram: %s", error)
            return
        if arrived is not None:
            self._receive(arrived)
