"""What the first partition of a task computes on. Importing this imports torch."""

import torch

from hil.runtime import Runtime
from hil.stations.schedule import StationJob
from topologies.models.registry import model_plan
from topologies.models.vision.images import task_image_input


def first_input(runtime: Runtime, model: str, job: StationJob) -> torch.Tensor:
    """Return the task's text or image as the model's input; without both, a drawn one.

    Raises ValueError for tokens that the model does not have, MissingDependency without the image's data set.
    """
    if job.image is not None:
        return task_image_input(model_plan(model), job.image)
    return runtime.task_input(model, job.input_seed, job.prompt_tokens or 1, job.prompt)
