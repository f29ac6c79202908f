"""What a worker refuses and survives, and what its broker says of it."""

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from hil import codec, control_messages, deployment
from hil.control_messages import Holding, Message, Offer
from hil.deployment import Layer
from hil.errors import Malformed, MissingDependency
from hil.mqtt.broker import Broker, embedded, end
from hil.runtime import Runtime, layer_bytes
from hil.testbed.coordinator import Coordinator
from hil.testbed.exchange import Exchange
from hil.testbed.fleet import Fleet, Refused
from hil.testbed.hosts import hosts, local_workers
from hil.worker import Worker
from tests.hil.lab import HOSTS, expected, kind, split, system, task

NIN = kind("nin")


@contextmanager
def one_worker(broker: Broker, *options: str) -> Iterator[tuple[Exchange, str]]:
    """A worker with a name of its own, and an exchange that knows of it."""
    name = f"w{secrets.token_hex(4)}"
    command = [sys.executable, "-m", "hil.worker", "--broker", str(broker.address), "--name", name, "--watch-stdin"]
    process = subprocess.Popen([*command, *options], stdin=subprocess.PIPE)
    try:
        with Exchange(broker.address) as exchange:
            assert exchange.wait_for(lambda: name in exchange.ledger.live, 30)
            yield exchange, name
    finally:
        end(process)


def test_malformed_messages_are_counted_and_survived(amqtt: Broker) -> None:
    good = codec.Tensor(codec.Kind.ACTIVATION, codec.Place(1, 2, 3, 4, 5, 6), codec.Precision.fp32, np.ones(3, "f4"))
    junk = [
        b"",
        b"junk",
        os.urandom(100),
        b"[" * 10_000,
        codec.MAGIC,
        codec.MAGIC + os.urandom(90),
        codec.encode_tensor(good)[:-1],
        codec.encode_tensor(good._replace(kind=codec.Kind.RESULT)),  # a worker takes none
        codec.encode_chunk(codec.Chunk(b"x" * 32, 0, 1, b"never offered")),
        control_messages.encode(control_messages.Ready(1, "w1", 1)),
    ]
    unknown = [  # well-formed, but of things that are not there: answered, not dropped
        codec.encode_tensor(good),
        control_messages.encode(control_messages.Start(1, 1, 1, 99, 1, 1, 1)),
        control_messages.encode(control_messages.Prepare(1, "no-such-model")),
        control_messages.encode(control_messages.Measure(1, "no-such-model", 0, 0, 3, 1, 1)),
        control_messages.encode(control_messages.Measure(1, "nin", 0, 5, 400, 1, 1)),
        control_messages.encode(control_messages.Measure(1, "llama-15m", 0, 0, 1, 2**62, 1)),
        control_messages.encode(
            control_messages.Plan(1, 1, "nin", 0, "int8", (control_messages.Stage("other", 0, 999),))
        ),
        control_messages.encode(control_messages.Offer(1, "nin", 0, 10**6, "0" * 64, 0)),
        codec.encode_chunk(codec.Chunk(bytes(32), 0, 1, b"")),
    ]
    with one_worker(amqtt) as (exchange, name):
        for payload in junk + unknown:
            exchange.send(name, payload)
            exchange._client.publish(control_messages.coordinator_topic(exchange.run), payload)
        assert exchange.wait_for(lambda: exchange.statuses[name].malformed == len(junk), 20)
        fleet = Fleet(exchange, 20)
        fleet.deliver(name, Layer("nin", 0, 3), layer_bytes(Layer("nin", 0, 3)))  # alive and well
        assert exchange.statuses[name].malformed == len(junk)
        assert exchange.malformed == 7  # what the coordinator takes for malformed: all that does not decode
        assert exchange.ledger.live[name] == exchange.statuses[name].incarnation


def test_weights_with_a_wrong_digest_are_refused_and_the_right_ones_taken(amqtt: Broker) -> None:
    layer = Layer("nin", 0, 0)
    data = layer_bytes(layer)
    whole = deployment.digest(data)
    fake = bytearray(data)
    fake[-1] ^= 1

    def of_this(message: Message) -> bool:
        return isinstance(message, Holding) and message.digest == whole.hex()

    with one_worker(amqtt) as (exchange, name):
        offer = Offer(exchange.run, "nin", 0, 0, whole.hex(), len(data))
        assert exchange.ask(name, [control_messages.encode(offer)], of_this, 20) == Holding(
            exchange.run, name, whole.hex(), (0,)
        )
        tampered = codec.encode_chunk(codec.Chunk(whole, 0, 1, bytes(fake)))
        refusal = exchange.ask(name, [tampered], of_this, 20)
        assert isinstance(refusal, Holding)
        assert "digest" in refusal.error
        assert refusal.missing == (0,)
        damaged = bytearray(codec.encode_chunk(codec.Chunk(whole, 0, 1, data)))
        damaged[-1] ^= 1
        exchange.send(name, bytes(damaged))
        assert exchange.wait_for(lambda: exchange.statuses[name].malformed == 1, 20)
        not_weights = b"no safetensors at all"
        other = deployment.digest(not_weights)
        junk_offer = Offer(exchange.run, "nin", 0, 1, other.hex(), len(not_weights))
        junk_chunk = codec.encode_chunk(codec.Chunk(other, 0, 1, not_weights))
        reply = exchange.ask(
            name,
            [control_messages.encode(junk_offer), junk_chunk],
            lambda message: isinstance(message, Holding) and bool(message.error),
            20,
        )
        assert isinstance(reply, Holding)
        assert "weights must fit" in reply.error
        Fleet(exchange, 20).deliver(name, layer, data)


