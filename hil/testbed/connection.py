"""The coordinator's connection to the broker: send, receive, wait, and keep the ledger up to date."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import TracebackType

from hil import codec, control_messages
from hil.codec import Float32Array, MessageKind
from hil.errors import Malformed, MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.client import aim, make_client
from hil.mqtt.greeting import GREETING_S
from hil.mqtt.login import ANONYMOUS, Login
from hil.rate_limit import DroppedMessages
from hil.testbed.ledger import (
    Answered,
    Begun,
    Broken,
    BrokerLost,
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
ECHO = b""  # to our own topic: while it comes back, the broker is there
RETURN_S = 60.0  # for a broker to come back
REJOIN_S = 15.0  # for a worker to come back to it: a client tries again within 5 s
PING_S = 0.5
MAX_WORKERS = 4_096


class WorkerLost(Exception):
    """A worker went offline, or did not reply in time, before it answered a request."""


class CoordinatorConnection:
    """A connection to a broker, as a context. One thread may use it; messages are received on another thread.

    It survives a restart of the broker (`recover`). A worker is offline if a broker that is itself still there says so:
    a broker that ends may send the last wills of all workers first.
    """

    def __init__(self, broker: Address, login: Login = ANONYMOUS) -> None:
        self.broker = broker
        self.run = secrets.randbits(62)
        self.ledger = Ledger()
        self.statuses: dict[str, control_messages.Status] = {}
        self.reports: dict[int, control_messages.Report] = {}  # of the open attempt: by stage
        self.result: Float32Array | None = None  # of the open task
        self.broker_version = ""
        self._dropped = DroppedMessages(LOG, "coordinator")
        self._changed = threading.Condition()
        self._is_connected = False
        self._losses = 0  # of the connection
        self._lost_at_s = 0.0
        self._unheard: set[str] = set()  # since the broker is back: workers that were online before
        self._doubted: dict[str, control_messages.Status] = {}  # `offline`, until the broker has returned our echo
        self._accept: Callable[[control_messages.AnyMessage], bool] | None = None
        self._accepted: control_messages.AnyMessage | None = None  # the reply to the open request
        self._own_topic = control_messages.coordinator_topic(self.run)
        topics = (control_messages.STATUS_TOPICS, self._own_topic, BROKER_TOPIC)
        self._client = make_client(
            f"airsplit-coordinator-{self.run}",
            topics,
            self._receive,
            self._on_connected,
            connect_failed=lambda reason: LOG.warning("%s; trying again", reason),
            disconnected=self._on_disconnected,
        )
        aim(self._client, broker, login)

    def __enter__(self) -> "CoordinatorConnection":
        """Connect. Raises MissingDependency if the broker cannot be reached or does not let us in."""
        try:
            self._client.reconnect()
        except OSError as error:
            raise MissingDependency(str(error)) from error
        self._client.loop_start()
        if not self.wait_for(lambda: self._is_connected, GREETING_S):
            self.__exit__(None, None, None)
            raise MissingDependency(f"broker {self.broker} did not let us in within {GREETING_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_connected = False  # what follows is no loss
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def malformed(self) -> int:
        """The number of messages that were dropped."""
        return self._dropped.count

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
        payloads: Sequence[bytes],
        accept: Callable[[control_messages.AnyMessage], bool],
        timeout_s: float,
    ) -> control_messages.AnyMessage | None:
        """Send messages and wait for the reply that `accept` recognises; send them again if the broker is lost. Return
        None if the reply does not arrive in time. Raises WorkerLost if the worker goes offline first, MissingDependency
        if the broker does not come back."""
        while True:
            self.recover()
            with self._changed:
                if not self._is_settled:
                    continue  # lost again
                before = self.ledger.live.get(worker), self._losses
                self._accept, self._accepted = accept, None
            for payload in payloads:
                self.send(worker, payload)
            self.wait_for(partial(self._is_over, worker, before), timeout_s)
            with self._changed:
                reply, self._accept = self._accepted, None
                incarnation, losses = before
                if reply is None and (incarnation is None or self.ledger.live.get(worker) != incarnation):
                    raise WorkerLost(worker)
                if reply is not None or self._losses == losses:
                    return reply

    def _is_over(self, worker: str, before: tuple[int | None, int]) -> bool:
        """Return whether the open request is answered, or the worker's incarnation or the number of losses is not as
        before."""
        return self._accepted is not None or (self.ledger.live.get(worker), self._losses) != before

    def recover(self) -> None:
        """Return at once unless the connection was lost. Otherwise wait for the broker, and then until every worker
        that was online has answered a ping; those that do not within REJOIN_S are offline.

        Raises MissingDependency if the broker is not back within RETURN_S.
        """
        while not self._is_settled:
            if not self.wait_for(lambda: self._is_connected, RETURN_S):
                raise MissingDependency(f"broker {self.broker} was lost, and is not back after {RETURN_S:g} s")
            self._await_pongs()
            with self._changed:
                silent = sorted(self._unheard) if self._is_connected else []
                for worker in silent:
                    LOG.warning("worker %s did not come back to the broker: marked as lost", worker)
                    self._apply(Offline(worker))
                self._unheard.difference_update(silent)

    @property
    def _is_settled(self) -> bool:
        """Whether the broker is there, and every worker that was online has been heard since it is."""
        return self._is_connected and not self._unheard

    def _await_pongs(self) -> None:
        """Ping the workers that were online until each has answered, REJOIN_S are over, or the broker is lost again."""
        ping = control_messages.encode(control_messages.Ping(self.run))
        deadline_s = time.monotonic() + REJOIN_S
        while self._unheard and self._is_connected and time.monotonic() < deadline_s:
            for worker in sorted(self._unheard):
                self._client.publish(control_messages.ping_topic(worker), ping)
            self.wait_for(lambda: not self._unheard or not self._is_connected, PING_S)

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
            if not self._is_settled:
                self._apply(BrokerLost())

    def _apply(self, event: LedgerEvent) -> bool:
        """Apply an event; return False if the ledger ignored it."""
        ignored = self.ledger.ignored
        self.ledger = apply(self.ledger, event)
        self._changed.notify_all()
        return self.ledger.ignored == ignored

    def _receive(self, topic: str, payload: bytes) -> None:
        with self._changed:
            if topic == BROKER_TOPIC:
                self.broker_version = payload.decode(errors="replace")[: control_messages.MAX_TEXT_LENGTH]
                self._changed.notify_all()
                return
            if topic == self._own_topic and payload == ECHO:
                self._believe_offline(tuple(self._doubted))
                return
            try:
                message = control_messages.decode(payload)
                self._update(topic, message)
            except Malformed as error:
                self._dropped.add(error)
                return
            if self._accept is not None and self._accept(message):
                self._accepted = message
            self._changed.notify_all()

    def _on_connected(self) -> None:
        with self._changed:
            self._is_connected = True
            if self._losses:
                LOG.warning("broker %s is back after %.1f s", self.broker, time.monotonic() - self._lost_at_s)
                self._unheard = set(self.ledger.live)
            self._changed.notify_all()

    def _on_disconnected(self) -> None:
        with self._changed:
            if not self._is_connected:
                return
            LOG.warning("lost the connection to broker %s: waiting for it", self.broker)
            self._is_connected = False
            self._losses += 1
            self._lost_at_s = time.monotonic()
            self._doubted.clear()
            self._apply(BrokerLost())

    def _believe_offline(self, workers: Iterable[str]) -> None:
        for worker in workers:
            self.statuses[worker] = self._doubted.pop(worker)
            self._apply(Offline(worker))

    def _on_status(self, status: control_messages.Status) -> None:
        worker, known = status.worker, self.statuses.get(status.worker)
        if known is None and len(self.statuses) >= MAX_WORKERS:
            raise Malformed(f"Status.worker: must be one of at most {MAX_WORKERS}")
        if status.state == control_messages.ONLINE:
            self._believe_offline({worker} & self._doubted.keys())  # it was offline meanwhile, and lost its messages
            self.statuses[worker] = status
            self._apply(Online(worker, status.incarnation))
        elif known is None or known.state != control_messages.ONLINE:
            self.statuses[worker] = status
        elif known.incarnation == status.incarnation and worker not in self._unheard:
            self._doubted[worker] = status
            self._client.publish(self._own_topic, ECHO)

    def _update(self, topic: str, message: control_messages.AnyMessage) -> None:
        match message:
            case control_messages.Status(worker):
                if topic != control_messages.status_topic(worker):
                    raise Malformed(f"Status.worker={worker}: must be that of its topic")
                self._on_status(message)
            case control_messages.Pong(run=self.run, worker=worker, incarnation=incarnation):
                if self.ledger.live.get(worker) == incarnation:
                    self._unheard.discard(worker)
            case control_messages.Report(run=self.run):
                self._on_report(message)
            case codec.Tensor(MessageKind.RESULT, stage_id) if stage_id.run == self.run:
                if self._apply(Answered(stage_id.task, stage_id.attempt)):
                    self.result = message.values

    def _on_report(self, report: control_messages.Report) -> None:
        attempt = self.ledger.open.get(report.task)
        is_awaited = attempt is not None and attempt.number == report.attempt
        if attempt is not None and is_awaited and attempt.workers[report.stage : report.stage + 1] != (report.worker,):
            raise Malformed(f"Report.worker={report.worker}: must be that of the stage")
        if report.error:
            self._dropped.log.warn(f"{report.worker}: {report.error}")
            self._apply(Broken(report.task, report.attempt, WORKER_ERROR))
        elif self._apply(Reported(report.task, report.attempt, report.stage)):
            self.reports[report.stage] = report
