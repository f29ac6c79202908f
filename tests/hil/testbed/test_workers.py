"""Workers: malformed messages, transfers of weights, memory, connections, and status at the broker."""

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch

from hil import codec, control_messages, deployment
from hil.control_messages import AnyMessage, Holding, Offer
from hil.deployment import LayerId
from hil.errors import Malformed, MissingDependency
from hil.mqtt.broker import Broker, embedded, terminate
from hil.runtime import Runtime, layer_bytes
from hil.testbed.connection import CoordinatorConnection
from hil.testbed.coordinator import Coordinator
from hil.testbed.fleet import Fleet, WorkerRefused
from hil.testbed.hosts import known_workers, local_workers
from hil.worker import Worker
from tests.hil.lab import NODE_WORKERS, expected, kind, split, system, task

NIN = kind("nin")


@contextmanager
def one_worker(broker: Broker, *options: str) -> Iterator[tuple[CoordinatorConnection, str]]:
    """Run a worker with a unique name; yield a coordinator's connection that has its status, and the name."""
    name = f"w{secrets.token_hex(4)}"
    command = [sys.executable, "-m", "hil.worker", "--broker", str(broker.address), "--name", name, "--watch-stdin"]
    process = subprocess.Popen([*command, *options], stdin=subprocess.PIPE)
    try:
        with CoordinatorConnection(broker.address) as connection:
            assert connection.wait_for(lambda: name in connection.ledger.live, 30)
            yield connection, name
    finally:
        terminate(process)


def test_malformed_messages_are_dropped_and_counted(amqtt: Broker) -> None:
    good = codec.Tensor(codec.MessageKind.ACTIVATION, codec.StageId(1, 2, 3, 4, 5, 6), "fp32", np.ones(3, "f4"))
    junk = [
        b"",
        b"junk",
        os.urandom(100),
        b"[" * 10_000,
        codec.MAGIC,
        codec.MAGIC + os.urandom(90),
        codec.encode_tensor(good)[:-1],
        codec.encode_tensor(good._replace(kind=codec.MessageKind.RESULT)),  # a worker takes none
        codec.encode_chunk(codec.Chunk(b"x" * 32, 0, 1, b"never offered")),
        control_messages.encode(control_messages.Ready(1, "w1", 1)),
        b'{"is":"Measure","run":1,"model":"llama-15m","seed":0,"first":0,"stop":1,"tokens":4611686018427387904,"repeats":1}',
    ]
    unknown = [  # well-formed, but about unknown models, plans and weights: answered, not dropped
        codec.encode_tensor(good),
        control_messages.encode(control_messages.Start(1, 1, 1, 99, 1, 1, 1)),
        control_messages.encode(control_messages.Prepare(1, "no-such-model")),
        control_messages.encode(control_messages.Measure(1, "no-such-model", 0, 0, 3, 1, 1)),
        control_messages.encode(control_messages.Measure(1, "nin", 0, 5, 400, 1, 1)),
        control_messages.encode(control_messages.Plan(1, 1, "nin", 0, (control_messages.Stage("other", 0, 999, ""),))),
        control_messages.encode(control_messages.Offer(1, "nin", 0, 10**3, "0" * 64, 0)),
        codec.encode_chunk(codec.Chunk(bytes(32), 0, 1, b"")),
    ]
    assert len(set(junk + unknown)) == len(junk + unknown)
    with one_worker(amqtt) as (connection, name):
        for payload in junk + unknown:
            connection.send(name, payload)
            connection._client.publish(control_messages.coordinator_topic(connection.run), payload)
        assert connection.wait_for(lambda: connection.statuses[name].malformed == len(junk), 20)
        fleet = Fleet(connection, 20)
        fleet.deliver(name, LayerId("nin", 0, 3), layer_bytes(LayerId("nin", 0, 3)))  # alive and well
        assert connection.statuses[name].malformed == len(junk)
        assert connection.malformed == 7  # the coordinator counts messages that do not decode; an empty one is its echo
        assert connection.ledger.live[name] == connection.statuses[name].incarnation


def test_weights_with_a_wrong_digest_are_refused_and_the_right_ones_taken(amqtt: Broker) -> None:
    layer = LayerId("nin", 0, 0)
    data = layer_bytes(layer)
    whole = deployment.digest(data)
    fake = bytearray(data)
    fake[-1] ^= 1

    def of_this(message: AnyMessage) -> bool:
        return isinstance(message, Holding) and message.digest == whole.hex()

    with one_worker(amqtt) as (connection, name):
        offer = Offer(connection.run, "nin", 0, 0, whole.hex(), len(data))
        assert connection.request(name, [control_messages.encode(offer)], of_this, 20) == Holding(
            connection.run, name, whole.hex(), (0,)
        )
        tampered = codec.encode_chunk(codec.Chunk(whole, 0, 1, bytes(fake)))
        refusal = connection.request(name, [tampered], of_this, 20)
        assert isinstance(refusal, Holding)
        assert "digest" in refusal.error
        assert refusal.missing == (0,)
        damaged = bytearray(codec.encode_chunk(codec.Chunk(whole, 0, 1, data)))
        damaged[-1] ^= 1
        connection.send(name, bytes(damaged))
        assert connection.wait_for(lambda: connection.statuses[name].malformed == 1, 20)
        not_weights = b"no safetensors at all"
        other = deployment.digest(not_weights)
        junk_offer = Offer(connection.run, "nin", 0, 1, other.hex(), len(not_weights))
        junk_chunk = codec.encode_chunk(codec.Chunk(other, 0, 1, not_weights))
        reply = connection.request(
            name,
            [control_messages.encode(junk_offer), junk_chunk],
            lambda message: isinstance(message, Holding) and bool(message.error),
            20,
        )
        assert isinstance(reply, Holding)
        assert "weights do not fit" in reply.error
        Fleet(connection, 20).deliver(name, layer, data)


