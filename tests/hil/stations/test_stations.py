"""Stations run tasks in real time: all are answered, in order and correctly, and their delays add up."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from emulator.policy import Decision
from emulator.realtime.station_events import EVENTS, FAILURES, MARKS, STATION_EVENTS
from emulator.record import STAGE_SCHEMA, TASK_SCHEMA, Records
from emulator.system import DeviceSpec
from emulator.task import Partition, Placement, Task, TaskKind
from hil.mqtt.broker import Broker
from hil.stations.event_log import Event
from hil.stations.planning import make_schedule
from hil.stations.real_times import DelayPart, real_tasks, write_events, write_real_tasks
from tests.hil.lab import kind
from tests.hil.stations.on_stations import FAST, StationRun, answer_of, free_addresses, make_system, run
from topologies.profiles import load_profile

# The modelled times of ue1 are much longer than its real computing, those of the edges shorter.
DEVICES = {"ue1": DeviceSpec(1e11, 10**10, 1e10, 1e9), "edge1": FAST, "edge2": FAST}
KINDS = {
    name: kind(*name.split())
    for name in ("alexnet fp32", "alexnet int8", "alexnet fp16", "llama-15m fp32", "llama-15m int8")
}
SILENT = TaskKind("silent", load_profile("resnet32"), 0, 0, ("fp32",), 10**9)  # input and result are empty
HEADER_BYTES = 24
BURST = 4


class PlacedTask(NamedTuple):
    """A task and its placement."""

    task: Task
    placement: Placement


def placed_task(name: str, at_ms: int, *cuts: tuple[str, int]) -> PlacedTask:
    """Return a task with its partitions, given as (node, last layer + 1)."""
    of = KINDS.get(name, SILENT)
    is_text = of.model.family == "causal_lm"
    task = Task("ue1", of, 0, at_ms * 1_000_000, 9 if is_text else 0, 3 if is_text else 0)
    firsts = [0, *(stop for _, stop in cuts)]
    return PlacedTask(
        task, tuple(Partition(node, first, stop) for (node, stop), first in zip(cuts, firsts, strict=False))
    )


TASKS_AND_PLACES = [
    placed_task("alexnet fp32", 0, ("ue1", 2), ("edge1", 7), ("edge2", 11)),
    placed_task("alexnet int8", 200, ("ue1", 2), ("edge1", 11)),
    placed_task("alexnet fp16", 400, ("edge2", 4), ("edge1", 11)),
    placed_task("alexnet fp32", 600, ("edge1", 11)),
    placed_task("alexnet fp32", 800, ("ue1", 11)),
    placed_task("alexnet int8", 1000, ("ue1", 2), ("ue1", 7), ("edge1", 11)),  # nothing is encoded within a node
    placed_task("llama-15m fp32", 1200, ("ue1", 3), ("edge1", 8)),
    placed_task("llama-15m int8", 1500, ("edge1", 3), ("edge2", 5), ("edge1", 8)),  # tokens go from edge1 to itself
    placed_task("llama-15m fp32", 1800, ("edge2", 8)),
    placed_task("silent", 2100, ("edge1", 4), ("edge2", 17)),
    *[placed_task("alexnet int8", 2300, ("ue1", 2), ("edge1", 11))] * BURST,
]
FIRST_OF_BURST = len(TASKS_AND_PLACES) - BURST
SLOWLY_DECIDED, DECISION_NS = 5, 40_000_000
WHOLE = {name: placed_task(name, 0, ("ue1", 11 if "alexnet" in name else 8)).placement for name in KINDS}


@pytest.fixture(scope="module")
def finished(amqtt: Broker, tmp_path_factory: pytest.TempPathFactory) -> StationRun:
    placed = [
        Decision(task._replace(number=number), placement, DECISION_NS if number == SLOWLY_DECIDED else 0)
        for number, (task, placement) in enumerate(TASKS_AND_PLACES)
    ]
    system = make_system([*KINDS.values(), SILENT], DEVICES)
    schedule = make_schedule(system, placed, free_addresses(list(DEVICES)), amqtt.address)
    return run(schedule, tmp_path_factory.mktemp("stations"), 30)


def test_every_task_is_answered(finished: StationRun) -> None:
    assert finished.waiting == ()
    assert finished.dropped == {}
    reals = [real for _, real in real_tasks(finished.schedule, finished.rows)]
    assert len(reals) == len(TASKS_AND_PLACES)
    assert [real.reason for real in reals] == [""] * len(reals)
    assert all(fraction == 0.0 for real in reals for fraction in real.erased)


def test_split_model_gives_the_whole_models_answer(finished: StationRun) -> None:
    for number, (task, placement) in enumerate(TASKS_AND_PLACES):
        seed = finished.schedule.jobs[number].input_seed
        (row,) = finished.rows_of(number, Event.COMPUTED, len(placement) - 1)
        assert row["answer"] == answer_of(task, placement, seed), number
        if task.kind.codecs == ("fp32",):
            assert row["answer"] == answer_of(task, WHOLE.get(task.kind.name, placement), seed), number


def test_parts_add_up_and_no_visit_is_shorter_than_modelled(finished: StationRun) -> None:
    for number in range(len(TASKS_AND_PLACES)):
        job, plan, real = finished.of(number)
        last_ns = max(int(row["at_ns"]) for row in finished.rows[finished.rows["job"] == number])
        assert real.sojourn_ns == last_ns - job.arrival_ns
        assert all(part >= 0 for stage in real.parts_ns for part in stage)
        visits = len(plan.placement)
        for stage in range(visits):
            held_ns = real.parts_ns[stage][DelayPart.LOAD] + real.parts_ns[stage][DelayPart.SERVICE]
            assert held_ns >= sum(job.service_ns[stage::visits])
        (woke_ns,) = finished.at_ns(number, Event.WOKE, 0)
        assert woke_ns >= job.arrival_ns


def test_a_decision_takes_its_time(finished: StationRun) -> None:
    job, _, real = finished.of(SLOWLY_DECIDED)
    (woke_ns,), (decided_ns,) = (finished.at_ns(SLOWLY_DECIDED, event, 0) for event in (Event.WOKE, Event.DECIDED))
    assert decided_ns >= job.arrival_ns + DECISION_NS
    assert real.parts_ns[0][DelayPart.WAITING] >= decided_ns - woke_ns
    assert len(finished.at_ns(SLOWLY_DECIDED + 1, Event.DECIDED, 0)) == 0


def test_visit_with_long_computation_is_late(finished: StationRun) -> None:
    (started_ns,), (computed_ns,), (finished_ns,) = (
        finished.at_ns(3, event, 0) for event in (Event.STARTED, Event.COMPUTED, Event.FINISHED)
    )
    assert computed_ns - started_ns > finished.schedule.jobs[3].service_ns[0]
    assert finished_ns - computed_ns < 20_000_000  # no further wait


def test_queue_is_first_in_first_out_with_one_server(finished: StationRun) -> None:
    burst = range(FIRST_OF_BURST, FIRST_OF_BURST + BURST)
    began = [finished.at_ns(number, Event.STARTED, 0)[0] for number in burst]
    ended = [finished.at_ns(number, Event.FINISHED, 0)[0] for number in burst]
    assert began == sorted(began)
    assert all(end_ns <= begin_ns for end_ns, begin_ns in zip(ended, began[1:], strict=False))
    modelled_ns = finished.schedule.jobs[FIRST_OF_BURST].service_ns[0]
    waited = [finished.of(number)[2].parts_ns[0][DelayPart.WAITING] for number in burst]
    assert all(later - sooner >= modelled_ns for sooner, later in pairwise(waited))
    assert waited[-1] < BURST * modelled_ns + 100_000_000


def test_messages_have_the_modelled_sizes_and_a_header(finished: StationRun) -> None:
    for number, (task, placement) in enumerate(TASKS_AND_PLACES):
        job = finished.schedule.jobs[number]
        legs = [finished.schedule.leg(job, 0)]
        for step in range(finished.schedule.steps(job)):
            legs += [finished.schedule.next_leg(job, step, stage) for stage in range(len(placement))]
        at = task.source
        for leg in legs:
            sent = finished.rows_of(number, Event.PUBLISHED, leg.stage, leg.step)
            if leg.target == at or not leg.size_bytes:
                assert len(sent) == 0
            else:
                (row,) = sent  # once
                assert row["size_bytes"] == leg.size_bytes + HEADER_BYTES
                (received,) = finished.rows_of(number, Event.RECEIVED, leg.stage, leg.step)
                assert received["size_bytes"] == row["size_bytes"]
                assert received["at_ns"] > row["at_ns"]
            at = leg.target


def test_task_without_messages_begins_and_ends_where_it_is_computed(finished: StationRun) -> None:
    number = FIRST_OF_BURST - 1
    rows = finished.rows[finished.rows["job"] == number]
    nodes = list(finished.schedule.addresses)
    assert {nodes[int(row["node"])] for row in rows} == {"edge1", "edge2"}
    assert [Event(int(row["event"])) for row in rows][-1] == Event.FINISHED


def test_events_and_records_agree(finished: StationRun, tmp_path: Path) -> None:
    assert tuple(event.text for event in Event if event != Event.ANSWERED) == (*EVENTS, *FAILURES, *MARKS)
    write_events(tmp_path / "events.parquet", finished.schedule, finished.rows)
    events = pq.read_table(tmp_path / "events.parquet")
    assert events.schema == STATION_EVENTS
    with Records(tmp_path) as records:
        write_real_tasks(
            records, "fixed@emulated", finished.schedule, finished.rows, [None] * len(finished.schedule.jobs)
        )
    tasks, stages = (
        pq.read_table(tmp_path / name, schema=schema).to_pylist()
        for name, schema in (("tasks.parquet", TASK_SCHEMA), ("stages.parquet", STAGE_SCHEMA))
    )
    assert len(tasks) == len(TASKS_AND_PLACES)
    ends = {row["task"]: row["at_ns"] for row in events.to_pylist()}
    for number, row in enumerate(tasks):
        assert (row["policy"], row["compute"], row["task"]) == ("fixed@emulated", "measured", number)
        names = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")
        assert sum(row[name] for name in names) == row["sojourn_ns"] == ends[number] - row["arrival_ns"]
        assert row["outcome"] == ("done" if row["sojourn_ns"] <= 10**9 else "missed")
        mine = [stage for stage in stages if stage["task"] == number]
        assert all(sum(stage[name] for stage in mine) == row[name] for name in names)
        assert [stage["stage"] for stage in mine] == list(range(len(mine)))
    assert [stage["node"] for stage in stages if stage["task"] == 0] == ["ue1", "edge1", "edge2", "ue1"]


def test_missing_weights_take_the_modelled_loading_time(finished: StationRun) -> None:
    _, plan, real = finished.of(0)
    first, stop = plan.placement[0].first, plan.placement[0].stop
    load_ns = round(sum(finished.schedule.weight_bytes["alexnet"][first:stop]))  # at 1 GB/s
    assert 0 <= real.parts_ns[0][DelayPart.LOAD] - load_ns < 20_000_000
    assert finished.of(1)[2].parts_ns[0][DelayPart.LOAD] == 0  # loaded now
