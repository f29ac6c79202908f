"""A station in this process: the messages that it refuses, and the rows that belong to a task."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.task import Partition, Task, TaskKind
from hil.errors import Malformed
from hil.mqtt.address import Address
from hil.stations.event_log import Event, StationLog
from hil.stations.layers import NodeLayers
from hil.stations.messages import MessageKey, ReceivedMessage, StationMessage
from hil.stations.planning import make_schedule
from hil.stations.processes import events_file
from hil.stations.real_times import gather, real_tasks
from hil.stations.schedule import Schedule
from hil.stations.server import Station
from hil.stations.transports import MqttTransport
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system

IMAGE, TEXT = kind("resnet32", "int8"), kind("llama-15m", "int8")


def schedule_of(*tasks: Task) -> Schedule:
    """Return the schedule of tasks from ue1, computed on edge1 and then edge2."""
    system = make_system([IMAGE, TEXT], {"ue1": FAST, "edge1": FAST, "edge2": FAST})
    placed = [(task, (Partition("edge1", 0, 2), Partition("edge2", 2, len(task.kind.model.layers)))) for task in tasks]
    return make_schedule(system, placed, free_addresses(["ue1", "edge1", "edge2"]), Address("127.0.0.1", 1))


def message_to(schedule: Schedule, key: MessageKey) -> ReceivedMessage:
    """Return a message of the right size, received now."""
    job = schedule.jobs[key.job]
    leg = schedule.leg(job, key.step * len(schedule.plan(job).placement) + key.stage)
    return ReceivedMessage(StationMessage(key, bytes(leg.size_bytes)), time.monotonic_ns(), leg.size_bytes)


@pytest.mark.parametrize("of", [IMAGE, TEXT], ids=["image", "prompt"])
@pytest.mark.parametrize("stage", [0, 1], ids=["input", "activation"])
@pytest.mark.parametrize("wrong", [-1, 1], ids=["short", "long"])
def test_message_of_a_wrong_size_is_refused(of: TaskKind, stage: int, wrong: int) -> None:
    task = Task("ue1", TEXT, 0, 0, 9, 3) if of is TEXT else Task("ue1", IMAGE, 0, 0)
    schedule = schedule_of(task)
    layers = NodeLayers(schedule, ("edge1", "edge2")[stage])
    job = schedule.jobs[0]
    keys = [MessageKey(0, step, stage) for step in range(schedule.steps(job))]
    for message, *_ in (message_to(schedule, key) for key in keys):
        layers.decode(job, message)  # the right size
        data = (message.data + b"x")[: len(message.data) + wrong]
        with pytest.raises(Malformed, match=f"message: {len(data)} bytes: must be {len(message.data)}"):
            layers.decode(job, message._replace(data=data))


def test_shape_of_an_activation_is_known_before_the_first_task_even_without_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = replace(FAST, memory_bytes=1)
    system = make_system([IMAGE], {"ue1": FAST, "edge1": FAST, "edge2": small})
    task = Task("ue1", IMAGE, 0, 0)
    placement = (Partition("edge1", 0, 2), Partition("edge2", 2, len(IMAGE.model.layers)))
    schedule = make_schedule(
        system, [(task, placement)], free_addresses(["ue1", "edge1", "edge2"]), Address("127.0.0.1", 1)
    )
    layers = NodeLayers(schedule, "edge2")

    def construct(*_: object) -> None:
        raise AssertionError("must not be called during a task")

    monkeypatch.setattr("hil.runtime.Chain", construct)
    key = MessageKey(0, 0, 1)
    assert layers.decode(schedule.jobs[0], message_to(schedule, key).message).shape[0] == 1


def test_result_that_arrives_again_changes_neither_its_task_nor_the_others(tmp_path: Path) -> None:
    schedule = schedule_of(Task("ue1", IMAGE, 0, 0), Task("ue1", IMAGE, 1, 0))
    calls: list[str] = []
    with StationLog(events_file(tmp_path, "ue1")) as log:
        station = Station(
            schedule, "ue1", None, MqttTransport(Address("127.0.0.1", 1), "ue1"), log, lambda: calls.append("done")
        )
        for number, done in ((0, 0), (0, 0), (1, 1), (1, 1), (0, 1)):
            station.receive(message_to(schedule, MessageKey(number, 0, 2)))
            assert len(calls) == done
    rows = gather(schedule, tmp_path)
    assert rows["event"].tolist() == [Event.RECEIVED, Event.DECODED] * 2
    assert [real.reason for _, real in real_tasks(schedule, rows)] == ["", ""]


def test_rows_after_the_end_of_a_task_are_not_part_of_it(tmp_path: Path) -> None:
    schedule = schedule_of(Task("ue1", IMAGE, 0, 0), Task("ue1", IMAGE, 1, 0), Task("ue1", IMAGE, 2, 0))
    with StationLog(events_file(tmp_path, "ue1")) as log:
        for number in range(3):
            log.write(MessageKey(number, 0, 0), Event.WOKE, 10)
            if number != 1:
                log.write(MessageKey(number, 0, 2), Event.DECODED, 30)
            log.write(MessageKey(number, 0, 2), Event.STATION_ERROR, 70)
    reals = [real for _, real in real_tasks(schedule, gather(schedule, tmp_path))]
    assert [(real.reason, real.sojourn_ns) for real in reals] == [("", 30), ("station error", 70), ("", 30)]
