"""Workers that end or hang during a run: every task is answered once, correctly, or fails with a reason."""

import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from hil.codec import StageId
from hil.control_messages import Plan
from hil.mqtt.broker import Broker, terminate
from hil.runtime import Runtime
from hil.testbed.connection import CoordinatorConnection
from hil.testbed.coordinator import Coordinator, Inference
from hil.testbed.hosts import local_workers
from hil.worker import Worker
from tests.hil.lab import NODE_WORKERS, expected, kind, split, system, task

NIN = kind("nin", "fp32")
PLACEMENT = split(NIN, 5)


def is_correct(inference: Inference, number: int) -> bool:
    return inference.result is not None and np.array_equal(inference.result, expected(task(NIN, number)))


def wait_for_first_stage(coordinator: Coordinator) -> None:
    connection: CoordinatorConnection = coordinator._connection
    assert connection.wait_for(lambda: any(attempt.reported for attempt in connection.ledger.open.values()), 30)


def test_worker_killed_during_a_task_is_replaced_and_the_task_repeated(amqtt: Broker) -> None:
    with (
        local_workers(amqtt.address, ["w1", "w2", "w3"]) as workers,
        Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator,
        ThreadPoolExecutor(1) as pool,
    ):
        coordinator.deploy()
        assert coordinator._connection.wait_for(lambda: "w3" in coordinator.ledger.live, 30)
        assert is_correct(coordinator.infer(task(NIN, 0), PLACEMENT), 0)
        workers["w2"].send_signal(signal.SIGSTOP)  # so that it holds the task when it is killed
        running: Future[Inference] = pool.submit(coordinator.infer, task(NIN, 1), PLACEMENT)
        wait_for_first_stage(coordinator)
        workers["w2"].kill()
        inference = running.result(60)
        assert is_correct(inference, 1)
        assert inference.attempts == 2
        assert [report.worker for report in inference.reports] == ["w1", "w3"]
        for number in range(2, 5):
            inference = coordinator.infer(task(NIN, number), PLACEMENT)
            assert is_correct(inference, number)
            assert inference.attempts == 1
        assert (coordinator.ledger.done, coordinator.ledger.given_up, coordinator.ledger.open) == (5, 0, {})


def test_tasks_fail_with_worker_lost_when_no_worker_is_left(amqtt: Broker) -> None:
    tasks = 40
    with (
        local_workers(amqtt.address, ["w1", "w2"]) as workers,
        Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator,
        ThreadPoolExecutor(1) as pool,
    ):
        outcomes = [pool.submit(coordinator.infer, task(NIN, number), PLACEMENT) for number in range(tasks)]
        assert outcomes[9].result(60).failure is None
        workers["w2"].kill()
        assert is_correct(outcomes[-1].result(60), tasks - 1)
        assert all(is_correct(outcome.result(), number) for number, outcome in enumerate(outcomes))
        assert (coordinator.ledger.done, coordinator.ledger.given_up) == (tasks, 0)

        workers["w1"].kill()
        after = [pool.submit(coordinator.execute, task(NIN, number), PLACEMENT) for number in range(3)]
        assert [outcome.result(60).failure for outcome in after] == ["worker lost"] * 3
        ledger = coordinator.ledger
        assert (ledger.done, ledger.given_up, ledger.open, ledger.live) == (tasks, 3, {}, {})
        assert coordinator.describe()["tasks_given_up"] == 3


def test_hanging_worker_counts_as_lost_and_its_late_messages_are_ignored(amqtt: Broker) -> None:
    with (
        local_workers(amqtt.address, ["w1", "w2"]) as workers,
        Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5]), timeout_s=30) as coordinator,
    ):
        coordinator.deploy()
        assert is_correct(coordinator.infer(task(NIN, 0), PLACEMENT), 0)
        coordinator._timeout_s = 1.0
        workers["w2"].send_signal(signal.SIGSTOP)
        inference = coordinator.infer(task(NIN, 1), PLACEMENT)
        assert is_correct(inference, 1)
        assert inference.attempts == 2
        assert [report.worker for report in inference.reports] == ["w1", "w1"]
        workers["w2"].send_signal(signal.SIGCONT)
        connection = coordinator._connection
        assert connection.wait_for(lambda: connection.ledger.ignored >= 2, 20)  # its result and its report
        assert (coordinator.ledger.done, coordinator.ledger.given_up, coordinator.ledger.open) == (2, 0, {})
        assert "w2" not in coordinator.ledger.live


