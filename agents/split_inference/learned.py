"""A trained agent as a policy. The actor runs in NumPy, so that a simulation needs no learning library."""

from collections.abc import Mapping

import numpy as np

from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.encoding import SOURCE, Encoder, model_digest, servers_of
from agents.split_inference.run_encoder import RunEncoder
from agents.split_inference.sampling import Sampler
from emulator.core.arrays import Flags, Float32s
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement


class Learned:
    """Decides as the actor of a checkpoint does.

    An actor of isolated tasks takes the candidate with the highest logit, the first of equals. One of coupled tasks,
    whose layout has queues, draws from its probabilities, as in training: where observations are old, tasks that all
    take the same best choice would meet there. Each decision takes `decision_ns` of the run's time. Raises ValueError
    if the system has nodes, kinds or candidates that the agent was not trained for.
    """

    def __init__(self, checkpoint: Checkpoint, system: System, decision_ns: int = 0) -> None:
        self.decision_ns = decision_ns
        self._encoder = RunEncoder(checkpoint.layout, system.control)
        self.hear = self._encoder.hear
        self._weights = checkpoint.weights
        self._sampler = Sampler(system.seed) if checkpoint.layout.queues else None
        check_layout(checkpoint, system)

    def decide(self, observation: Observation) -> Placement:
        """Return the actor's choice."""
        seen, task = self._encoder.encode(observation), observation.task
        logits = actor_logits(self._weights, seen.features, seen.mask)
        if self._sampler is None:
            return seen.placements[int(np.argmax(logits))]
        placement = seen.placements[self._sampler.choose(task.source, task.kind.name, task.number, logits)]
        self._encoder.note(observation, placement)
        return placement


def actor_logits(weights: Mapping[str, Float32s], features: Float32s, masks: Flags) -> Float32s:
    """Return the outputs of an actor of tanh layers (`actor.0.weight`, ...), minus infinity where masked:
    (..., features) and (..., choices) to (..., choices)."""
    last = sum(name.startswith("actor.") and name.endswith(".weight") for name in weights) - 1
    hidden = features
    for layer in range(last + 1):
        hidden = hidden @ weights[f"actor.{2 * layer}.weight"].T + weights[f"actor.{2 * layer}.bias"]
        if layer < last:
            hidden = np.tanh(hidden)
    return np.where(masks, hidden, np.float32(-np.inf))


def check_layout(checkpoint: Checkpoint, system: System) -> None:
    """Raise ValueError, naming the differences, unless the agent was trained for all kinds and their models, all
    computing nodes but UEs, and a candidate of every stream, and the system has all nodes of the training."""
    layout, agent = checkpoint.layout, checkpoint.training.agent
    differing = [f"kind {kind}" for kind in system.kinds if kind not in layout.kinds]
    used = dict.fromkeys((*layout.nodes, *(node for node in layout.queues if node != SOURCE)))
    differing += [f"node {node}" for node in used if node not in system.nodes]
    differing += [f"new node {node}" for node in servers_of(system) if node not in layout.servers]
    models = dict(zip(layout.kinds, layout.models, strict=True))
    for kind in system.kinds.values():
        name, digest = models.get(kind.name, (kind.model.name, model_digest(kind.model)))
        if name != kind.model.name:
            differing.append(f"model {kind.model.name} of {kind.name} (trained with {name})")
        elif digest != model_digest(kind.model):
            differing.append(f"model {name} of {kind.name} (trained with other layers)")
    encoder = Encoder(layout)
    for (source, asked), candidates in system.placements.items():
        if asked in layout.kinds and not encoder.choices(source, asked, candidates)[1].any():
            differing.append(f"a candidate of {source} {asked}")
    if differing:
        raise ValueError(
            f"{agent}: checkpoint does not match the scenario: {', '.join(differing)}: must be trained anew"
        )