def test_interrupted_transfer_resumes_and_is_not_repeated(amqtt: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = LayerId("resnet50", 0, 15)
    data = layer_bytes(layer)
    whole = deployment.digest(data)
    assert deployment.chunk_count(len(data)) == 5
    with one_worker(amqtt) as (connection, name):
        chunks_sent = []
        send = connection.send

        def counting(worker: str, payload: bytes) -> None:
            if codec.is_binary(payload):
                chunks_sent.append(payload)
            send(worker, payload)

        monkeypatch.setattr(connection, "send", counting)
        fleet = Fleet(connection, 20)
        offer = Offer(connection.run, "resnet50", 0, 15, whole.hex(), len(data))
        begun = [codec.encode_chunk(deployment.chunk(data, whole, index)) for index in (0, 4)]
        holding = connection.request(
            name,
            [control_messages.encode(offer), *begun],
            lambda message: isinstance(message, Holding) and not {0, 4} & set(message.missing),
            20,
        )
        assert isinstance(holding, Holding)
        assert holding.missing == (1, 2, 3)
        chunks_sent.clear()
        fleet.deliver(name, layer, data)
        assert len(chunks_sent) == deployment.chunk_count(len(data)) - 2
        fleet.deliver(name, layer, data)
        Fleet(connection, 20).deliver(name, layer, data)  # as another coordinator's
        assert len(chunks_sent) == deployment.chunk_count(len(data)) - 2


def test_worker_without_memory_refuses(amqtt: Broker) -> None:
    with one_worker(amqtt, "--memory-bytes", "100000") as (connection, name):
        fleet = Fleet(connection, 20)
        fleet.deliver(name, LayerId("nin", 0, 0), layer_bytes(LayerId("nin", 0, 0)))  # 59 kB
        with pytest.raises(WorkerRefused, match="memory"):
            fleet.deliver(name, LayerId("nin", 0, 1), layer_bytes(LayerId("nin", 0, 1)))


def test_offline_worker_is_a_missing_dependency(lab: Broker, caplog: pytest.LogCaptureFixture) -> None:
    absent = {**NODE_WORKERS, "edge1": NODE_WORKERS["edge1"].__class__("nobody")}
    with pytest.raises(MissingDependency, match=r"^workers not online at broker .*: nobody$"):
        Coordinator(lab.address, absent, system([NIN]), join_s=0.5).__enter__()
    assert caplog.messages == ["waiting for workers: nobody"]
    with pytest.raises(ValueError, match="edge1: must be the node of a worker"):
        Coordinator(lab.address, {"ue1": NODE_WORKERS["ue1"]}, system([NIN]))


def test_last_will_marks_a_killed_worker_offline(mosquitto: Broker, amqtt: Broker) -> None:
    for broker in (mosquitto, amqtt):
        with local_workers(broker.address, ["mortal"]) as workers, CoordinatorConnection(broker.address) as connection:
            assert connection.wait_for(lambda: "mortal" in connection.ledger.live, 30)
            workers["mortal"].kill()
            assert connection.wait_for(lambda: "mortal" not in connection.ledger.live, 10)
            assert {status.worker: status.state for status in known_workers(broker.address)}["mortal"] == "offline"


def test_worker_reconnects_and_sets_no_delay_on_every_connection(amqtt: Broker) -> None:
    threads = torch.get_num_threads()
    worker = Worker(amqtt.address, "reconnecting", 10**9, Runtime())
    torch.set_num_threads(threads)  # undo the worker's setting in this process
    serving = threading.Thread(target=worker.serve)
    with CoordinatorConnection(amqtt.address) as connection:

        def is_live_on_another(before: object) -> bool:  # that it is gone in between may be too short to be seen
            return worker._client.socket() not in (None, before) and "reconnecting" in connection.ledger.live

        serving.start()
        try:
            before: object = None
            for _ in range(2):
                assert connection.wait_for(partial(is_live_on_another, before), 20)
                before = sock = worker._client.socket()
                assert isinstance(sock, socket.socket)
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                sock.shutdown(socket.SHUT_RDWR)
            assert connection.wait_for(partial(is_live_on_another, before), 20)
        finally:
            worker.stop()
            serving.join(20)
        assert connection.wait_for(lambda: "reconnecting" not in connection.ledger.live, 20)


def test_worker_reports_an_unreachable_broker_once_and_connects_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "hil.worker", "--broker", address, "--name", "early", "--watch-stdin"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"cannot reach broker {address}: Connection refused; trying again\n"
        with embedded(port=port) as broker, CoordinatorConnection(broker.address) as connection:
            assert connection.wait_for(lambda: "early" in connection.ledger.live, 30)
            process.terminate()
            assert process.wait(20) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "a" * 65, ".hidden"])
def test_worker_names_are_levels_of_topics(name: str) -> None:
    with pytest.raises(Malformed, match="must be 1 to 64"):
        control_messages.check_name(name)


def test_worker_of_several_nodes_gets_each_layer_once(lab: Broker) -> None:
    shared = dict.fromkeys(NODE_WORKERS, NODE_WORKERS["ue1"])
    counted: list[tuple[int, int]] = []
    with Coordinator(lab.address, shared, system([NIN])) as coordinator:
        coordinator.deploy(lambda done, total: counted.append((done, total)))
        assert counted == [(done, 12) for done in range(13)]  # 12 layers, once
        inference = coordinator.infer(task(NIN), split(NIN, 4))
        assert inference.result is not None
        assert np.array_equal(inference.result, expected(task(NIN)))
