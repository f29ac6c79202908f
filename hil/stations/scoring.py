"""Score the answers of tasks against those of the whole, unharmed models. Importing this imports torch."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch

from hil.deployment import LayerId
from hil.runtime import Runtime
from hil.stations.inputs import first_input
from hil.stations.schedule import Schedule, StationJob, StationPlan
from topologies.datasets.task_images import label_of
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder
from topologies.quality.subject import judge_language


def answer_score(plan: StationPlan, job: StationJob, output: torch.Tensor) -> float | None:
    """Return the score of the last layer's output: of a text the mean negative log-likelihood of its tokens in nats, of
    an image the number of the predicted class. Drawn token ids have no score: no model can foresee them."""
    if not plan.tokens:
        return float(output.flatten().argmax())
    if len(job.prompt) < 2:
        return None
    losses, _ = judge_language(output.float(), torch.tensor([job.prompt]))
    return float(losses.mean())


def quality_losses(
    schedule: Schedule, scores: Mapping[int, float], progress: Callable[[int, int], object]
) -> list[float | None]:
    """Return for each job how much worse its answer is than that of the whole model on the same input, None for jobs
    without a score: nats a token, or for an image 1 if the class is wrong, less 1 if that of the whole model is too;
    without a label the whole model is right. Each input is computed once."""
    runtime = Runtime()
    for name, model in schedule.models.items():
        runtime.adopt(folder_plan(name, ModelFolder(Path(model.folder)), model.dtype))
    for model_name in {schedule.plan(schedule.jobs[number]).model for number in scores}:
        for index in range(len(schedule.weight_bytes[model_name])):
            runtime.draw(LayerId(model_name, schedule.weights_seed, index))

    @cache
    def unharmed(model: str, number: int) -> float | None:
        job = schedule.jobs[number]
        x = first_input(runtime, model, job)
        output, _ = runtime.run(model, schedule.weights_seed, 0, len(schedule.weight_bytes[model]), x)
        return answer_score(schedule.plan(job), job, output)

    first_with: dict[object, int] = {}
    losses: list[float | None] = []
    for number, job in enumerate(schedule.jobs):
        progress(number, len(schedule.jobs))
        plan = schedule.plan(job)
        seed = 0 if job.prompt or job.image else job.input_seed
        same = first_with.setdefault((plan.model, seed, job.prompt_tokens, job.prompt, job.image), number)
        reference = unharmed(plan.model, same) if number in scores else None
        if reference is None:
            losses.append(None)
        elif plan.tokens:
            losses.append(scores[number] - reference)
        else:
            label = None if job.image is None else label_of(job.image)
            right = reference if label is None else label
            losses.append(float(scores[number] != right) - float(reference != right))
    progress(len(schedule.jobs), len(schedule.jobs))
    return losses
