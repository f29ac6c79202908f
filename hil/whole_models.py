"""The answers of whole, unharmed models to the inputs of tasks. Importing this imports torch."""

from collections.abc import Mapping
from typing import NamedTuple

import torch

from emulator.workload import TaskImage
from hil.answers import Answer, MeasuredLoss, answer_of, compared
from hil.deployment import LayerId
from hil.runtime import Runtime
from topologies.datasets.task_images import label_of
from topologies.models.chain import ModelPlan
from topologies.models.registry import model_plan
from topologies.models.vision.images import task_image_input


class TaskInput(NamedTuple):
    """What a task computes on: the token ids `prompt`, or the `image`, or without both an input drawn from `seed`, of
    `tokens` tokens (1 for an image)."""

    model: str
    seed: int
    tokens: int
    prompt: tuple[int, ...] = ()
    image: TaskImage | None = None

    def tensor(self, runtime: Runtime) -> torch.Tensor:
        """Return the model's input.

        Raises ValueError for tokens that the model does not have, MissingDependency without the image's data set.
        """
        if self.image is not None:
            return task_image_input(model_plan(self.model), self.image)
        return runtime.task_input(self.model, self.seed, self.tokens, self.prompt)


class WholeModels:
    """Whole models, each loaded when it is first asked; each input is computed once."""

    def __init__(self, plans: Mapping[str, ModelPlan], weights_seed: int) -> None:
        """`plans`: those that are not shipped, by name. Weights that are not trained are drawn from `weights_seed`."""
        self._runtime = Runtime()
        for plan in plans.values():
            self._runtime.adopt(plan)
        self._plans, self._seed = dict(plans), weights_seed
        self._answers: dict[TaskInput, Answer] = {}

    def measured(self, given: TaskInput, answer: Answer) -> MeasuredLoss:
        """Return how an answer differs from that of the whole model to the same input. Raises as `TaskInput.tensor`."""
        if given.prompt or given.image is not None:
            given = given._replace(seed=0)
        if given not in self._answers:
            self._answers[given] = self._answer(given)
        label = None if given.image is None else label_of(given.image)
        is_text = self._plan(given.model).family == "causal_lm"
        return compared(answer, self._answers[given], is_text=is_text, label=label)

    def _answer(self, given: TaskInput) -> Answer:
        layers = len(self._plan(given.model).layers)
        for index in range(layers):
            self._runtime.draw(LayerId(given.model, self._seed, index))
        output, _ = self._runtime.run(given.model, self._seed, 0, layers, given.tensor(self._runtime))
        return answer_of(output, given.prompt)

    def _plan(self, model: str) -> ModelPlan:
        return self._plans.get(model) or model_plan(model)
