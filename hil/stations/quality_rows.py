"""The rows of quality.csv of an emulation."""

from collections.abc import Iterator, Sequence

from emulator.simulation.network import Network
from emulator.system import System
from hil.answers import MeasuredLoss
from hil.predicted_quality import MeasuredQuality, predict, scored_unit
from hil.stations.real_times import EventRows, real_tasks
from hil.stations.schedule import Schedule


def quality_rows(
    label: str, system: System, schedule: Schedule, rows: EventRows, losses: Sequence[MeasuredLoss | None]
) -> Iterator[MeasuredQuality]:
    """Yield a row under the policy `label` for each finished task whose answer was scored."""
    network = Network(system)
    for (job, real), measured in zip(real_tasks(schedule, rows), losses, strict=True):
        if real.reason or measured is None:
            continue
        plan = schedule.plan(job)
        unit = scored_unit(plan.tokens, job.prompt, job.image)
        predicted = predict(network, plan.kind, plan.legs.once, real.erased, unit)
        key = label, plan.source, plan.kind, job.task
        yield MeasuredQuality(*key, int(measured.agrees), measured.loss, predicted)
