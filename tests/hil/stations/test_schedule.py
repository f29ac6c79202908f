"""The schedule of stations: visits, legs and times equal the simulation's; errors in the file are explained."""

import json
from contextlib import suppress
from itertools import product
from pathlib import Path

import pytest

from emulator.device import Device
from emulator.legs import Leg, LegPlan
from emulator.task import Partition, Placement, Task, passes
from hil.errors import Malformed
from hil.mqtt.address import Address
from hil.stations.messages import MessageKey
from hil.stations.planning import make_schedule
from hil.stations.schedule import Schedule, read_schedule, write_schedule
from tests.hil.lab import kind, split, system, task

IMAGE, TEXT = kind("resnet32", "int8"), kind("llama-15m", "int8")
ADDRESSES = {"ue1": Address("10.77.0.1", 5700), "edge1": Address("10.77.0.2", 5700)}
BROKER = Address("10.77.0.3", 1883)
SYSTEM = system([IMAGE, TEXT], cuts=[2])


def schedule_of(*placed: tuple[Task, Placement]) -> Schedule:
    return make_schedule(SYSTEM, placed, ADDRESSES, BROKER)


def brief(leg: Leg) -> tuple[int, int, str, int]:
    return leg.step, leg.stage, leg.target, leg.size_bytes


def test_split_language_model_has_a_visit_per_pass_and_partition() -> None:
    each = task(TEXT, prompt=24, output=3)
    schedule = schedule_of((each, split(TEXT, 2)))
    (job,) = schedule.jobs
    device = Device.standalone(SYSTEM.nodes["ue1"].device or pytest.fail("no device"), SYSTEM.models)
    assert job.service_ns == tuple(
        device.service_ns("llama-15m", first, stop, *each_pass)  # both nodes have the same device
        for each_pass in passes(each)
        for _, first, stop, _ in split(TEXT, 2)
    )
    hidden = TEXT.model.activation_bytes(2, 1, "int8")
    assert brief(schedule.leg(job, 0)) == (0, 0, "ue1", 24 * 4)
    assert brief(schedule.next_leg(job, 0, 0)) == (0, 1, "edge1", 24 * hidden)
    assert brief(schedule.next_leg(job, 0, 1)) == (1, 0, "ue1", 4)
    assert brief(schedule.next_leg(job, 1, 0)) == (1, 1, "edge1", hidden)
    assert brief(schedule.next_leg(job, 2, 1)) == (2, 2, "ue1", 3 * 4)
    assert schedule.modelled_ns(job, 1, 1) == job.service_ns[3]


def test_one_node_runs_all_passes_in_one_visit() -> None:
    each = task(TEXT, prompt=24, output=3)
    split_up, whole = schedule_of((each, split(TEXT, 2)), (each, split(TEXT, 0))).jobs
    assert len(whole.service_ns) == 1
    assert whole.service_ns[0] == sum(split_up.service_ns)  # equal devices, and times of layers add up


def test_empty_inputs_and_results_are_not_sent() -> None:
    schedule = schedule_of((task(IMAGE), split(IMAGE, 0)))
    job = schedule.jobs[0]
    assert (schedule.begins_at(job), schedule.ends_at(job)) == ("ue1", "ue1")
    plan = schedule.plans[0]
    once, again, result = plan.legs
    legs = LegPlan((once[0]._replace(fixed_bytes=0), *once[1:]), again, result._replace(fixed_bytes=0))
    empty = Schedule(
        6, 0, None, ADDRESSES, schedule.computers, schedule.weight_bytes,
        (type(plan)(**{**vars(plan), "legs": legs}),), schedule.jobs, schedule.failure_ns,
    )  # fmt: skip
    assert (empty.begins_at(job), empty.ends_at(job)) == ("edge1", "edge1")


def test_leg_of_a_message_is_known_only_at_its_node() -> None:
    """Every leg that crosses between nodes has one key at one node; no other key has a leg."""
    schedule = schedule_of((task(TEXT, prompt=24, output=3), split(TEXT, 2)), (task(IMAGE), split(IMAGE, 0)))
    expected = {}
    for number, job in enumerate(schedule.jobs):
        for index in range(len(job.service_ns) + 1):
            leg = schedule.leg(job, index)
            if leg.source != leg.target and leg.size_bytes:
                expected[leg.target, MessageKey(number, leg.step, leg.stage)] = leg
    found = {}
    for node, *key in product(("ue1", "edge1", "x"), range(4), range(8), range(8)):
        with suppress(Malformed):
            found[node, MessageKey(*key)] = schedule.leg_to(node, MessageKey(*key))
    assert found == expected
    assert len(expected) == 8


def test_schedule_survives_its_file(tmp_path: Path) -> None:
    schedule = schedule_of(
        (task(TEXT), split(TEXT, 2)), (task(IMAGE), split(IMAGE, 1)), (task(IMAGE, 1), split(IMAGE, 1))
    )
    assert len(schedule.plans) == 2
    write_schedule(tmp_path / "schedule.json", schedule)
    assert read_schedule(tmp_path / "schedule.json") == schedule


def test_resident_weights_are_those_that_the_simulation_preloads() -> None:
    computers = schedule_of((task(IMAGE), split(IMAGE, 2))).computers
    assert {layer for layer in computers["ue1"].resident if layer[0] == "resnet32"} == {
        ("resnet32", 0),
        ("resnet32", 1),
    }
    assert ("llama-15m", 7) in computers["edge1"].resident


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 1}, "version=1: must be 6"),
        ({"extra": 1}, "extra: Unexpected keyword argument"),
        ({"weights_seed": "x"}, "weights_seed: Input should be a valid integer"),
        ({"addresses": {}}, "plans[0].source=ue1: must have an address"),
        ({"computers": {}}, "plans[0].placement: ue1: must have an address and a computer"),
        ({"plans": []}, "jobs[0].plan=0: must be the number of a plan"),
    ],
)
def test_bad_schedule_is_refused_in_one_line(tmp_path: Path, change: dict[str, object], says: str) -> None:
    path = tmp_path / "schedule.json"
    write_schedule(path, schedule_of((task(IMAGE), split(IMAGE, 2))))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError) as refusal:
        read_schedule(path)
    assert says in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_invalid_json_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"schedule\.json: Invalid JSON"):
        read_schedule(path)


def test_schedule_needs_a_broker_or_a_link_for_datagrams() -> None:
    with pytest.raises(ValueError, match="broker: must be given where no link has the bearer um"):
        make_schedule(SYSTEM, [], ADDRESSES)


def test_nodes_of_a_placement_need_devices_and_addresses() -> None:
    layers = len(IMAGE.model.layers)
    with pytest.raises(ValueError, match="placement on gnb: must be a node that has a device"):
        schedule_of((task(IMAGE), (Partition("gnb", 0, layers),)))
    with pytest.raises(ValueError, match=r"plans\[0\]\.placement: edge1: must have an address"):
        make_schedule(SYSTEM, [(task(IMAGE), split(IMAGE, 1))], {"ue1": ADDRESSES["ue1"]}, BROKER)
