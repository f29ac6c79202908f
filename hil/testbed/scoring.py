"""Score the answers of workers against those of the whole, unharmed models. Importing this imports torch."""

from collections.abc import Mapping, Sequence

from emulator.legs import plan_legs
from emulator.policy import Execution
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task
from hil.answers import Answer
from hil.codec import Float32Array
from hil.predicted_quality import MeasuredQuality, predict, scored_unit
from hil.task_inputs import input_image, input_prompt, input_seed
from hil.testbed.coordinator import Coordinator
from hil.whole_models import TaskInput, WholeModels
from topologies.models.chain import ModelPlan


class AnswerScores:
    """The scored answers of a run's tasks. Whole models are loaded when their first answer is scored."""

    def __init__(self, system: System, plans: Mapping[str, ModelPlan], weights_seed: int) -> None:
        """`plans`: of models that are not shipped, by name; `weights_seed`: that of the workers' weights."""
        self._system, self._network = system, Network(system)
        self._whole = WholeModels(plans, weights_seed)
        self._rows: dict[tuple[str, str, str, int], MeasuredQuality] = {}

    def rows(self) -> Sequence[MeasuredQuality]:
        """Return a row for each task with an answer, the last one if it was placed several times."""
        return tuple(self._rows.values())

    def add(self, label: str, task: Task, placement: Placement, result: Float32Array, text_nnat: int) -> float | None:
        """Score an answer under the policy `label`: the scores of the classes or of the next token, and the mean
        negative log-likelihood of the text in 1e-9 nats, 0 if it is not known. Return its loss of quality, None for
        drawn tokens."""
        kind = task.kind
        prompt, image = input_prompt(self._system, task), input_image(self._system, task)
        given = TaskInput(kind.model.name, input_seed(self._system, task), task.prompt_tokens or 1, prompt, image)
        answer = Answer(int(result.argmax()), text_nnat * 1e-9 if text_nnat else None)
        measured = self._whole.measured(given, answer)
        legs = plan_legs(kind, task.source, placement).once
        unit = scored_unit(kind.model.family == "causal_lm", prompt, image)
        predicted = predict(self._network, kind.name, legs, [0.0] * len(legs), unit)
        key = label, task.source, kind.name, task.number
        self._rows[key] = MeasuredQuality(*key, int(measured.agrees), measured.loss, predicted)
        return measured.loss


class ScoredCompute:
    """Run the tasks of the policy `label` on workers (`emulator.policy.Compute`), and score their answers."""

    def __init__(self, coordinator: Coordinator, scores: AnswerScores, label: str) -> None:
        self._coordinator, self._scores, self._label = coordinator, scores, label

    def execute(self, task: Task, placement: Placement) -> Execution:
        """Return the measured times (`Coordinator.execute`), and the loss of quality of the answer."""
        inference = self._coordinator.infer(task, placement)
        execution = self._coordinator.execution_of(task, placement, inference)
        if inference.result is None:
            return execution
        text_nnat = inference.reports[-1].text_nnat
        loss = self._scores.add(self._label, task, placement, inference.result, text_nnat)
        return execution._replace(quality_loss=loss)
