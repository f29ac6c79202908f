"""Score the answers of jobs against those of the whole, unharmed models. Importing this imports torch."""

from collections.abc import Callable, Mapping
from pathlib import Path

from hil.answers import Answer, MeasuredLoss
from hil.stations.inputs import job_input
from hil.stations.schedule import Schedule
from hil.whole_models import WholeModels
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder


def measured_losses(
    schedule: Schedule, answers: Mapping[int, Answer], progress: Callable[[int, int], object]
) -> list[MeasuredLoss | None]:
    """Return for each job how its answer differs from that of the whole model on the same input, None without an
    answer."""
    plans = {
        name: folder_plan(name, ModelFolder(Path(model.folder)), model.dtype) for name, model in schedule.models.items()
    }
    whole = WholeModels(plans, schedule.weights_seed)
    losses: list[MeasuredLoss | None] = []
    for number, job in enumerate(schedule.jobs):
        progress(number, len(schedule.jobs))
        given = job_input(schedule.plan(job), job)
        losses.append(whole.measured(given, answers[number]) if number in answers else None)
    progress(len(schedule.jobs), len(schedule.jobs))
    return losses
