"""The measured loss of quality of each task's answer beside the one that its kind's table predicts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from emulator.simulation.network import Network
from emulator.system import System
from hil.stations.real_times import EventRows, real_tasks
from hil.stations.schedule import Schedule, StationJob, StationPlan
from topologies.datasets.task_images import has_labels


class MeasuredQuality(NamedTuple):
    """A finished task whose answer was scored.

    `unit`: of the losses, as in quality tables, empty for drawn pixels, whose loss is 1 for another class;
    `erased_share`: the greatest share of an activation's packets that was lost; `quality_loss`: measured; `predicted`:
    by the table at the shares that were lost, with the 95 % interval of the table's mean, `low` to `high`; the sum over
    the cuts. None without a table."""

    source: str
    kind: str
    task: int
    cuts: str
    codecs: str
    delivery: str
    unit: str
    erased_share: float
    quality_loss: float
    predicted: float | None
    low: float | None
    high: float | None


COLUMNS = MeasuredQuality._fields


def predicted_rows(
    system: System, schedule: Schedule, rows: EventRows, losses: Sequence[float | None]
) -> Iterator[MeasuredQuality]:
    """Yield a row for each finished task with a measured loss."""
    network = Network(system)
    for (job, real), loss in zip(real_tasks(schedule, rows), losses, strict=True):
        if real.reason or loss is None:
            continue
        plan = schedule.plan(job)
        sent = [leg for leg in plan.legs.once if leg.codec and leg.source != leg.target]
        delivery = schedule.deliveries.get(plan.kind)
        yield MeasuredQuality(
            plan.source,
            plan.kind,
            job.task,
            " ".join(str(leg.first) for leg in sent),
            " ".join(leg.codec for leg in sent),
            "" if delivery is None else delivery.text,
            _scored_unit(plan, job) or "",
            max((real.erased[leg.stage] for leg in sent), default=0.0),
            loss,
            *_predicted(network, schedule, job, real.erased),
        )


def _predicted(
    network: Network, schedule: Schedule, job: StationJob, erased: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Return the loss by the table and the bounds of its interval; None without a table, or with one in another unit
    than answers are scored in."""
    plan = schedule.plan(job)
    table = network.system.quality.get(plan.kind)
    if table is None or table.unit != _scored_unit(plan, job):
        return None, None, None
    loss = low = high = 0.0
    for leg in plan.legs.once:
        curve = network.quality_curve(network.system.kinds[plan.kind], leg)
        if curve is not None:
            share = min(erased[leg.stage], 1.0)
            bounds = curve.interval_at(share)
            loss, low, high = loss + curve.at(share), low + bounds[0], high + bounds[1]
    return loss, low, high


def _scored_unit(plan: StationPlan, job: StationJob) -> str | None:
    """Return the unit in which the answer is scored as in tables: None for drawn pixels, which no table is about."""
    if plan.tokens:
        return "nats a token"
    if job.image is None:
        return None
    return "accuracy" if has_labels(job.image.dataset) else "agreement"
