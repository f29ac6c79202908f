"""A worker's presence at the broker: its retained status, its answers to pings, and other workers of its name."""

import logging
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import get_clock_info

from paho.mqtt.client import Client, MQTTMessageInfo

from hil import control_messages
from hil.control_messages import OFFLINE, ONLINE, Ping, Pong, Status
from hil.mqtt.client import RetainedMessage
from hil.rate_limit import DroppedMessages, RateLimit

LOG = logging.getLogger("airsplit.worker")
RIVAL_S = 2.0  # how long another worker has to say that it uses our name


class Presence:
    """Keep the retained status of a worker's name true. All but `tick` runs on the network's thread."""

    def __init__(
        self, name: str, incarnation: int, dropped: DroppedMessages, facts: tuple[int, int], stop: Callable[[], None]
    ) -> None:
        """`facts`: torch's threads, and the bytes of weights that the worker takes. `stop` ends the worker."""
        self._name, self._incarnation = name, incarnation
        self._dropped = dropped
        threads, memory_bytes = facts
        self._status = Status(
            name,
            incarnation,
            OFFLINE,
            version=_version("airsplit"),
            python=platform.python_version(),
            torch=_version("torch"),
            cpu=_cpu(),
            torch_threads=threads,
            clock=f"perf_counter, {get_clock_info('perf_counter').implementation}",
            memory_bytes=memory_bytes,
        )
        self._stop = stop
        self._client: Client | None = None
        self._is_confirmed = False  # the broker has returned our own status
        self._is_due = False
        self._is_over = False
        self._published_count = 0
        self._rival: tuple[int, float] | None = None  # another worker's incarnation, and when its time is over
        self._statuses = RateLimit(burst=5, per_s=1)
        self._pongs = RateLimit(burst=20, per_s=20)

    def attach(self, client: Client) -> None:
        """Publish through this client from now on."""
        self._client = client

    def status(self, state: str) -> RetainedMessage:
        """Return the status with a state."""
        self._published_count = self._dropped.count
        status = replace(self._status, state=state, malformed=self._published_count)
        return RetainedMessage(control_messages.status_topic(self._name), control_messages.encode(status))

    def publish(self, state: str) -> MQTTMessageInfo | None:
        """Publish the status now; after `offline` no other follows."""
        self._is_over = state == OFFLINE
        status = self.status(state)
        if self._client is None:
            return None
        return self._client.publish(status.topic, status.payload, qos=1, retain=True)

    def tick(self) -> None:
        """Publish a status that is due; call this about every second."""
        if self._rival is not None and time.monotonic() > self._rival[1]:
            self._rival, self._is_due = None, True
        if self._is_due or self._dropped.count != self._published_count:
            self._announce()

    def on_status(self, status: Status) -> None:
        """Overwrite the last will of an earlier worker or connection. If a newer worker seems to use the name, ask it:
        a status alone may be old or forged."""
        if self._is_over:
            return
        if status.state == OFFLINE:
            self._announce()
        elif status.incarnation == self._incarnation:
            self._is_confirmed = True
        elif self._is_confirmed and self._pongs.allow():
            self._rival = status.incarnation, time.monotonic() + RIVAL_S
            self._send(control_messages.ping_topic(self._name), Ping(self._incarnation))

    def on_ping(self, ping: Ping) -> None:
        """Answer a coordinator, or another worker of this name."""
        if ping.run != self._incarnation and self._pongs.allow():
            self._send(control_messages.coordinator_topic(ping.run), Pong(ping.run, self._name, self._incarnation))

    def on_pong(self, pong: Pong) -> None:
        """Stop if a newer worker of this name has answered."""
        if self._rival is not None and pong.incarnation == self._rival[0]:
            LOG.error("%s: a newer worker uses this name: stopping", self._name)
            self._stop()

    def _announce(self) -> None:
        """Publish the status `online` now, or as soon as enough time has passed since the last ones."""
        self._is_due = not self._statuses.allow()
        if not self._is_due:
            self.publish(ONLINE)

    def _send(self, topic: str, message: Ping | Pong) -> None:
        if self._client is not None:
            self._client.publish(topic, control_messages.encode(message))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()[: control_messages.MAX_TEXT_LENGTH]
    return platform.machine()