class _WorkerOfDamagedResults(Worker):
    """A worker whose outputs cannot be decoded, and whose reports are in order."""

    def _output_message(self, stage_id: StageId, plan: Plan, output: Any) -> tuple[str, bytes]:
        topic, message = super()._output_message(stage_id, plan, output)
        return topic, message[:-1]


def test_task_whose_result_is_damaged_is_repeated_on_another_worker(amqtt: Broker) -> None:
    damaging = _WorkerOfDamagedResults(amqtt.address, "w2", 10**9, Runtime())
    serving = threading.Thread(target=damaging.serve)
    serving.start()
    try:
        with (
            local_workers(amqtt.address, ["w1"]),
            Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5]), timeout_s=30) as coordinator,
        ):
            coordinator.deploy()
            coordinator._timeout_s = 1.0
            inference = coordinator.infer(task(NIN), PLACEMENT)
            assert is_correct(inference, 0)
            assert inference.attempts == 2
            assert [report.worker for report in inference.reports] == ["w1", "w1"]
            facts = coordinator.describe()
            counts = [facts[name] for name in ("tasks_done", "tasks_given_up", "messages_malformed")]
            assert counts == [1, 0, 1]
    finally:
        damaging.stop()
        serving.join()


def test_worker_killed_between_tasks_moves_its_node_once(amqtt: Broker, caplog: pytest.LogCaptureFixture) -> None:
    with (
        local_workers(amqtt.address, ["w1", "w2"]) as workers,
        Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator,
    ):
        assert is_correct(coordinator.infer(task(NIN, 0), PLACEMENT), 0)
        caplog.clear()
        workers["w2"].kill()
        assert coordinator._connection.wait_for(lambda: "w2" not in coordinator.ledger.live, 10)
        for number in range(1, 3):
            inference = coordinator.infer(task(NIN, number), PLACEMENT)
            assert is_correct(inference, number)
            assert inference.attempts == 1
        assert caplog.messages == ["worker w2: lost; edge1 runs on w1 from now on"]
        move = {"task": 2, "node": "edge1", "former": "w2", "worker": "w1", "models": ("nin",), "reason": "w2 lost"}
        facts = coordinator.describe()
        assert facts["moves"] == [move]
        assert facts["workers"]["w2"]["state"] == "offline"


def test_restarted_worker_gets_its_layers_again(amqtt: Broker) -> None:
    with (
        local_workers(amqtt.address, ["w1"]),
        local_workers(amqtt.address, ["w2"]) as first,
        Coordinator(amqtt.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator,
    ):
        return_of: list[str] = []
        terminate(*first.values())
        for number in range(2):
            with local_workers(amqtt.address, ["w2"]):
                assert coordinator._connection.wait_for(lambda: "w2" in coordinator.ledger.live, 30)
                inference = coordinator.infer(task(NIN, number), PLACEMENT)
                assert is_correct(inference, number)
                return_of.append(inference.reports[1].worker)
            assert coordinator._connection.wait_for(lambda: "w2" not in coordinator.ledger.live, 30)
        assert return_of == ["w2", "w2"]


def test_worker_that_refused_a_model_is_not_used_for_it(lab: Broker) -> None:
    with Coordinator(lab.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator:
        coordinator._assignment.refuse("w2", "nin")
        inference = coordinator.infer(task(NIN), PLACEMENT)
        assert is_correct(inference, 0)
        assert {report.worker for report in inference.reports} == {"w1"}
        coordinator._assignment.refuse("w1", "nin")
        assert coordinator.infer(task(NIN), PLACEMENT).failure == "memory"
        assert (coordinator.ledger.done, coordinator.ledger.given_up, coordinator.ledger.ignored) == (1, 1, 0)


def test_newer_worker_replaces_the_older_one_of_its_name(mosquitto: Broker) -> None:
    with CoordinatorConnection(mosquitto.address) as connection, local_workers(mosquitto.address, ["twin"]) as older:
        assert connection.wait_for(lambda: "twin" in connection.ledger.live, 30)
        former = connection.ledger.live["twin"]
        with local_workers(mosquitto.address, ["twin"]) as newer:
            assert older["twin"].wait(30) == 0
            assert connection.wait_for(lambda: connection.ledger.live.get("twin", former) != former, 30)
            assert newer["twin"].poll() is None
