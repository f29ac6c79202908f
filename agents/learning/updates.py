"""The shared parameters of A2C and A3C, their updates, and the learning curve of these."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.learning.curve import Curve, Diagnostics, curve_point
from agents.learning.heads import Shape
from agents.learning.n_step import UpdateReport
from agents.learning.networks import ActorCritic, MakeNetwork
from agents.learning.settings import A2cSettings

MAX_CURVE_POINTS = 50  # about as many points in a learning curve


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


def curve_of(agent: str, seed: int, reports: list[UpdateReport], steps_per_update: int) -> Curve:
    """Return points of the means of reports: about MAX_CURVE_POINTS, the last one at the end."""
    points: Curve = []
    recent: list[UpdateReport] = []
    for done, report in enumerate(reports, start=1):
        recent.append(report)
        if is_point(done, len(reports)):
            points.append(_point(agent, seed, done * steps_per_update, recent))
            recent.clear()
    return points


def is_point(done: int, updates: int) -> bool:
    """Return whether the curve has a point after `done` of all updates."""
    return done % max(1, updates // MAX_CURVE_POINTS) == 0 or done == updates


def _point(agent: str, seed: int, step: int, recent: list[UpdateReport]) -> dict[str, Any]:
    rows = [(each.reward_mean, *each.diagnostics[:3]) for each in recent]
    reward_mean, *means = (sum(column) / len(column) for column in zip(*rows, strict=True))
    returns = [value for each in recent for value in each.returns]
    episode_return = float(np.mean(returns)) if returns else float("nan")
    return curve_point(agent, seed, step, reward_mean, episode_return, Diagnostics(*means))
