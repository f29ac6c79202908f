"""Whatever arrives on any topic: no message ends a worker or a run, and floods are answered at a bounded rate."""

import json
import secrets
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hil import codec, control_messages
from hil.control_messages import Holding, Measured, Report, Start, Status
from hil.deployment import LayerId, digest
from hil.errors import Malformed
from hil.inbox import MAX_WAITING, Inbox, Waiting
from hil.mqtt.broker import Broker
from hil.rate_limit import RateLimit
from hil.runtime import layer_bytes
from hil.testbed.connection import CoordinatorConnection
from hil.testbed.coordinator import Coordinator
from hil.testbed.fleet import Fleet
from hil.testbed.hosts import local_workers
from hil.transfers import Transfers
from tests.hil.lab import NODE_WORKERS, expected, kind, split, system, task
from tests.hil.test_field_fuzz import tensor

NIN = kind("nin", "fp32")
NO_ELEMENTS = bytearray(tensor((1, 1, 1, 1), "int8")[:-1])
NO_ELEMENTS[8:24] = bytes(4) + b"\xff" * 12  # 0 x 4294967295 x 4294967295 x 4294967295: 76 bytes
UNKNOWN_TYPE = b'{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}'
UNKNOWN_WEIGHTS = len(UNKNOWN_TYPE).to_bytes(8, "little") + UNKNOWN_TYPE + b"x"


def topics_of(name: str) -> tuple[str, str, str]:
    return control_messages.worker_topic(name), control_messages.ping_topic(name), control_messages.status_topic(name)


def garbage(name: str) -> list[bytes]:
    """Messages of every kind that each ended a worker, took its memory, or silenced it, and some that are only odd."""
    offer = control_messages.Offer(1, "nin", 0, 0, digest(UNKNOWN_WEIGHTS).hex(), len(UNKNOWN_WEIGHTS))
    giant = {**json.loads(control_messages.encode(offer)), "size": 2**62, "digest": "0" * 64}
    measure = {"is": "Measure", "run": 1, "model": "nin", "seed": 0, "first": 0, "stop": 12, "tokens": 1}
    plan = control_messages.Plan(1, 1, "nin", 0, (control_messages.Stage(name, 5, 5, "int8"),))
    return [
        b"",
        b"x",
        bytes(NO_ELEMENTS),
        tensor((1, 2, 3), "int8"),
        control_messages.encode(offer),
        codec.encode_chunk(codec.Chunk(digest(UNKNOWN_WEIGHTS), 0, 1, UNKNOWN_WEIGHTS)),
        json.dumps(giant).encode(),
        json.dumps({**measure, "repeats": 2**40}).encode(),
        json.dumps({**measure, "repeats": 100, "stop": 4096}).encode(),
        control_messages.encode(plan),
        control_messages.encode(Start(1, 1, 1, 1, 1, 16_384, 1)),
        control_messages.encode(control_messages.Prepare(1, "\x00\ud800")),
        control_messages.encode(Status(name, 77, control_messages.ONLINE)),
        control_messages.encode(Status("nobody", 77, control_messages.OFFLINE)),
        control_messages.encode(Report(1, name, 1, 1, 4_096, 0, 0, 0, 0)),
    ]


@pytest.fixture
def worker(mosquitto: Broker) -> Iterator[tuple[CoordinatorConnection, str]]:
    """A worker of a name of its own, whose process is alive at the end, and a connection that knows it."""
    name = f"w{secrets.token_hex(4)}"
    with local_workers(mosquitto.address, [name]) as workers, CoordinatorConnection(mosquitto.address) as connection:
        assert connection.wait_for(lambda: name in connection.ledger.live, 30)
        yield connection, name
        assert workers[name].poll() is None


def deliver_layer(connection: CoordinatorConnection, name: str) -> None:
    """Deliver a layer. Raises WorkerLost unless the worker takes it within seconds."""
    layer = LayerId("nin", 0, 3)
    Fleet(connection, 10).deliver(name, layer, layer_bytes(layer))


def test_field_no_message_on_any_topic_ends_a_worker(worker: tuple[CoordinatorConnection, str]) -> None:
    connection, name = worker
    for payload in garbage(name):
        for topic in (*topics_of(name), control_messages.coordinator_topic(connection.run)):
            connection._client.publish(topic, payload)
    assert connection.wait_for(lambda: connection.statuses[name].malformed > 10, 20)
    deliver_layer(connection, name)


def test_field_retained_garbage_does_not_end_a_worker_that_starts(mosquitto: Broker) -> None:
    name = f"w{secrets.token_hex(4)}"
    topics = topics_of(name)
    with CoordinatorConnection(mosquitto.address) as connection:
        for topic, payload in zip(topics, (bytes(NO_ELEMENTS), b"x", b"{"), strict=True):
            connection._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(5)
        for _ in range(2):
            with local_workers(mosquitto.address, [name]) as workers:
                assert connection.wait_for(lambda: name in connection.ledger.live, 30)
                deliver_layer(connection, name)
                assert workers[name].poll() is None
            assert connection.wait_for(lambda: name not in connection.ledger.live, 30)
        for topic in topics:
            connection._client.publish(topic, b"", qos=1, retain=True).wait_for_publish(5)


