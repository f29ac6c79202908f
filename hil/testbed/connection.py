"""The coordinator's connection to the broker: send, receive, wait, and keep the ledger up to date."""

import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from types import TracebackType

from hil import codec, control_messages
from hil.codec import Float32Array, MessageKind
from hil.errors import Malformed, MissingDependency
from hil.mqtt.client import Address, make_client
from hil.testbed.ledger import (
    Answered,
    Begun,
    Broken,
    Ledger,
    LedgerEvent,
    Offline,
    Online,
    Reported,
    apply,
)

LOG = logging.getLogger("airsplit.coordinator")
BROKER_TOPIC = "$SYS/broker/version"
WORKER_ERROR = "worker error"


class WorkerLost(Exception):
    """A worker went offline, or did not reply in time, before it answered a request."""


class CoordinatorConnection:
    """A connection to a broker, as a context. One thread may use it; messages are received on another thread."""

    def __init__(self, broker: Address) -> None:
        self.broker = broker
        self.run = secrets.randbits(62)
        self.ledger = Ledger()
        self.statuses: dict[str, control_messages.Status] = {}
        self.reports: dict[tuple[int, int], control_messages.Report] = {}  # of the open task: by attempt and stage
        self.result: Float32Array | None = None  # of the open task
        self.broker_version = ""
        self.malformed = 0
        self._changed = threading.Condition()
        self._accept: Callable[[control_messages.AnyMessage], bool] | None = None
        self._accepted: control_messages.AnyMessage | None = None  # the reply to the open request
        topics = (control_messages.STATUS_TOPICS, control_messages.coordinator_topic(self.run), BROKER_TOPIC)
        self._client = make_client(f"airsplit-coordinator-{self.run}", topics, self._receive)

    def __enter__(self) -> "CoordinatorConnection":
        """Connect. Raises MissingDependency if the broker cannot be reached."""
        try:
            self._client.connect(*self.broker)
        except OSError as error:
            raise MissingDependency(f"cannot reach broker {self.broker}: {error}") from error
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, ready: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `ready()` is true; it is evaluated after every message. Return False if the time is over first."""
        with self._changed:
            return self._changed.wait_for(ready, timeout_s)

    def send(self, worker: str, payload: bytes) -> None:
        """Send one message to one worker."""
        self._client.publish(control_messages.worker_topic(worker), payload)

    def request(
        self,
        worker: str,
        payloads: Iterable[bytes],
        accept: Callable[[control_messages.AnyMessage], bool],
        timeout_s: float,
    ) -> control_messages.AnyMessage | None:
        """Send messages and wait for the reply that `accept` recognises. Return None if it does not arrive in time.
        Raises WorkerLost if the worker goes offline first."""
        with self._changed:
            incarnation = self.ledger.live.get(worker)
            self._accept, self._accepted = accept, None
        for payload in payloads:
            self.send(worker, payload)
        self.wait_for(lambda: self._accepted is not None or self.ledger.live.get(worker) != incarnation, timeout_s)
        with self._changed:
            reply, self._accept = self._accepted, None
            if reply is None and (incarnation is None or self.ledger.live.get(worker) != incarnation):
                raise WorkerLost(worker)
            return reply

    def apply(self, event: LedgerEvent) -> None:
        """Apply an event to the ledger."""
        with self._changed:
            self._apply(event)

    def open_attempt(self, begun: Begun) -> None:
        """Begin an attempt, and delete the reports and the result of the one before."""
        with self._changed:
            self.reports.clear()
            self.result = None
            self._apply(begun)

    def _apply(self, event: LedgerEvent) -> bool:
        """Apply an event; return False if the ledger ignored it."""
        ignored = self.ledger.ignored
        self.ledger = apply(self.ledger, event)
        self._changed.notify_all()
        return self.ledger.ignored == ignored

    def _receive(self, topic: str, payload: bytes) -> None:
        with self._changed:
            if topic == BROKER_TOPIC:
                self.broker_version = payload.decode(errors="replace")
                self._changed.notify_all()
                return
            try:
                message = control_messages.decode(payload)
            except Malformed as error:
                self.malformed += 1
                LOG.warning("dropped a message on %s: %s", topic, error)
                return
            self._update(message)
            if self._accept is not None and self._accept(message):
                self._accepted = message
            self._changed.notify_all()

    def _update(self, message: control_messages.AnyMessage) -> None:
        match message:
            case control_messages.Status(worker, incarnation, state):
                known = self.statuses.get(worker)
                if state == control_messages.ONLINE:
                    self.statuses[worker] = message
                    self._apply(Online(worker, incarnation))
                elif known is None or known.incarnation == incarnation:
                    self.statuses[worker] = message
                    self._apply(Offline(worker))
            case control_messages.Report(run=self.run):
                self._on_report(message)
            case codec.Tensor(MessageKind.RESULT, stage_id) if stage_id.run == self.run:
                if self._apply(Answered(stage_id.task, stage_id.attempt)):
                    self.result = message.values

    def _on_report(self, report: control_messages.Report) -> None:
        if report.error:
            LOG.warning("%s: %s", report.worker, report.error)
            self._apply(Broken(report.task, report.attempt, WORKER_ERROR))
        elif self._apply(Reported(report.task, report.attempt, report.stage)):
            self.reports[report.attempt, report.stage] = report
