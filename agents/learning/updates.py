"""The shared parameters of A2C and A3C, and their updates."""

import torch
from torch import Tensor

from agents.learning.heads import Shape
from agents.learning.networks import ActorCritic, MakeNetwork
from agents.learning.settings import A2cSettings
from agents.learning.torch_state import network_state, restore_network
from agents.learning.training.state import TrainingState


class Parameters:
    """The network whose parameters are updated, and the state of RMSProp.

    Parameters begin with the draws of `seed`. If `memory` is given, they and the state lie in it, with the values that
    it has, and other processes may share it: float32, begun with `first_memory`.
    """

    def __init__(
        self, network: MakeNetwork, shape: Shape, settings: A2cSettings, seed: int, memory: Tensor | None = None
    ) -> None:
        self.model = network(shape, settings.hidden, torch.Generator().manual_seed(seed))
        self.optimizer = torch.optim.RMSprop(
            self.model.parameters(), lr=settings.learning_rate, alpha=settings.decay, eps=1e-5
        )
        self._learning_rate = settings.learning_rate
        if memory is not None:
            self._move(memory)

    def _move(self, memory: Tensor) -> None:
        start = 0
        for parameter in self.model.parameters():
            count = parameter.numel()
            values, squares = memory[start : start + 2 * count].view(2, *parameter.shape)
            parameter.data = values
            self.optimizer.state[parameter] = {"step": torch.zeros(()), "square_avg": squares}
            start += 2 * count

    def apply(self, gradient: list[Tensor], left: float) -> None:
        """Take one step of RMSProp. `left`: remaining share of the training, 1 to 0."""
        for parameter, values in zip(self.model.parameters(), gradient, strict=True):
            parameter.grad = values
        self.optimizer.param_groups[0]["lr"] = self._learning_rate * left
        self.optimizer.step()

    def state(self) -> TrainingState:
        """Return parameters and mean squared gradients."""
        return network_state(self.model, self.optimizer)

    def restore(self, state: TrainingState) -> None:
        """Go on from a state."""
        restore_network(self.model, self.optimizer, state)


def first_memory(model: ActorCritic) -> Tensor:
    """Return the values with which a `memory` of `Parameters` begins: each parameter, and zeros of the same size."""
    flat = (values.detach().flatten() for values in model.parameters())
    return torch.cat([torch.cat((values, torch.zeros_like(values))) for values in flat])


def worker_copy(
    network: MakeNetwork, settings: A2cSettings, seed: int, number: int, first: ActorCritic
) -> tuple[ActorCritic, torch.Generator]:
    """Return a worker's own network with the parameters of `first`, and the generator of the worker's draws."""
    rng = torch.Generator().manual_seed(seed * 1_000 + number + 1)
    model = network(first.shape, settings.hidden, rng)
    model.load_state_dict(first.state_dict())
    return model, rng