def test_field_flood_does_not_silence_a_worker(worker: tuple[CoordinatorConnection, str]) -> None:
    """20,000 messages of one byte: counted all, answered by few statuses, and a request is answered in seconds."""
    connection, name = worker
    heard: list[int] = []
    receive = connection._receive

    def counting(topic: str, payload: bytes) -> None:
        if topic == control_messages.status_topic(name):
            heard.append(len(payload))
        receive(topic, payload)

    connection._client.on_message = lambda _client, _data, message: counting(message.topic, bytes(message.payload))
    begun_s = time.monotonic()
    for _ in range(20_000):
        connection.send(name, b"x")
    deliver_layer(connection, name)
    assert time.monotonic() - begun_s < 20
    assert connection.wait_for(lambda: connection.statuses[name].malformed >= 20_000, 20)
    assert len(heard) < 6 + 2 * (time.monotonic() - begun_s)


def test_field_garbage_to_the_coordinator_changes_no_task(mosquitto: Broker) -> None:
    """Impossible shapes, giant counts and times, and reports of others are dropped; every task is answered rightly."""
    with (
        local_workers(mosquitto.address, ["w1", "w2"]),
        Coordinator(mosquitto.address, NODE_WORKERS, system([NIN], cuts=[5])) as coordinator,
        CoordinatorConnection(mosquitto.address) as other,
    ):
        run = coordinator._connection.run
        whole = digest(layer_bytes(LayerId("nin", 0, 0))).hex()
        report = json.loads(control_messages.encode(Report(run, "w1", 1, 1, 0, 1, 1, 1, 1)))
        forged = [
            bytes(NO_ELEMENTS),
            json.dumps({**report, "service_ns": 2**63 - 1}).encode(),
            control_messages.encode(Report(run, "w2", 1, 1, 0, 5, 5, 5, 5)),  # the stage is w1's
            control_messages.encode(Report(run, "nobody", 1, 1, 0, 5, 5, 5, 5, 0, "broken")),
            control_messages.encode(Holding(run, "w1", whole, (1_000,))),
            control_messages.encode(Measured(run, "w1", "nin", 0, 1, ())),
            *(b"y" * size for size in range(1, 200)),
        ]
        topics = control_messages.coordinator_topic(run), control_messages.status_topic("w1")
        for number in range(4):
            for payload in forged:
                for topic in topics:
                    other._client.publish(topic, payload)
            coordinator.deploy()
            if number == 1:
                coordinator.measure_layers(repeats=1)
            inference = coordinator.infer(task(NIN, number), split(NIN, 5))
            assert inference.result is not None
            assert np.array_equal(inference.result, expected(task(NIN, number)))
            assert [report.worker for report in inference.reports] == ["w1", "w2"]
            assert all(report.service_ns > 1_000 for report in inference.reports)
        assert coordinator.describe()["messages_malformed"] > 400
        assert coordinator.ledger.done == 4


class Nothing:
    """Hold no weights."""

    held_bytes = 0

    def holds(self, layer: LayerId, whole: bytes) -> bool:
        return False

    def find(self, layer: LayerId, whole: bytes) -> bool:
        return False

    def load(self, layer: LayerId, data: bytes, whole: bytes) -> None:
        raise AssertionError(f"{layer}: no transfer is complete")


def test_field_offers_take_no_memory_before_their_chunks_arrive() -> None:
    limit = 3 * 2**30
    transfers = Transfers("w1", limit, Nothing())
    for number in range(1_000):
        whole = digest(number.to_bytes(4, "big"))
        assert not transfers.offer(control_messages.Offer(1, "nin", 0, 0, whole.hex(), limit)).error
    assert len(transfers._open) <= 64
    assert transfers.offer(control_messages.Offer(1, "nin", 0, 0, "0" * 64, limit + 1)).error == "memory"
    with pytest.raises(Malformed, match="not offered"):
        transfers.take(codec.Chunk(digest((0).to_bytes(4, "big")), 0, 1, b""))  # forgotten: the oldest


def test_field_inbox_is_bounded_and_holds_no_message_twice() -> None:
    inbox = Inbox()
    start = Start(1, 1, 1, 1, 1, 1, 1)
    taken = [inbox.put(Waiting(str(number % 1_500).encode(), start, 0)) for number in range(3_000)]
    assert sum(taken) == MAX_WAITING
    first = inbox.get(1)
    assert first is not None
    assert inbox.put(first)
    assert not inbox.put(first)
    inbox.close()
    assert inbox.get(60) is None


def test_field_rate_is_bounded() -> None:
    limit = RateLimit(burst=5, per_s=20)
    begun_s = time.monotonic()
    allowed = 0
    while time.monotonic() - begun_s < 0.5:
        allowed += limit.allow()
    assert 5 <= allowed <= 5 + 20 * (time.monotonic() - begun_s)
