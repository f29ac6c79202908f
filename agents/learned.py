"""A trained agent as a policy: the actor in NumPy, so that a simulation needs no learning library."""

import numpy as np

from agents.checkpoint import Checkpoint
from agents.encoding import Encoder, Flags, Float32s
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement


class Learned:
    """Takes the choice that its actor rates highest among the candidates; of equals, the first.

    It was trained on tasks that are alone, and sees neither queues nor other tasks. Raises ValueError
    when a system has nodes, kinds or candidates that the agent was not trained for.
    """

    def __init__(self, checkpoint: Checkpoint, system: System) -> None:
        self._encoder = Encoder(checkpoint.layout)
        self._weights = checkpoint.weights
        self._layers = sum(name.endswith(".weight") for name in checkpoint.weights)
        check_layout(checkpoint, system)

    def decide(self, observation: Observation) -> Placement:
        """The candidate with the highest logit."""
        task = observation.task
        placements, mask = self._encoder.choices(task.source, task.kind.name, tuple(observation.candidates))
        return placements[int(np.argmax(self.logits(self._encoder.features(observation), mask)))]

    def logits(self, features: Float32s, mask: Flags) -> Float32s:
        """The actor: tanh layers and a linear one, minus infinity where masked. Shapes (features,) and
        (choices,) to (choices,)."""
        hidden = features
        for layer in range(self._layers):
            weight, bias = self._weights[f"actor.{2 * layer}.weight"], self._weights[f"actor.{2 * layer}.bias"]
            hidden = weight @ hidden + bias
            if layer < self._layers - 1:
                hidden = np.tanh(hidden)
        return np.where(mask, hidden, np.float32(-np.inf))


def check_layout(checkpoint: Checkpoint, system: System) -> None:
    """Raise ValueError unless the agent knows all kinds and nodes, and a candidate of every stream."""
    layout, agent = checkpoint.layout, checkpoint.training.agent
    missing = [f"kind {kind}" for kind in system.kinds if kind not in layout.kinds]
    missing += [f"node {node}" for node in layout.nodes if node not in system.nodes]
    encoder = Encoder(layout)
    for (source, kind), candidates in system.placements.items():
        if kind in layout.kinds and not encoder.choices(source, kind, candidates)[1].any():
            missing.append(f"a candidate of {source} {kind}")
    if missing:
        raise ValueError(f"{agent}: checkpoint does not match the scenario: {', '.join(missing)}: must be trained anew")
