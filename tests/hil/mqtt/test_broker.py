import os
import select
import signal
import socket
import subprocess
import sys
import threading

import pytest

from hil.errors import MissingDependency
from hil.mqtt import broker
from hil.mqtt.address import parse_address
from hil.mqtt.broker import Broker
from hil.mqtt.client import KEEPALIVE_S, make_client
from hil.mqtt.embedded import CONFIGURATION
from hil.testbed.connection import CoordinatorConnection


@pytest.mark.parametrize("which", ["amqtt", "mosquitto"])
def test_broker_is_private_and_carries_four_mebibytes_at_once(which: str, request: pytest.FixtureRequest) -> None:
    running: Broker = request.getfixturevalue(which)
    assert running.name == which
    assert running.version.count(".") == 2
    assert running.address.host == "127.0.0.1"
    assert running.address.port != 1883
    payload = os.urandom(4 * 2**20)
    received: list[tuple[str, bytes]] = []
    arrived = threading.Event()

    def receive(topic: str, content: bytes) -> None:
        received.append((topic, content))
        if topic == "t/big":
            arrived.set()

    client = make_client("test", ["t/#"], receive, lambda: client.publish("t/hello", b"hi"))
    client.connect(*running.address)
    client.loop_start()
    try:
        with CoordinatorConnection(running.address) as connection:
            assert connection.wait_for(lambda: running.version in connection.broker_version, 5)
        client.publish("t/big", payload)
        assert arrived.wait(10)
        assert ("t/hello", b"hi") in received
        assert ("t/big", payload) in received
        sock = client.socket()
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("start", [broker.embedded, broker.mosquitto])
def test_broker_ends_with_its_context(start: type, mosquitto: Broker) -> None:
    with start() as running:
        socket.create_connection(running.address, timeout=5).close()
    assert running.process.poll() is not None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(running.address, timeout=5)


@pytest.mark.parametrize("start", [broker.embedded, broker.mosquitto])
@pytest.mark.parametrize("port", [-5, 65_536, 99_999])
def test_invalid_port_starts_no_process(start: type, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(subprocess, "Popen")
    with pytest.raises(ValueError, match=f"^port={port}: must be 0 to 65535$"), start(port=port):
        pass


def test_missing_mosquitto_and_occupied_port_are_reported(monkeypatch: pytest.MonkeyPatch, amqtt: Broker) -> None:
    with pytest.raises(MissingDependency, match=r"amqtt\) did not start"), broker.embedded(port=amqtt.address.port):
        pass
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(broker, "MOSQUITTO_PLACES", "")
    with pytest.raises(MissingDependency, match="apt-get install mosquitto"), broker.mosquitto():
        pass


def test_embedded_broker_does_not_outlive_a_killed_parent() -> None:
    code = "import time, hil.mqtt.broker as b\nwith b.embedded() as r: print(r.process.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        watch = os.pidfd_open(orphan)
        parent.kill()
    try:
        signal.pidfd_send_signal(watch, 0)  # raises if it is gone already, which is as good
        assert wait_for_end(watch, 10)
    except ProcessLookupError:
        pass
    finally:
        os.close(watch)


def wait_for_end(pidfd: int, timeout_s: float) -> bool:
    return bool(select.select([pidfd], [], [], timeout_s)[0])


def test_broker_waits_longer_than_the_keepalive() -> None:
    assert KEEPALIVE_S <= 10
    assert CONFIGURATION["timeout_disconnect_delay"] == KEEPALIVE_S // 2


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:70000", "host:-1", "host:1x"])
def test_address_must_be_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="must be HOST:PORT"):
        parse_address(text)


def test_unreachable_broker_is_a_missing_dependency() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(MissingDependency, match="cannot reach broker"),
        CoordinatorConnection(parse_address(f"127.0.0.1:{port}")),
    ):
        pass


@pytest.mark.parametrize("which", ["amqtt", "mosquitto"])
def test_many_clients_that_connect_at_once_are_all_served(which: str, request: pytest.FixtureRequest) -> None:
    running: Broker = request.getfixturevalue(which)
    heard = {f"c{number}": threading.Event() for number in range(24)}
    clients = []
    for name, event in heard.items():

        def say(name: str = name) -> None:
            by_name[name].publish(f"all/{name}", b"here", qos=1, retain=True)

        def receive(topic: str, _: bytes, name: str = name, event: threading.Event = event) -> None:
            if topic == f"all/{name}":
                event.set()

        clients.append(make_client(name, [f"all/{name}", "all/+"], receive, say))
    by_name = dict(zip(heard, clients, strict=True))
    try:
        for client in clients:
            client.connect_async(*running.address)
            client.loop_start()
        assert all(event.wait(20) for event in heard.values())
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()
