"""Stations that hold their node for the modelled time compute nothing, and need no torch."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emulator.device import Device
from emulator.record import Records
from emulator.task import Partition, Task
from hil.errors import Malformed
from hil.mqtt.address import Address
from hil.stations.event_log import Event
from hil.stations.held_layers import HeldLayers
from hil.stations.messages import MessageKey, StationMessage
from hil.stations.planning import make_schedule
from hil.stations.real_times import DelayPart, write_real_tasks
from hil.stations.schedule import Schedule, read_schedule, write_schedule
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, free_addresses, make_system, run

IMAGE, TEXT = kind("vgg16", "int8"), kind("llama-15m", "int8")
SLOW = replace(FAST, compute_flops_per_s=1e11, memory_bytes_per_s=1e10)
DEVICES = {"ue1": SLOW, "edge1": FAST}  # edge1 takes 0.03 ms for what needs this machine some 100 ms
SYSTEM = make_system([IMAGE, TEXT], DEVICES)
LATE_NS = 50_000_000  # this may be a busy machine
SEVERAL_MS = 5_000_000


def whole(node: str, model: int) -> tuple[Partition, ...]:
    return (Partition(node, 0, model),)


PLACED = [
    (Task("ue1", IMAGE, 0, 0), whole("edge1", len(IMAGE.model.layers))),
    (Task("ue1", IMAGE, 1, 100_000_000), (Partition("ue1", 0, 3), Partition("edge1", 3, len(IMAGE.model.layers)))),
    (Task("ue1", TEXT, 0, 400_000_000, 20, 3), whole("edge1", len(TEXT.model.layers))),
    (Task("ue1", TEXT, 1, 500_000_000, 20, 3), (Partition("ue1", 0, 2), Partition("edge1", 2, len(TEXT.model.layers)))),
]


def held_schedule(nodes: Sequence[str] = tuple(DEVICES)) -> Schedule:
    addresses = free_addresses(nodes)
    return replace(make_schedule(SYSTEM, PLACED, addresses, Address("127.0.0.1", 1), "held"), broker=None)


def test_field_device_faster_than_this_machine_takes_the_modelled_time(tmp_path: Path) -> None:
    held = run(held_schedule(), tmp_path, 20)
    assert held.waiting == () and not any(held.dropped.values())
    for number in range(len(PLACED)):
        job, plan, real = held.of(number)
        assert real.reason == ""
        stages = len(plan.placement)
        for stage in range(stages):
            modelled_ns = sum(job.service_ns[stage::stages])
            extra_ns = real.parts_ns[stage][DelayPart.SERVICE] - modelled_ns
            assert extra_ns < LATE_NS
            assert extra_ns + real.parts_ns[stage][DelayPart.LOAD] >= 0  # a late end of loading shortens the service
        assert not any(held.rows["answer"])  # no scores
    device = Device.standalone(FAST, SYSTEM.models)
    assert held.schedule.jobs[0].service_ns == (device.service_ns("vgg16", 0, len(IMAGE.model.layers), 1, 0),)
    assert held.schedule.jobs[0].service_ns[0] < 1_000_000
    extras = [held.of(number)[2].parts_ns[0][DelayPart.SERVICE] for number in (0, 2)]
    assert min(extras) < SEVERAL_MS
    assert held.at_ns(0, Event.COMPUTED, 0) <= held.at_ns(0, Event.FINISHED, 0)


def test_field_first_token_of_stations_is_that_of_the_first_pass(tmp_path: Path) -> None:
    """Held stations know it when the modelled first pass is over, in one partition and in two."""
    held = run(held_schedule(), tmp_path, 20)
    with Records(tmp_path) as records:
        write_real_tasks(records, "fixed@emulated", held.schedule, held.rows, [None] * len(held.schedule.jobs))
    rows = pq.read_table(tmp_path / "tasks.parquet").to_pylist()
    assert [(row["prompt_tokens"], row["output_tokens"]) for row in rows] == [(None, None)] * 2 + [(20, 3)] * 2
    assert [row["ttft_ns"] for row in rows[:2]] == [None, None]
    for number, row in enumerate(rows[2:], 2):
        job, plan, _ = held.of(number)
        last = len(plan.placement) - 1
        (started_ns,) = held.at_ns(number, Event.STARTED, last)
        (finished_ns,) = held.at_ns(number, Event.FINISHED, last)
        (known_ns,) = held.at_ns(number, Event.FIRST_TOKEN, last)
        assert job.first_token_ns is not None
        assert started_ns + job.first_token_ns <= known_ns <= finished_ns
        assert row["ttft_ns"] == known_ns - job.arrival_ns < row["sojourn_ns"]
        if last == 0:  # two more passes follow in the same visit
            assert job.first_token_ns < job.service_ns[0]


def test_field_messages_have_the_models_sizes() -> None:
    schedule = held_schedule()
    layers = HeldLayers(schedule)
    job = schedule.jobs[3]
    for step in range(schedule.steps(job)):
        for stage in range(2):
            leg = schedule.next_leg(job, step, stage)
            message = layers.encode(job, MessageKey(3, step, stage), leg, None)
            assert len(message.data) == leg.size_bytes > 0
            layers.decode(job, message)
            with pytest.raises(Malformed, match=f"{leg.size_bytes + 1} bytes: must be {leg.size_bytes}"):
                layers.decode(job, StationMessage(message.key, message.data + b"x"))


def test_field_held_schedule_survives_its_file_and_older_ones_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    write_schedule(path, held_schedule())
    assert read_schedule(path).compute == "held"
    path.write_text(path.read_text().replace(',"compute":"held"', ""))
    assert read_schedule(path).compute == "measured"


def test_field_held_station_imports_no_torch() -> None:
    code = "import sys, hil.station, hil.stations.held_layers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
