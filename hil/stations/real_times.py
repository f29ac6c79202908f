"""Combine the logs of an emulation's stations into events (Parquet) and records of tasks and stages in real time."""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.deadlines import missed_deadlines, time_per_token_ns
from emulator.realtime.station_events import STATION_EVENTS
from emulator.record import ENERGY_PARTS, Records
from emulator.simulation.task_state import combined_loss
from emulator.task import describe
from hil.stations.event_log import EVENT_ROW, FAILURE_EVENTS, Event, answer_in, read_log
from hil.stations.processes import events_file
from hil.stations.schedule import Schedule, StationJob

NOT_ANSWERED = "not answered"
GATHERED_ROW = np.dtype([*EVENT_ROW.descr, ("node", "<u4")])
EventRows = np.ndarray[tuple[int], np.dtype[np.void]]


class DelayPart(IntEnum):
    """A part of a task's delay at one stage."""

    WAITING = 0
    LOAD = 1
    SERVICE = 2
    TRANSFER = 3


# Map each event to the delay part that ends with the event, in the event's stage. Transfer includes the source's
# lateness, encoding, decoding, and both hosts' network stacks. Waiting for the server includes the encoding and sending
# of the output of the visit before.
PART_OF = {
    Event.WOKE: DelayPart.TRANSFER,
    Event.DECIDED: DelayPart.WAITING,
    Event.PUBLISHED: DelayPart.TRANSFER,
    Event.RECEIVED: DelayPart.TRANSFER,
    Event.DECODED: DelayPart.TRANSFER,
    Event.STARTED: DelayPart.WAITING,
    Event.LOADED: DelayPart.LOAD,
    Event.COMPUTED: DelayPart.SERVICE,
    Event.FINISHED: DelayPart.SERVICE,
} | dict.fromkeys(FAILURE_EVENTS, DelayPart.WAITING)


def gather(schedule: Schedule, folder: Path) -> EventRows:
    """Return the rows of all stations, sorted by job and time. The rows of a killed station end early. Leave out rows
    after a job is complete, such as those of a message that arrives again: they are not part of the task."""
    logs = []
    for number, node in enumerate(schedule.addresses):
        rows = read_log(events_file(folder, node))
        log = np.zeros(len(rows), GATHERED_ROW)
        for name in rows.dtype.names or ():
            log[name] = rows[name]
        log["node"] = number
        logs.append(log)
    rows = np.concatenate(logs)
    rows = rows[rows["event"] != Event.ANSWERED]
    rows = rows[np.lexsort((rows["event"], rows["stage"], rows["step"], rows["at_ns"], rows["job"]))]
    last_events = np.array([_last_event(schedule, job) for job in schedule.jobs], np.int64).reshape(-1, 3)[rows["job"]]
    completes = (np.stack([rows["step"], rows["stage"], rows["event"]], axis=1) == last_events).all(axis=1)
    completed = np.cumsum(completes) - completes  # jobs' last events before a row, in all jobs
    kept: EventRows = rows[completed == completed[np.searchsorted(rows["job"], rows["job"])]]
    return kept


def gather_answers(schedule: Schedule, folder: Path) -> dict[int, tuple[int, float | None]]:
    """Return the answers of jobs that have one (`hil.answers.Answer`)."""
    found: dict[int, tuple[int, float | None]] = {}
    for node in schedule.addresses:
        rows = read_log(events_file(folder, node))
        found.update((int(row["job"]), answer_in(row)) for row in rows[rows["event"] == Event.ANSWERED])
    return found


def write_events(path: Path, schedule: Schedule, rows: EventRows) -> None:
    """Write gathered rows as Parquet (`emulator.realtime.station_events`)."""
    plans = np.array([job.plan for job in schedule.jobs], np.int64)[rows["job"]]
    tasks = np.array([job.task for job in schedule.jobs], np.int64)[rows["job"]]
    table = pa.table(
        [
            _name_column(list(schedule.addresses), rows["node"]),
            _name_column([plan.source for plan in schedule.plans], plans),
            _name_column([plan.kind for plan in schedule.plans], plans),
            tasks,
            rows["step"].astype(np.int32),
            rows["stage"].astype(np.int16),
            _name_column([event.text for event in Event], rows["event"]),
            rows["at_ns"],
            rows["size_bytes"].astype(np.int64),
        ],
        schema=STATION_EVENTS,
    )
    pq.write_table(table, path, compression="zstd")


class RealTaskTimes(NamedTuple):
    """A task in real time: by stage (the result's transfer last) the parts of its delay in ns and its erased fraction,
    the reason if it failed, and when its first output token was known. All parts add up to its sojourn."""

    parts_ns: list[list[int]]
    erased: list[float]
    reason: str
    first_token_ns: int | None = None

    @property
    def sojourn_ns(self) -> int:
        """Time from the scheduled arrival to the result; of a failed task, to its last event."""
        return sum(map(sum, self.parts_ns))


