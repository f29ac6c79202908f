"""Actions and networks of plain A3C, which shares no trunk: one head over all placements, or a network a block."""

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.vector.utils import batch_space
from torch import Tensor, nn

from agents.block_placement.optimum import all_placements
from agents.block_placement.vector_environment import BlockPlacementVector
from agents.learning.heads import Shape
from agents.learning.networks import ActorCritic, SeparateNetworks
from emulator.core.arrays import Flags, Float32s, Floats, Ints

MOST_JOINT_OUTCOMES = 4_096  # of one head; beyond, K^M outputs cost more than the rest of the training


class JointActions(gymnasium.vector.VectorWrapper[Float32s, Ints, npt.NDArray[Any]]):
    """The environment with one number for each of all K^M placements as its action."""

    def __init__(self, environment: BlockPlacementVector) -> None:
        super().__init__(environment)
        settings = environment.problem.settings
        self._placements = all_placements(settings.blocks, environment.problem.places)
        self.single_action_space = gymnasium.spaces.Discrete(len(self._placements))
        self.action_space = batch_space(self.single_action_space, environment.num_envs)

    def step(self, actions: Ints) -> tuple[Float32s, Floats, Flags, Flags, dict[str, Any]]:
        """Place the blocks as the placements of these numbers say, shape (N,)."""
        return self.env.step(self._placements[np.asarray(actions)])


class NetworkPerBlock(ActorCritic):
    """A network of its own for each block's place, as SeparateNetworks has one, and one critic. Each
    layer keeps the weights of all blocks in one array, so that one product computes it."""

    def __init__(self, shape: Shape, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        single = Shape(shape.features, 1, shape.outcomes)
        networks = [SeparateNetworks(single, hidden, generator) for _ in range(shape.heads)]
        linears = [[layer for layer in network.actor if isinstance(layer, nn.Linear)] for network in networks]
        layers = list(zip(*linears, strict=True))  # each layer of all blocks
        self.layers = nn.ParameterList(torch.stack([each.weight.T for each in layer]).detach() for layer in layers)
        self.biases = nn.ParameterList(torch.stack([each.bias[None] for each in layer]).detach() for layer in layers)
        self.critic = networks[0].critic

    def outputs(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (..., M * K) and values (..., 1)."""
        hidden = observations.reshape(1, -1, self.shape.features).expand(self.shape.heads, -1, -1)
        for number, (weights, biases) in enumerate(zip(self.layers, self.biases, strict=True)):
            hidden = torch.baddbmm(biases, torch.tanh(hidden) if number else hidden, weights)
        logits = hidden.movedim(0, 1).reshape(*observations.shape[:-1], -1)
        return logits, self.critic(observations)
