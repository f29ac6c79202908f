"""What the first partition of a job computes on. Importing this imports torch."""

from hil.stations.schedule import StationJob, StationPlan
from hil.whole_models import TaskInput


def job_input(plan: StationPlan, job: StationJob) -> TaskInput:
    """Return the input of a job of a plan."""
    return TaskInput(plan.model, job.input_seed, job.prompt_tokens or 1, job.prompt, job.image)