def real_tasks(schedule: Schedule, rows: EventRows) -> Iterator[tuple[StationJob, RealTaskTimes]]:
    """Yield every job of the schedule in order, with its times from gathered rows."""
    columns = zip(
        *(rows[name].tolist() for name in ("job", "step", "stage", "event", "at_ns", "size_bytes", "exposed_bytes")),
        strict=True,
    )
    events_of = {number: list(group) for number, group in groupby(columns, key=lambda row: row[0])}
    for number, job in enumerate(schedule.jobs):
        yield job, _sum_parts(schedule, job, events_of.get(number, ()))


def write_real_tasks(
    records: Records, label: str, schedule: Schedule, rows: EventRows, losses: Sequence[float | None]
) -> None:
    """Append a row per task and per stage under `label`. Link waiting times and energy are null. `losses`: of the
    quality of each task's answer, None if it was not measured; it is that of all stages, whose own is null."""
    energies_j = (None,) * (1 + len(ENERGY_PARTS))
    for (job, real), loss in zip(real_tasks(schedule, rows), losses, strict=True):
        plan = schedule.plan(job)
        names = (label, plan.source, plan.kind, job.task)
        sums_ns = [sum(stage[part] for stage in real.parts_ns) for part in DelayPart]
        erased = 0.0
        for fraction in real.erased:
            erased = combined_loss(erased, fraction)
        tokens = (job.prompt_tokens, job.output_tokens) if plan.tokens else (None, None)
        begin = (*names, job.arrival_ns, *tokens, describe(plan.placement))
        ttft_ns = None if real.reason or real.first_token_ns is None else real.first_token_ns - job.arrival_ns
        token_ns = time_per_token_ns(real.sojourn_ns, ttft_ns, job.output_tokens)
        missed = "" if real.reason else missed_deadlines(plan, real.sojourn_ns, ttft_ns, token_ns)
        outcome = "failed" if real.reason else "missed" if missed else "done"
        end = (outcome == "done", outcome, missed, real.reason, 1, schedule.compute)
        times_ns = (*sums_ns, None, real.sojourn_ns, ttft_ns, token_ns)
        records.tasks.append((*begin, *times_ns, *energies_j, erased, None if real.reason else loss, *end))
        layers = plan.placement[-1].stop
        parts = zip(plan.placement, plan.legs.once, strict=True)
        stages = [(*part[:3], leg.codec) for part, leg in parts] + [(plan.source, layers, layers, "")]
        has_result_transfer = any(real.parts_ns[-1])
        for stage, place in enumerate(stages if has_result_transfer else stages[:-1]):
            costs = (*real.parts_ns[stage], None, *energies_j, real.erased[stage], None)
            records.stages.append((*names, stage, *place, *costs, schedule.compute, ""))


def _sum_parts(schedule: Schedule, job: StationJob, events: Sequence[tuple[int, ...]]) -> RealTaskTimes:
    """Add the time between consecutive events to the later event's part and stage."""
    stages = len(schedule.plan(job).placement) + 1
    parts_ns = [[0, 0, 0, 0] for _ in range(stages)]
    lost_bytes, exposed_bytes = [0] * stages, [0] * stages
    sent: dict[tuple[int, int], tuple[int, int]] = {}
    last_ns, reason, first_token_ns = job.arrival_ns, NOT_ANSWERED, None
    for _, step, stage, event, at_ns, size_bytes, exposed in events:
        if event == Event.FIRST_TOKEN:  # divides no time
            first_token_ns = at_ns
            continue
        parts_ns[stage][PART_OF[Event(event)]] += at_ns - last_ns
        last_ns = at_ns
        if event == Event.PUBLISHED:
            sent[step, stage] = size_bytes, exposed
        elif event == Event.RECEIVED and (step, stage) in sent:
            lost_bytes[stage] += max(0, sent[step, stage][0] - size_bytes)
            exposed_bytes[stage] += sent[step, stage][1]
        elif event in FAILURE_EVENTS:
            reason = Event(event).text
    if events and events[-1][1:4] == _last_event(schedule, job):
        reason = ""
    erased = [lost / max(1, exposed) for lost, exposed in zip(lost_bytes, exposed_bytes, strict=True)]
    return RealTaskTimes(parts_ns, erased, reason, first_token_ns)


def _last_event(schedule: Schedule, job: StationJob) -> tuple[int, int, int]:
    """Return the step, stage and event that complete a job: the result is decoded, or computed where it is wanted."""
    placement = schedule.plan(job).placement
    step = schedule.steps(job) - 1
    if schedule.ends_at(job) == placement[-1].node:
        return step, len(placement) - 1, Event.FINISHED
    return step, len(placement), Event.DECODED


def _name_column(names: Sequence[str], which: "np.ndarray[Any, Any]") -> pa.DictionaryArray:
    """Return the column `names[which]`, dictionary-encoded."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    of_name = np.array([codes[name] for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(of_name[which]), pa.array(list(codes), pa.string()))
