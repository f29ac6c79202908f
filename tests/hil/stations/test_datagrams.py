"""Stations without a broker: a proxy between two stations drops some datagrams."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.activation.delivery import parse_delivery
from emulator.legs import Leg
from emulator.system import DeviceSpec
from emulator.task import Partition, Task
from hil.mqtt.address import Address
from hil.stations.event_log import Event
from hil.stations.messages import (
    DATAGRAM_BYTES,
    REASSEMBLY_TIMEOUT_NS,
    MessageKey,
    Piece,
    Reassembly,
    ReceivedMessage,
    StationMessage,
    parse_piece,
    single_piece,
    split_message,
)
from hil.stations.planning import make_schedule
from hil.stations.priority import raise_priority
from hil.stations.processes import launch_here
from hil.stations.real_times import NOT_ANSWERED
from hil.stations.schedule import read_schedule, write_schedule
from hil.stations.transports import DatagramTransport
from tests.hil.lab import kind
from tests.hil.stations.on_stations import StationRun, answer_of, free_addresses, make_system, run

IMAGE = replace(kind("resnet32", "int8"), input_bytes=60_000, result_bytes=1_000)
PLACEMENT = (Partition("ue1", 0, 2), Partition("edge1", 2, 17))
DEVICE = DeviceSpec(1e12, 10**10, 1e12, 1e12)
TASKS = [Task("ue1", IMAGE, number, number * 200_000_000) for number in range(6)]
# Pieces that the proxy drops, by (job, stage): some, the last, all; of job 5, the result.
LOST = {(1, 1): {0, 3}, (2, 1): {11}, (3, 1): set(range(12)), (5, 2): {0}}
HEADER_BYTES = 24


@contextmanager
def proxy(target: Address, keeps: Callable[[Piece], bool]) -> Iterator[Address]:
    """Run a UDP proxy that forwards only the pieces that `keeps` accepts; yield its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front:
        front.bind(("127.0.0.1", 0))
        front.settimeout(0.2)
        over = threading.Event()

        def forward() -> None:
            while not over.is_set():
                try:
                    datagram = front.recv(2_000)
                except TimeoutError:
                    continue
                if keeps(parse_piece(datagram)):
                    front.sendto(datagram, target)

        thread = threading.Thread(target=forward)
        thread.start()
        try:
            yield Address(*front.getsockname())
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StationRun]:
    folder = tmp_path_factory.mktemp("datagrams")
    system = make_system([IMAGE], {"ue1": DEVICE, "edge1": DEVICE})
    addresses = free_addresses(["ue1", "edge1"])
    broker = Address("127.0.0.1", 1)  # make_schedule requires a broker or links; removed at once
    schedule = replace(make_schedule(system, [(task, PLACEMENT) for task in TASKS], addresses, broker), broker=None)

    def keeps(piece: Piece) -> bool:
        return piece.number not in LOST.get((piece.key.job, piece.key.stage), ())

    with proxy(addresses["ue1"], keeps) as to_ue1, proxy(addresses["edge1"], keeps) as to_edge1:

        def launch(node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
            """Start a station whose schedule has the proxy as the other station's address."""
            behind = {"ue1": {"edge1": to_edge1}, "edge1": {"ue1": to_ue1}}[node]
            own = folder / f"{node}.json"
            write_schedule(own, replace(schedule, addresses={**schedule.addresses, **behind}))
            return launch_here(node, [str(own) if each.endswith("schedule.json") else each for each in command])

        yield run(schedule, folder, 2.5, launch)


def test_message_waits_for_a_late_end_that_is_acknowledged(tmp_path: Path) -> None:
    """As where the air needs many transmissions: the end arrives long after the packets that may get lost."""
    late_s = 3e-9 * REASSEMBLY_TIMEOUT_NS
    of = replace(IMAGE, delivery=parse_delivery("packets:1500/none/zero"))
    task = Task("ue1", of, 0, 0)
    system = make_system([of], {"ue1": DEVICE, "edge1": DEVICE})
    addresses = free_addresses(["ue1", "edge1"])
    schedule = replace(make_schedule(system, [(task, PLACEMENT)], addresses, Address("127.0.0.1", 1)), broker=None)
    exposed = schedule.leg(schedule.jobs[0], 1).size_bytes - schedule.leg(schedule.jobs[0], 1).acknowledged_bytes

    def keeps(piece: Piece) -> bool:
        if piece.start == exposed:
            time.sleep(late_s)
        return True

    with proxy(addresses["edge1"], keeps) as to_edge1:

        def launch(node: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
            own = tmp_path / f"{node}.json"
            behind = {"edge1": to_edge1} if node == "ue1" else {}
            write_schedule(own, replace(schedule, addresses={**schedule.addresses, **behind}))
            return launch_here(node, [str(own) if each.endswith("schedule.json") else each for each in command])

        finished = run(schedule, tmp_path, 2.5, launch)
    (received_ns,) = finished.at_ns(0, Event.RECEIVED, 1)
    assert received_ns - finished.at_ns(0, Event.PUBLISHED, 1)[0] >= late_s * 1e9
    assert finished.of(0)[2].erased == [0, 0, 0]
    assert finished.rows_of(0, Event.COMPUTED, 1)["answer"] == answer_of(task, PLACEMENT, schedule.jobs[0].input_seed)
    assert finished.dropped == {}


def test_tasks_with_wholly_lost_messages_are_not_answered(finished: StationRun) -> None:
    reasons = [finished.of(number)[2].reason for number in range(len(TASKS))]
    assert reasons == ["", "", "", NOT_ANSWERED, "", NOT_ANSWERED]
    assert finished.waiting == ("ue1",)
    assert finished.dropped == {}


def test_erased_fraction_is_the_share_of_dropped_bytes(finished: StationRun) -> None:
    size_bytes = IMAGE.model.activation_bytes(2, 1, "int8")
    pieces = -(-size_bytes // DATAGRAM_BYTES)
    assert pieces == 12
    whole_bytes = size_bytes + pieces * HEADER_BYTES
    last_bytes = size_bytes - 11 * DATAGRAM_BYTES + HEADER_BYTES
    erased = [finished.of(number)[2].erased for number in range(len(TASKS))]
    assert erased[0] == [0, 0, 0]
    assert erased[1] == pytest.approx([0, 2 * (DATAGRAM_BYTES + HEADER_BYTES) / whole_bytes, 0])
    assert erased[2] == pytest.approx([0, last_bytes / whole_bytes, 0])


def test_missing_bytes_are_zeros(finished: StationRun) -> None:
    def piece(number: int) -> slice:
        return slice(number * DATAGRAM_BYTES, (number + 1) * DATAGRAM_BYTES)

    answers = {}
    for number, lost in {0: [], 1: [piece(0), piece(3)], 2: [piece(11)]}.items():
        seed = finished.schedule.jobs[number].input_seed
        (row,) = finished.rows_of(number, Event.COMPUTED, 1)
        assert row["answer"] == answer_of(TASKS[number], PLACEMENT, seed, {1: lost})
        answers[number] = answer_of(TASKS[number], PLACEMENT, seed)
    assert finished.rows_of(1, Event.COMPUTED, 1)["answer"] != answers[1]


def test_only_a_lost_last_piece_delays_a_message(finished: StationRun) -> None:
    took_ns = [
        finished.at_ns(number, Event.RECEIVED, 1)[0] - finished.at_ns(number, Event.PUBLISHED, 1)[0]
        for number in range(3)
    ]
    assert took_ns[2] >= REASSEMBLY_TIMEOUT_NS
    assert min(took_ns[:2]) < REASSEMBLY_TIMEOUT_NS


def reassembly_of(size_bytes: int, *others: int) -> Reassembly:
    """Return the reassembly of a node to which messages of `size_bytes` are sent, or of `others` by job."""
    sizes = dict(enumerate(others))

    def leg_of(key: MessageKey) -> Leg:
        return Leg(*key[1:], "y", "x", sizes.get(key.job, size_bytes), 0, 0, 1, (), "int8")

    return Reassembly(leg_of, 10**10)


def test_datagrams_dropped_by_a_full_buffer_are_counted() -> None:
    here = free_addresses(["x"])
    busy, over = threading.Event(), threading.Event()

    def receive(_: ReceivedMessage) -> None:
        busy.set()
        over.wait()

    transport = DatagramTransport(here, "x", reassembly_of(1_000), buffer_bytes=20_000)
    transport.open(receive)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(single_piece(StationMessage(MessageKey(0, 0, 0), b"x" * 1_000)), here["x"])
        assert busy.wait(10)
        for number in range(1, 101):
            sender.sendto(single_piece(StationMessage(MessageKey(number, 0, 0), b"x" * 1_000)), here["x"])
    lost = transport.lost
    over.set()
    transport.close()
    assert 50 < lost < 100
    assert transport.malformed == 0


def test_steady_other_traffic_does_not_delay_an_overdue_message() -> None:
    here = free_addresses(["x"])
    arrived: list[ReceivedMessage] = []
    overdue = StationMessage(MessageKey(0, 0, 0), b"x" * 3 * DATAGRAM_BYTES)
    transport = DatagramTransport(here, "x", reassembly_of(1, len(overdue.data)))
    transport.open(arrived.append)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for piece in list(split_message(overdue, DATAGRAM_BYTES))[:-1]:
            sender.sendto(piece, here["x"])
        begun_ns = time.monotonic_ns()

        def send_others() -> None:
            raise_priority()  # without a gap of a millisecond
            number = 0
            while time.monotonic_ns() < begun_ns + 10 * REASSEMBLY_TIMEOUT_NS:
                number += 1
                sender.sendto(single_piece(StationMessage(MessageKey(number, 0, 0), b"x")), here["x"])
                time.sleep(1e-4)

        other_traffic = threading.Thread(target=send_others)
        other_traffic.start()
        other_traffic.join()
    transport.close()
    (timed_out,) = (each for each in arrived if each.message.key.job == 0)
    assert REASSEMBLY_TIMEOUT_NS <= timed_out.at_ns - begun_ns < 5 * REASSEMBLY_TIMEOUT_NS


def test_schedule_without_a_broker_survives_its_file(finished: StationRun, tmp_path: Path) -> None:
    write_schedule(tmp_path / "schedule.json", finished.schedule)
    assert json.loads((tmp_path / "schedule.json").read_text())["broker"] is None
    assert read_schedule(tmp_path / "schedule.json").broker is None
