"""Real brokers and workers that tests share."""

from collections.abc import Iterator

import pytest

from hil.mqtt import broker
from hil.mqtt.broker import Broker
from hil.testbed.connection import CoordinatorConnection
from hil.testbed.hosts import local_workers


@pytest.fixture(scope="session")
def amqtt() -> Iterator[Broker]:
    with broker.embedded() as running:
        yield running


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[Broker]:
    if broker.find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    with broker.mosquitto() as running:
        yield running


@pytest.fixture(scope="session")
def lab() -> Iterator[Broker]:
    """A broker with the online workers w1 and w2, for tests that do not stop them."""
    with broker.embedded() as running, local_workers(running.address, ["w1", "w2"]):
        with CoordinatorConnection(running.address) as connection:
            assert connection.wait_for(lambda: {"w1", "w2"} <= connection.ledger.live.keys(), 60)
        yield running
