"""A broker that restarts during a run: no minute of silence, no blame on a worker that was there."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from hil.control_messages import Ready, coordinator_topic, decode, encode
from hil.errors import MissingDependency
from hil.mqtt.address import Address
from hil.mqtt.broker import Broker, embedded, mosquitto
from hil.testbed import connection as connections
from hil.testbed.coordinator import Coordinator, Inference
from hil.testbed.hosts import local_workers
from hil.testbed.ledger import BROKER_LOST, Answered, Attempt, Begun, BrokerLost, Ledger, Online, Reported, apply
from tests.hil.lab import NODE_WORKERS, expected, kind, split, system, task

NIN = kind("nin", "fp32")
PLACEMENT = split(NIN, 5)
DOWN_S = 1.0


def is_correct(inference: Inference, number: int) -> bool:
    return inference.result is not None and np.array_equal(inference.result, expected(task(NIN, number)))


def end_politely(broker: Broker) -> None:
    broker.process.terminate()


def end_at_once(broker: Broker) -> None:
    broker.process.kill()


@pytest.mark.parametrize("start", [embedded, mosquitto])
@pytest.mark.parametrize("end", [end_politely, end_at_once])
def test_field_broker_that_restarts_costs_seconds_and_blames_nobody(
    start: type, end: Callable[[Broker], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with ExitStack() as stack:
        broker = stack.enter_context(start())
        stack.enter_context(local_workers(broker.address, ["w1", "w2"]))
        coordinator = stack.enter_context(Coordinator(broker.address, NODE_WORKERS, system([NIN], cuts=[5])))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        coordinator.deploy()
        assert is_correct(coordinator.infer(task(NIN, 0), PLACEMENT), 0)
        caplog.clear()
        running = pool.submit(lambda: [coordinator.infer(task(NIN, number), PLACEMENT) for number in range(1, 60)])
        assert coordinator._connection.wait_for(lambda: coordinator.ledger.done >= 5, 30)
        end(broker)
        broker.process.wait(10)
        begun_s = time.monotonic()
        time.sleep(DOWN_S)
        stack.enter_context(start(port=broker.address.port))
        inferences = running.result(60)
        taken_s = time.monotonic() - begun_s
        assert taken_s < 45
        assert [is_correct(inference, number) for number, inference in enumerate(inferences, 1)] == [True] * 59
        workers = {tuple(report.worker for report in inference.reports) for inference in inferences}
        assert workers == {("w1", "w2")}
        assert sum(inference.attempts for inference in inferences) <= 61
        assert coordinator.moves == ()
        assert not any("worker" in line for line in caplog.messages)
        assert caplog.messages[0] == f"lost the connection to broker {broker.address}: waiting for it"
        assert caplog.messages[-1].startswith(f"broker {broker.address} is back after ")


def test_field_broker_that_does_not_come_back_is_said_and_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "RETURN_S", 3.0)
    with ExitStack() as stack:
        broker = stack.enter_context(embedded())
        stack.enter_context(local_workers(broker.address, ["w1", "w2"]))
        coordinator = stack.enter_context(Coordinator(broker.address, NODE_WORKERS, system([NIN], cuts=[5])))
        coordinator.deploy()
        broker.process.kill()
        with pytest.raises(MissingDependency, match=f"^broker {broker.address} was lost, and is not back after 3 s"):
            for number in range(3):
                coordinator.infer(task(NIN, number), PLACEMENT)


def test_field_worker_that_does_not_come_back_with_the_broker_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REJOIN_S", 8.0)
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto())
        workers = stack.enter_context(local_workers(broker.address, ["w1", "w2"]))
        coordinator = stack.enter_context(Coordinator(broker.address, NODE_WORKERS, system([NIN], cuts=[5])))
        coordinator.deploy()
        broker.process.kill()
        workers["w2"].kill()
        broker.process.wait(10)
        stack.enter_context(mosquitto(port=broker.address.port))
        inference = coordinator.infer(task(NIN, 0), PLACEMENT)
        assert is_correct(inference, 0)
        assert [report.worker for report in inference.reports] == ["w1", "w1"]
        assert [move.reason for move in coordinator.moves] == ["w2 lost"]


def test_field_request_is_not_sent_to_a_broker_that_was_lost_just_before(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connections.CoordinatorConnection(Address("127.0.0.1", 1))
    connection._on_connected()
    connection.apply(Online("w1", 1))
    ready = encode(Ready(connection.run, "w1", 1))
    sent = []

    def recover() -> None:
        if connection._losses:
            connection._on_connected()
            connection._unheard.clear()
        else:
            connection._on_disconnected()  # after the recovery, before the request

    def send(worker: str, payload: bytes) -> None:
        sent.append((worker, payload))
        if connection._is_connected:
            connection._receive(coordinator_topic(connection.run), ready)

    monkeypatch.setattr(connection, "recover", recover)
    monkeypatch.setattr(connection, "send", send)
    assert connection.request("w1", [b"x"], lambda message: isinstance(message, Ready), 5) == decode(ready)
    assert sent == [("w1", b"x")]


def test_field_loss_of_the_broker_breaks_running_attempts_only() -> None:
    ledger = Ledger()
    for event in (
        Online("w1", 1),
        Begun(1, 1, ("w1",)),
        Begun(2, 1, ("w1",)),
        Reported(2, 1, 0),
        Answered(2, 1),
        BrokerLost(),
        Reported(1, 1, 0),
    ):
        ledger = apply(ledger, event)
    assert ledger.live == {"w1": 1}
    assert ledger.open[1] == Attempt(1, ("w1",), broken=BROKER_LOST)
    assert ledger.open[2].condition == "done"
    assert ledger.ignored == 1