def test_a_transfer_is_taken_up_where_it_broke_off_and_not_repeated(
    amqtt: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Layer("resnet50", 0, 15)
    data = layer_bytes(layer)
    whole = deployment.digest(data)
    assert deployment.chunk_count(len(data)) == 5
    with one_worker(amqtt) as (exchange, name):
        chunks_sent = []
        send = exchange.send

        def counting(worker: str, payload: bytes) -> None:
            if codec.is_binary(payload):
                chunks_sent.append(payload)
            send(worker, payload)

        monkeypatch.setattr(exchange, "send", counting)
        fleet = Fleet(exchange, 20)
        offer = Offer(exchange.run, "resnet50", 0, 15, whole.hex(), len(data))
        begun = [codec.encode_chunk(deployment.chunk(data, whole, index)) for index in (0, 4)]
        holding = exchange.ask(
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
        Fleet(exchange, 20).deliver(name, layer, data)  # another coordinator's, as it were
        assert len(chunks_sent) == deployment.chunk_count(len(data)) - 2


def test_worker_without_room_says_so(amqtt: Broker) -> None:
    with one_worker(amqtt, "--memory-bytes", "100000") as (exchange, name):
        fleet = Fleet(exchange, 20)
        fleet.deliver(name, Layer("nin", 0, 0), layer_bytes(Layer("nin", 0, 0)))  # 59 kB
        with pytest.raises(Refused, match="memory"):
            fleet.deliver(name, Layer("nin", 0, 1), layer_bytes(Layer("nin", 0, 1)))


def test_a_lab_without_a_workers_answer_is_missing_it(lab: Broker, caplog: pytest.LogCaptureFixture) -> None:
    absent = {**HOSTS, "edge1": HOSTS["edge1"].__class__("nobody")}
    with pytest.raises(MissingDependency, match="nobody: must be online"):
        Coordinator(lab.address, absent, system([NIN]), join_s=0.5).__enter__()
    assert caplog.messages == ["waiting for workers: nobody"]
    with pytest.raises(ValueError, match="edge1: must be the node of a worker"):
        Coordinator(lab.address, {"ue1": HOSTS["ue1"]}, system([NIN]))


def test_last_will_says_that_a_killed_worker_is_gone(mosquitto: Broker, amqtt: Broker) -> None:
    for broker in (mosquitto, amqtt):
        with local_workers(broker.address, ["mortal"]) as workers, Exchange(broker.address) as exchange:
            assert exchange.wait_for(lambda: "mortal" in exchange.ledger.live, 30)
            workers["mortal"].kill()
            assert exchange.wait_for(lambda: "mortal" not in exchange.ledger.live, 10)
            assert {status.worker: status.state for status in hosts(broker.address)}["mortal"] == "offline"


def test_no_delay_is_set_on_every_connection_and_the_worker_comes_back(amqtt: Broker) -> None:
    threads = torch.get_num_threads()
    worker = Worker(amqtt.address, "reconnecting", 10**9, Runtime())
    torch.set_num_threads(threads)  # a worker's one thread is not this process's
    serving = threading.Thread(target=worker.serve)
    with Exchange(amqtt.address) as exchange:
        serving.start()
        try:
            for _ in range(2):
                assert exchange.wait_for(lambda: "reconnecting" in exchange.ledger.live, 20)
                connection = worker._client.socket()
                assert isinstance(connection, socket.socket)
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                connection.shutdown(socket.SHUT_RDWR)
                assert exchange.wait_for(lambda: "reconnecting" not in exchange.ledger.live, 20)
            assert exchange.wait_for(lambda: "reconnecting" in exchange.ledger.live, 20)
        finally:
            worker.stop()
            serving.join(20)
        assert exchange.wait_for(lambda: "reconnecting" not in exchange.ledger.live, 20)


def test_a_worker_without_a_broker_says_so_once_and_finds_it_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "hil.worker", "--broker", address, "--name", "early", "--watch-stdin"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"broker {address}: does not answer: trying again\n"
        with embedded(port=port) as broker, Exchange(broker.address) as exchange:
            assert exchange.wait_for(lambda: "early" in exchange.ledger.live, 30)
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


def test_layers_are_sent_once_to_a_worker_of_several_nodes(lab: Broker) -> None:
    shared = dict.fromkeys(HOSTS, HOSTS["ue1"])
    counted: list[tuple[int, int]] = []
    with Coordinator(lab.address, shared, system([NIN])) as coordinator:
        coordinator.deploy(lambda done, total: counted.append((done, total)))
        assert counted == [(done, 12) for done in range(13)]  # twelve layers, not twice twelve
        inference = coordinator.infer(task(NIN), split(NIN, 4))
        assert inference.result is not None
        assert np.array_equal(inference.result, expected(task(NIN)))
