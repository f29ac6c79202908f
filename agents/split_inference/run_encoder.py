"""A network's inputs and outputs during a run."""

from collections import defaultdict
from typing import NamedTuple

from agents.split_inference.encoding import Encoder, Layout
from agents.split_inference.ordered_work import OrderedWork
from emulator.core.arrays import Flags, Float32s
from emulator.ended_task import EndedTask
from emulator.policy import Observation
from emulator.system import Control
from emulator.task import Placement, Task


class Encoded(NamedTuple):
    """An observation as a network's inputs (features,), the placements of its outputs, and the mask of those that are
    candidates, (choices,)."""

    features: Float32s
    placements: tuple[Placement, ...]
    mask: Flags


class RunEncoder:
    """Encodes the observations of one run for a policy. If the layout has queues, it counts the work that each deciding
    node has ordered: the policy has its decisions noted, and has `hear` as its own (None without queues)."""

    def __init__(self, layout: Layout, control: Control) -> None:
        self._encoder, self._control = Encoder(layout), control
        self._ordered: defaultdict[str, OrderedWork] = defaultdict(OrderedWork)  # by deciding node
        self._has_queues = len(layout.queues) > 0
        self.hear = self._hear if self._has_queues else None

    def encode(self, observation: Observation) -> Encoded:
        """Return the observation as inputs, and what the outputs stand for."""
        task = observation.task
        features = self._encoder.features(observation, self._ordered_by(task).work_ns)
        return Encoded(features, *self._encoder.choices(task.source, task.kind.name, tuple(observation.candidates)))

    def note(self, observation: Observation, placement: Placement) -> None:
        """Take the policy's decision."""
        if self._has_queues:
            self._ordered_by(observation.task).add(observation, placement)

    def _hear(self, ended: EndedTask) -> None:
        self._ordered_by(ended.task).hear(ended)

    def _ordered_by(self, task: Task) -> OrderedWork:
        return self._ordered[self._control.decider(task.source)]
